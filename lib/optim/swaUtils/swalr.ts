// The rate to a value at which it stays, for weights that are averaged over the steps (Izmailov et al. 2018).

import { LRScheduler, type Scheduled, type ScheduleOptions } from '../lrScheduler/lrScheduler.js';
import { spread } from '../lrScheduler/momentum.js';

/**
 * `torch.optim.swa_utils.SWALR`.
 * @throws ERR_ARGUMENT for settings out of range
 * @example new optim.swaUtils.SWALR(optimizer, { swaLr: 0.05, annealEpochs: 5 });
 */
export class SWALR extends LRScheduler<'SWALR'> {
  constructor(optimizer: Scheduled, options: ScheduleOptions<'SWALR'>) {
    super('SWALR', optimizer, options);
    const swaLrs = spread(this.settings.swaLr, optimizer, 'swaLr');
    for (const [i, group] of optimizer.paramGroups.entries()) group.swaLr = swaLrs[i]!;
    this.begin();
  }

  protected override rate(lr: number, _base: number, group: number): number {
    const { annealEpochs } = this.settings;
    const swaLr = this.optimizer.paramGroups[group]!.swaLr!;
    const step = annealEpochs === 0 ? Math.max(1, this.stepCount - 1) : this.stepCount - 1;
    const before = this.#part(step - 1);
    const part = this.#part(step);
    // What it would be without the way towards swaLr.
    const start = before === 1 ? swaLr : (lr - before * swaLr) / (1 - before);
    return Math.max(0, swaLr * part + start * (1 - part));
  }

  /** How much of the way is gone after so many steps. */
  #part(step: number): number {
    const { annealEpochs, annealStrategy } = this.settings;
    const t = Math.max(0, Math.min(1, step / Math.max(1, annealEpochs)));
    return annealStrategy === 'linear' ? t : (1 - Math.cos(Math.PI * t)) / 2;
  }

  protected override packed(): Record<string, unknown> {
    return { anneal_epochs: this.settings.annealEpochs, _anneal_strategy: this.settings.annealStrategy };
  }

  protected override restored(dict: unknown) {
    const { annealEpochs, annealStrategy, ...rest } = super.restored(dict);
    const saved = (dict as { _anneal_strategy?: unknown })?._anneal_strategy;
    return { ...rest, annealEpochs, annealStrategy: saved === 'linear' ? 'linear' : annealStrategy } as const;
  }
}
