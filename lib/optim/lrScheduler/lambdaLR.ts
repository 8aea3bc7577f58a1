// The rate by a function of one's own: times the first rate, or times the last one.

import { expected, IsotorchError } from '../../errors.js';
import type { ScheduleName } from '../../known/schedules.js';
import { LRScheduler, type Resumed, type Scheduled } from './lrScheduler.js';

/** From the epoch, counted from 0, to a factor. */
export type LrLambda = (epoch: number) => number;

abstract class ByFunction<N extends ScheduleName> extends LRScheduler<N> {
  readonly #lambdas: readonly LrLambda[];

  constructor(name: N, optimizer: Scheduled, lrLambda: LrLambda | readonly LrLambda[], options: Resumed) {
    super(name, optimizer, { ...options });
    const count = optimizer.paramGroups.length;
    const lambdas = Array.isArray(lrLambda) ? [...lrLambda] : Array.from({ length: count }, () => lrLambda as LrLambda);
    for (const fn of lambdas) if (typeof fn !== 'function') throw expected('a function of the epoch', 'lrLambda', fn);
    if (lambdas.length !== count)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected ${count} functions for lrLambda but received ${lambdas.length}`,
      );
    this.#lambdas = lambdas;
    this.begin();
  }

  protected factor(group: number): number {
    return this.#lambdas[group]!(this.epoch);
  }

  /** Functions are not saved. */
  protected override packed(): Record<string, unknown> {
    return { lr_lambdas: this.#lambdas.map(() => null) };
  }
}

/**
 * `torch.optim.lr_scheduler.LambdaLR`: the first rate times a function of the epoch.
 * @param lrLambda one function, or one for each group
 * @throws ERR_ARGUMENT for what is no function, or another number of them than of groups
 * @example new optim.lrScheduler.LambdaLR(optimizer, (epoch) => 0.95 ** epoch);
 */
export class LambdaLR extends ByFunction<'LambdaLR'> {
  constructor(optimizer: Scheduled, lrLambda: LrLambda | readonly LrLambda[], options: Resumed = {}) {
    super('LambdaLR', optimizer, lrLambda, options);
  }

  protected override rate(_lr: number, base: number, group: number): number {
    return base * this.factor(group);
  }
}

/**
 * `torch.optim.lr_scheduler.MultiplicativeLR`: the last rate times a function of the epoch.
 * @param lrLambda one function, or one for each group
 * @throws ERR_ARGUMENT for what is no function, or another number of them than of groups
 * @example new optim.lrScheduler.MultiplicativeLR(optimizer, () => 0.95);
 */
export class MultiplicativeLR extends ByFunction<'MultiplicativeLR'> {
  constructor(optimizer: Scheduled, lrLambda: LrLambda | readonly LrLambda[], options: Resumed = {}) {
    super('MultiplicativeLR', optimizer, lrLambda, options);
  }

  protected override rate(lr: number, _base: number, group: number): number {
    return this.isInitial ? lr : lr * this.factor(group);
  }
}
