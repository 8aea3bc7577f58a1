// The rate as half a cosine, again and again (Loshchilov & Hutter 2017).

import { field } from '../../fields.js';
import { inRange } from '../../known/optimSettings.js';
import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';

/**
 * `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.
 * @throws ERR_ARGUMENT for settings out of range
 * @example new optim.lrScheduler.CosineAnnealingWarmRestarts(optimizer, { t0: 10, tMult: 2 });
 */
export class CosineAnnealingWarmRestarts extends LRScheduler<'CosineAnnealingWarmRestarts'> {
  /** Epochs of this cosine, and those of them that are done. */
  #length: number;
  #done: number;

  constructor(optimizer: Scheduled, options: ScheduleOptions<'CosineAnnealingWarmRestarts'>) {
    super('CosineAnnealingWarmRestarts', optimizer, options);
    this.#length = this.settings.t0;
    this.#done = this.epoch;
    this.begin();
  }

  protected override rate(_lr: number, base: number): number {
    const { etaMin } = this.settings;
    return etaMin + ((base - etaMin) * (1 + Math.cos((Math.PI * this.#done) / this.#length))) / 2;
  }

  override step(): void {
    if (this.epoch < 0) this.#done = 0;
    else if (++this.#done >= this.#length) {
      this.#done %= this.#length;
      this.#length *= this.settings.tMult;
    }
    this.epoch++;
    this.apply((lr, base) => this.rate(lr, base));
  }

  protected override packed(): Record<string, unknown> {
    const { t0, tMult, etaMin } = this.settings;
    return { T_0: t0, T_i: this.#length, T_mult: tMult, eta_min: etaMin, T_cur: this.#done };
  }

  protected override extra(dict: unknown): () => void {
    const length = inRange(field(dict, 'T_i') ?? this.#length, 'T_i', { min: 1 });
    const done = inRange(field(dict, 'T_cur') ?? this.#done, 'T_cur', { min: -1 });
    return () => {
      this.#length = length;
      this.#done = done;
    };
  }
}
