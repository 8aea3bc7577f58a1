// The rate to zero, by a power of the time that is left.

import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';

/**
 * `torch.optim.lr_scheduler.PolynomialLR`.
 * @throws ERR_ARGUMENT for settings out of range
 * @example new optim.lrScheduler.PolynomialLR(optimizer, { totalIters: 100, power: 0.9 });
 */
export class PolynomialLR extends LRScheduler<'PolynomialLR'> {
  constructor(optimizer: Scheduled, options: ScheduleOptions<'PolynomialLR'> = {}) {
    super('PolynomialLR', optimizer, options);
    this.begin();
  }

  protected override rate(lr: number): number {
    const { totalIters, power } = this.settings;
    if (this.isInitial || this.epoch > totalIters) return lr;
    return lr * ((1 - this.epoch / totalIters) / (1 - (this.epoch - 1) / totalIters)) ** power;
  }

  protected override closed(base: number): number {
    const { totalIters, power } = this.settings;
    return base * (1 - Math.min(totalIters, this.epoch) / totalIters) ** power;
  }
}
