// Batch normalisation (Ioffe & Szegedy 2015) over all dimensions but the channels'. In training it uses the batch's own
// mean and variance and keeps running ones for evaluation.

import { IsotorchError } from '../errors.js';
import { Buffer, Parameter, type Tensor, torch } from '../tensor/index.js';
import { type FactoryOptions, factory, flag, positive, probability, wholeNumber } from './arguments.js';
import { Module } from './module.js';
import { settings } from './print.js';

export interface BatchNormOptions extends FactoryOptions {
  /** Added to the variance. @default 1e-5 */
  eps?: number;
  /** The weight of a new batch in the running statistics; null: all batches count alike. @default 0.1 */
  momentum?: number | null;
  /** Whether it learns a scale and a shift. @default true */
  affine?: boolean;
  /** Whether it keeps running statistics; without, evaluation uses the batch's too. @default true */
  trackRunningStats?: boolean;
  /** Whether the learnt shift is there, where `affine`. @default true */
  bias?: boolean;
}

abstract class BatchNorm extends Module {
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

  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super();
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true, bias = true } = options;
    this.numFeatures = wholeNumber(numFeatures, 'numFeatures');
    this.eps = positive(eps, 'eps');
    this.momentum = momentum === null ? null : probability(momentum, 'momentum');
    this.affine = flag(affine, 'affine');
    this.trackRunningStats = flag(trackRunningStats, 'trackRunningStats');
    const kind = factory(options);
    if (affine) {
      this.weight = new Parameter(torch.ones([numFeatures], kind));
      if (flag(bias, 'bias')) this.bias = new Parameter(torch.zeros([numFeatures], kind));
    }
    if (trackRunningStats) {
      const place = options.device === undefined ? {} : { device: options.device };
      this.runningMean = new Buffer(torch.zeros([numFeatures], kind));
      this.runningVar = new Buffer(torch.ones([numFeatures], kind));
      this.numBatchesTracked = new Buffer(torch.zeros([], { dtype: 'int64', ...place }));
    }
  }

  /** Dimensions of an input. */
  protected abstract readonly dimensions: readonly number[];

  override forward(input: Tensor): Tensor {
    const { shape } = input;
    if (!this.dimensions.includes(shape.length)) {
      throw new IsotorchError(
        'ERR_SHAPE',
        `${this.constructor.name}: expected an input of ${this.dimensions.join(' or ')} dimensions, received [${shape.join(', ')}]`,
      );
    }
    const { training, runningMean, runningVar, numBatchesTracked } = this;
    let momentum = this.momentum ?? 0;
    if (training) {
      this.#refuseSingle(shape);
      if (numBatchesTracked) {
        numBatchesTracked.add_(1);
        if (this.momentum === null) momentum = 1 / Number(numBatchesTracked.item());
      }
    }
    const ofBatch = training || runningMean === null;
    return torch.batchNorm(input, this.weight, this.bias, runningMean, runningVar, ofBatch, momentum, this.eps, true);
  }

  /** One value a channel has no variance: PyTorch refuses it in Python, LibTorch would give zeros. */
  #refuseSingle(shape: readonly number[]): void {
    const values = shape.reduce((product, size, i) => (i === 1 ? product : product * size), 1);
    if (values === 1) {
      throw new IsotorchError(
        'ERR_SHAPE',
        `${this.constructor.name}: expected more than one value a channel in training mode, received [${shape.join(', ')}]. Use a larger batch, or eval()`,
      );
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
    const rest = settings({ eps, momentum, affine, bias: bias !== null, track_running_stats: trackRunningStats });
    return `${numFeatures}, ${rest}`;
  }

  override brief(): string {
    return `${this.constructor.name} ${this.numFeatures}`;
  }
}

/**
 * Batch normalisation of [N, C, H, W] (`torch.nn.BatchNorm2d`).
 *
 * State: `weight` = 1 and `bias` = 0, `running_mean` = 0, `running_var` = 1 (each [C]) and `num_batches_tracked` = 0.
 * @throws ERR_SHAPE for inputs of other dimensions, and in training for one value a channel.
 * @example new nn.BatchNorm2d(16).forward(torch.randn([8, 16, 14, 14]));
 */
export class BatchNorm2d extends BatchNorm {
  protected override get dimensions(): readonly number[] {
    return [4];
  }
}

/** Batch normalisation of [N, C] or [N, C, L] (`torch.nn.BatchNorm1d`); state and errors as BatchNorm2d's. */
export class BatchNorm1d extends BatchNorm {
  protected override get dimensions(): readonly number[] {
    return [2, 3];
  }
}
