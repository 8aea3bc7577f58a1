// The rate times a factor for some epochs, then as it was.

import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';

/**
 * `torch.optim.lr_scheduler.ConstantLR`.
 * @throws ERR_ARGUMENT for settings out of range
 * @example new optim.lrScheduler.ConstantLR(optimizer, { factor: 0.1, totalIters: 5 });
 */
export class ConstantLR extends LRScheduler<'ConstantLR'> {
  constructor(optimizer: Scheduled, options: ScheduleOptions<'ConstantLR'> = {}) {
    super('ConstantLR', optimizer, options);
    this.begin();
  }

  protected override rate(lr: number): number {
    const { factor, totalIters } = this.settings;
    if (this.epoch === 0) return lr * factor;
    return this.epoch === totalIters ? lr * (1 / factor) : lr;
  }

  protected override closed(base: number): number {
    const { factor, totalIters } = this.settings;
    return base * (factor + (this.epoch >= totalIters ? 1 - factor : 0));
  }
}
