// The rate as half a cosine (Loshchilov & Hutter 2017, without restarts).

import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';

/**
 * `torch.optim.lr_scheduler.CosineAnnealingLR`: etaMin + (base − etaMin)·(1 + cos(π·epoch / tMax)) / 2. Past `tMax` it rises
 * again.
 * @throws ERR_ARGUMENT for settings out of range
 * @example new optim.lrScheduler.CosineAnnealingLR(optimizer, { tMax: 10 });
 */
export class CosineAnnealingLR extends LRScheduler<'CosineAnnealingLR'> {
  constructor(optimizer: Scheduled, options: ScheduleOptions<'CosineAnnealingLR'>) {
    super('CosineAnnealingLR', optimizer, options);
    this.begin();
  }

  protected override rate(lr: number, base: number): number {
    const { tMax, etaMin } = this.settings;
    if (this.isInitial) return lr;
    if (this.stepCount === 1 && this.epoch > 0) return this.closed(base);
    if ((this.epoch - 1 - tMax) % (2 * tMax) === 0) return lr + ((base - etaMin) * (1 - Math.cos(Math.PI / tMax))) / 2;
    const [now, before] = [this.epoch, this.epoch - 1].map((epoch) => 1 + Math.cos((Math.PI * epoch) / tMax));
    return (now! / before!) * (lr - etaMin) + etaMin;
  }

  protected override closed(base: number): number {
    const { tMax, etaMin } = this.settings;
    return etaMin + ((base - etaMin) * (1 + Math.cos((Math.PI * this.epoch) / tMax))) / 2;
  }
}
