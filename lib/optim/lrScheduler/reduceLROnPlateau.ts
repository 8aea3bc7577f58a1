// The rate times a factor when a metric has not improved for some epochs.

import { expected } from '../../errors.js';
import { field } from '../../fields.js';
import { inRange } from '../../known/optimSettings.js';
import { Tensor } from '../../tensor/index.js';
import { LRScheduler, type Scheduled, type ScheduleOptions, type ScheduleState } from './lrScheduler.js';
import { spread } from './momentum.js';

/**
 * `torch.optim.lr_scheduler.ReduceLROnPlateau`: `step` takes the metric.
 * @throws ERR_ARGUMENT for settings out of range
 * @example
 * const schedule = new optim.lrScheduler.ReduceLROnPlateau(optimizer, { mode: 'max', patience: 3 });
 * schedule.step(accuracy);
 */
export class ReduceLROnPlateau extends LRScheduler<'ReduceLROnPlateau'> {
  #minLrs: number[];
  #best: number;
  #cooldown = 0;
  #bad = 0;

  constructor(optimizer: Scheduled, options: Omit<ScheduleOptions<'ReduceLROnPlateau'>, 'lastEpoch'> = {}) {
    super('ReduceLROnPlateau', optimizer, options);
    this.epoch = 0;
    this.#minLrs = spread(this.settings.minLr, optimizer, 'minLr');
    this.#best = this.#worst;
  }

  /** The best metric so far. */
  get best(): number {
    return this.#best;
  }

  get #worst(): number {
    return this.settings.mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  protected override rate(lr: number): number {
    return lr;
  }

  /** @param metric a number, or a tensor of one element, which is waited for */
  override step(metric?: number | Tensor): void {
    const value = metric instanceof Tensor ? metric.item() : metric;
    if (typeof value !== 'number') throw expected('the metric that it watches', 'metric', metric);
    const { patience, cooldown, factor, eps } = this.settings;
    this.epoch++;
    if (this.#isBetter(value)) {
      this.#best = value;
      this.#bad = 0;
    } else this.#bad++;
    if (this.#cooldown > 0) {
      this.#cooldown--;
      this.#bad = 0;
    }
    if (this.#bad <= patience) return;
    for (const [i, group] of this.optimizer.paramGroups.entries()) {
      const lr = Math.max(group.lr * factor, this.#minLrs[i] ?? 0);
      if (group.lr - lr > eps) group.lr = lr;
    }
    this.#cooldown = cooldown;
    this.#bad = 0;
  }

  #isBetter(value: number): boolean {
    const { mode, threshold, thresholdMode } = this.settings;
    const sign = mode === 'min' ? -1 : 1;
    const bound = thresholdMode === 'rel' ? this.#best * (1 + sign * threshold) : this.#best + sign * threshold;
    return mode === 'min' ? value < bound : value > bound;
  }

  override stateDict(): ScheduleState {
    const { minLr, factor, patience, cooldown, eps, mode, threshold, thresholdMode } = this.settings;
    return {
      factor,
      default_min_lr: Array.isArray(minLr) ? null : minLr,
      min_lrs: [...this.#minLrs],
      patience,
      cooldown,
      eps,
      last_epoch: this.epoch,
      _last_lr: this.lastLr,
      mode_worse: this.#worst,
      mode,
      threshold,
      threshold_mode: thresholdMode,
      best: this.#best,
      cooldown_counter: this.#cooldown,
      num_bad_epochs: this.#bad,
    };
  }

  protected override savedBases(): readonly number[] {
    return [];
  }

  protected override extra(dict: unknown): () => void {
    const best = field(dict, 'best') ?? this.#best;
    if (typeof best !== 'number') throw expected('a number', 'best', best);
    const minLrs = field(dict, 'min_lrs') ?? this.#minLrs;
    if (!Array.isArray(minLrs) || minLrs.length !== this.#minLrs.length)
      throw expected(`${this.#minLrs.length} values`, 'min_lrs', minLrs);
    for (const value of minLrs) inRange(value, 'min_lrs');
    const cooldown = inRange(field(dict, 'cooldown_counter') ?? this.#cooldown, 'cooldown_counter');
    const bad = inRange(field(dict, 'num_bad_epochs') ?? this.#bad, 'num_bad_epochs');
    return () => {
      this.#best = best;
      this.#minLrs = [...minLrs];
      this.#cooldown = cooldown;
      this.#bad = bad;
    };
  }
}
