// The rate times gamma every so many epochs.

import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';

/**
 * `torch.optim.lr_scheduler.StepLR`.
 * @throws ERR_ARGUMENT for settings out of range
 * @example new optim.lrScheduler.StepLR(optimizer, { stepSize: 30, gamma: 0.1 });
 */
export class StepLR extends LRScheduler<'StepLR'> {
  constructor(optimizer: Scheduled, options: ScheduleOptions<'StepLR'>) {
    super('StepLR', optimizer, options);
    this.begin();
  }

  protected override rate(lr: number): number {
    const { stepSize, gamma } = this.settings;
    return this.epoch === 0 || this.epoch % stepSize !== 0 ? lr : lr * gamma;
  }

  protected override closed(base: number): number {
    return base * this.settings.gamma ** Math.floor(this.epoch / this.settings.stepSize);
  }
}
