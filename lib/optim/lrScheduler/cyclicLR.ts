// The rate up and down between two bounds (Smith 2017), stepped after every batch.

import { expected } from '../../errors.js';
import { field } from '../../fields.js';
import { inRange } from '../../known/optimSettings.js';
import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';
import { beginCycle, setMomentum, spread, usesBeta1 } from './momentum.js';

/** Functions that a program may give in place of a mode. */
export interface CyclicScale {
  /** The height of a cycle, by its number from 1 or by the step. */
  scaleFn?: (x: number) => number;
  /** @default 'cycle' */
  scaleMode?: 'cycle' | 'iterations';
}

/**
 * `torch.optim.lr_scheduler.CyclicLR`.
 * @throws ERR_ARGUMENT for settings out of range, or an optimizer without momentum unless `cycleMomentum` is false
 * @example new optim.lrScheduler.CyclicLR(optimizer, { baseLr: 1e-3, maxLr: 0.1, stepSizeUp: 500 });
 */
export class CyclicLR extends LRScheduler<'CyclicLR'> {
  #maxLrs: number[];
  #size: number;
  #ratio: number;
  readonly #scaleFn: ((x: number) => number) | undefined;
  #scaleMode: 'cycle' | 'iterations';
  #momentums: { base: number[]; max: number[] } | undefined;

  constructor(
    optimizer: Scheduled,
    { scaleFn, scaleMode = 'cycle', ...options }: ScheduleOptions<'CyclicLR'> & CyclicScale,
  ) {
    super('CyclicLR', optimizer, options);
    const { baseLr, maxLr, stepSizeUp, stepSizeDown, mode, cycleMomentum, baseMomentum, maxMomentum } = this.settings;
    if (scaleFn !== undefined && typeof scaleFn !== 'function') throw expected('a function', 'scaleFn', scaleFn);
    const bases = spread(baseLr, optimizer, 'baseLr');
    const isNew = this.epoch === -1;
    if (isNew) for (const [i, group] of optimizer.paramGroups.entries()) group.lr = bases[i]!;
    this.#maxLrs = spread(maxLr, optimizer, 'maxLr');
    this.#size = stepSizeUp + (stepSizeDown ?? stepSizeUp);
    this.#ratio = stepSizeUp / this.#size;
    this.#scaleFn = scaleFn;
    this.#scaleMode = scaleFn ? scaleMode : mode === 'exp_range' ? 'iterations' : 'cycle';
    if (cycleMomentum) {
      const [base, max] = [
        spread(baseMomentum, optimizer, 'baseMomentum'),
        spread(maxMomentum, optimizer, 'maxMomentum'),
      ];
      if (isNew) beginCycle(optimizer, base, max);
      this.#momentums = { base, max };
    }
    this.begin();
    this.bases = bases;
  }

  #scale(x: number): number {
    const { mode, gamma } = this.settings;
    if (this.#scaleFn) return this.#scaleFn(x);
    return mode === 'triangular' ? 1 : mode === 'triangular2' ? 1 / 2 ** (x - 1) : gamma ** x;
  }

  /** Where in its cycle it is: 0 at the base, 1 at the top, times the cycle's height. */
  #height(): number {
    const cycle = Math.floor(1 + this.epoch / this.#size);
    const x = 1 + this.epoch / this.#size - cycle;
    const height = x <= this.#ratio ? x / this.#ratio : (x - 1) / (this.#ratio - 1);
    return height * this.#scale(this.#scaleMode === 'cycle' ? cycle : this.epoch);
  }

  protected override rate(_lr: number, base: number, group: number): number {
    return base + (this.#maxLrs[group]! - base) * this.#height();
  }

  protected override moveMomentum(): void {
    const momentums = this.#momentums;
    if (momentums === undefined) return;
    for (const [i, group] of this.optimizer.paramGroups.entries()) {
      const [base, max] = [momentums.base[i], momentums.max[i]];
      if (base !== undefined) setMomentum(group, max! - (max! - base) * this.#height());
    }
  }

  protected override packed(): Record<string, unknown> {
    const { mode, gamma, cycleMomentum } = this.settings;
    return {
      max_lrs: [...this.#maxLrs],
      total_size: this.#size,
      step_ratio: this.#ratio,
      mode,
      gamma,
      scale_mode: this.#scaleMode,
      cycle_momentum: cycleMomentum,
      ...(this.#momentums && {
        use_beta1: usesBeta1(this.optimizer),
        base_momentums: [...this.#momentums.base],
        max_momentums: [...this.#momentums.max],
      }),
      _scale_fn_custom: null,
    };
  }

  protected override extra(dict: unknown): () => void {
    const numbers = (name: string, usual: readonly number[]): number[] => {
      const values = field(dict, name) ?? usual;
      if (!Array.isArray(values) || values.length !== this.bases.length)
        throw expected(`${this.bases.length} values`, name, values);
      return values.map((value) => inRange(value, name));
    };
    const maxLrs = numbers('max_lrs', this.#maxLrs);
    const size = inRange(field(dict, 'total_size') ?? this.#size, 'total_size', { above: 0 });
    const ratio = inRange(field(dict, 'step_ratio') ?? this.#ratio, 'step_ratio', { min: 0, max: 1 });
    const scaleMode = field(dict, 'scale_mode') === 'iterations' ? 'iterations' : 'cycle';
    const momentums = this.#momentums && {
      base: numbers('base_momentums', this.#momentums.base),
      max: numbers('max_momentums', this.#momentums.max),
    };
    return () => {
      this.#maxLrs = maxLrs;
      this.#size = size;
      this.#ratio = ratio;
      this.#scaleMode = scaleMode;
      this.#momentums = momentums;
    };
  }
}
