// The rate in steps: times gamma at each milestone.

import { types } from 'node:util';
import { field } from '../../fields.js';
import type { ScheduleSettingsOf } from '../../known/schedules.js';
import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';

/**
 * `torch.optim.lr_scheduler.MultiStepLR`.
 * @throws ERR_ARGUMENT for milestones that are no whole numbers
 * @example new optim.lrScheduler.MultiStepLR(optimizer, { milestones: [150, 200, 250] }); // the papers' 300 epochs
 */
export class MultiStepLR extends LRScheduler<'MultiStepLR'> {
  constructor(optimizer: Scheduled, options: ScheduleOptions<'MultiStepLR'>) {
    super('MultiStepLR', optimizer, options);
    this.begin();
  }

  protected override rate(lr: number): number {
    const { milestones, gamma } = this.settings;
    return lr * gamma ** milestones.filter((milestone) => milestone === this.epoch).length;
  }

  protected override closed(base: number): number {
    const { milestones, gamma } = this.settings;
    return base * gamma ** milestones.filter((milestone) => milestone <= this.epoch).length;
  }

  /** Milestones as PyTorch keeps them: how often each epoch is one. */
  protected override packed(): Record<string, unknown> {
    const counts = new Map<number, number>();
    for (const milestone of this.settings.milestones) counts.set(milestone, (counts.get(milestone) ?? 0) + 1);
    return { milestones: counts, gamma: this.settings.gamma };
  }

  protected override restored(dict: unknown): ScheduleSettingsOf<'MultiStepLR'> {
    const milestones = field(dict, 'milestones');
    const gamma = field(dict, 'gamma');
    return super.restored({ milestones: milestones && listed(milestones), gamma });
  }
}

/** From a list, or from counts as a Map or an object. */
function listed(saved: unknown): unknown {
  if (Array.isArray(saved) || typeof saved !== 'object' || saved === null) return saved;
  const counts: Iterable<[unknown, unknown]> = types.isMap(saved) ? saved : Object.entries(saved);
  return [...counts].flatMap(([milestone, count]) => Array.from({ length: Number(count) }, () => Number(milestone)));
}
