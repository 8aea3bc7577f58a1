// What batch and instance normalisation have in common: a scale and a shift to learn, and running statistics to keep.

import { Buffer, Parameter, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { flag, float, made, orNull, probability, read, whole } from '../fields.js';
import { Module } from '../module.js';
import { pythonFloat, settings } from '../print.js';

export interface NormOptions extends FactoryOptions {
  /** Added to the variance. @default 1e-5 */
  eps?: number;
  /** The weight of a new batch in the running statistics; null: all batches count alike. @default 0.1 */
  momentum?: number | null;
  /** Whether it learns a scale and a shift. */
  affine?: boolean;
  /** Whether it keeps running statistics for evaluation; without, evaluation uses the batch's too. */
  trackRunningStats?: boolean;
  /** Whether the learnt shift is there, where `affine`. @default true */
  bias?: boolean;
}

export type NormArguments = [numFeatures: number, options?: NormOptions];

/** By default batch normalisation learns and keeps statistics, and instance normalisation does neither. */
export const normFields = (standard: boolean) => ({
  numFeatures: whole(),
  eps: float(1e-5),
  momentum: orNull(probability(), 0.1),
  affine: flag(standard),
  trackRunningStats: flag(standard),
  ...made,
  bias: flag(true),
});

export abstract class Norm extends Module {
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number | null;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;
  weight: Parameter | null = null;
  bias: Parameter | null = null;
  runningMean: Buffer | null = null;
  runningVar: Buffer | null = null;
  numBatchesTracked: Buffer | null = null;

  constructor(owner: string, fields: ReturnType<typeof normFields>, args: readonly unknown[]) {
    super();
    const { numFeatures, eps, momentum, affine, trackRunningStats, bias, ...options } = read(owner, fields, args);
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
    this.affine = affine;
    this.trackRunningStats = trackRunningStats;
    const kind = factory(options);
    if (affine) {
      this.weight = new Parameter(torch.ones([numFeatures], kind));
      if (bias) this.bias = new Parameter(torch.zeros([numFeatures], kind));
    }
    if (trackRunningStats) {
      this.runningMean = new Buffer(torch.zeros([numFeatures], kind));
      this.runningVar = new Buffer(torch.ones([numFeatures], kind));
      this.numBatchesTracked = new Buffer(torch.zeros([], { ...kind, dtype: 'int64' }));
    }
  }

  /** Statistics as at first. */
  resetRunningStats(): void {
    torch.noGrad(() => {
      this.runningMean?.zero_();
      this.runningVar?.fill_(1);
      this.numBatchesTracked?.zero_();
    });
  }

  /** Since version 2 a state holds `num_batches_tracked`. */
  override get stateVersion(): number {
    return 2;
  }

  override mayLack(key: string, version: number | undefined): boolean {
    return key === 'num_batches_tracked' && (version === undefined || version < 2);
  }

  override extraRepr(): string {
    const { numFeatures, eps, momentum, affine, bias, trackRunningStats } = this;
    const rest = settings({
      eps,
      momentum: momentum === null ? null : pythonFloat(momentum),
      affine,
      bias: bias !== null,
      track_running_stats: trackRunningStats,
    });
    return `${numFeatures}, ${rest}`;
  }

  override brief(): string {
    return `${this.constructor.name} ${this.numFeatures}`;
  }
}
