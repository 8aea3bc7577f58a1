// The rate times a factor that moves on a line from one value to another: the usual warm-up.

import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';

/**
 * `torch.optim.lr_scheduler.LinearLR`.
 * @throws ERR_ARGUMENT for settings out of range
 * @example new optim.lrScheduler.LinearLR(optimizer, { startFactor: 0.1, totalIters: 5 });
 */
export class LinearLR extends LRScheduler<'LinearLR'> {
  constructor(optimizer: Scheduled, options: ScheduleOptions<'LinearLR'> = {}) {
    super('LinearLR', optimizer, options);
    this.begin();
  }

  protected override rate(lr: number): number {
    const { startFactor, endFactor, totalIters } = this.settings;
    if (this.epoch === 0) return lr * startFactor;
    if (this.isInitial || this.epoch > totalIters) return lr;
    const slope = endFactor - startFactor;
    return lr * (1 + slope / (totalIters * startFactor + (this.epoch - 1) * slope));
  }

  protected override closed(base: number): number {
    const { startFactor, endFactor, totalIters } = this.settings;
    return base * (startFactor + ((endFactor - startFactor) * Math.min(totalIters, this.epoch)) / totalIters);
  }
}
