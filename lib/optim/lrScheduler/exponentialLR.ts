// The rate times gamma each epoch.

import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';

/**
 * `torch.optim.lr_scheduler.ExponentialLR`.
 * @throws ERR_ARGUMENT for settings out of range
 * @example new optim.lrScheduler.ExponentialLR(optimizer, { gamma: 0.95 });
 */
export class ExponentialLR extends LRScheduler<'ExponentialLR'> {
  constructor(optimizer: Scheduled, options: ScheduleOptions<'ExponentialLR'>) {
    super('ExponentialLR', optimizer, options);
    this.begin();
  }

  protected override rate(lr: number): number {
    return this.isInitial ? lr : lr * this.settings.gamma;
  }

  protected override closed(base: number): number {
    return base * this.settings.gamma ** this.epoch;
  }
}
