// The rate as half a cosine (Loshchilov & Hutter 2017, without restarts).

import { expected } from '../errors.js';
import { amount, field } from './optimizer.js';
import { Schedule, type Scheduled } from './schedule.js';

export interface CosineOptions {
  /** After how many epochs the rate is `minLr`. */
  epochs: number;
  /** @default 0 */
  minLr?: number;
}

/** `torch.optim.lr_scheduler.CosineAnnealingLR`; see `cosine`. */
export class Cosine extends Schedule {
  #epochs: number;
  #minLr: number;

  constructor(optimizer: Scheduled, { epochs, minLr = 0 }: CosineOptions) {
    super(optimizer);
    this.#epochs = whole(epochs);
    this.#minLr = amount(minLr, 'minLr');
  }

  /** minLr + (base − minLr)·(1 + cos(π·epoch / epochs)) / 2. Past the last epoch it rises again, as PyTorch's does. */
  override rate(base: number, epoch: number): number {
    if (epoch === 0) return base;
    return this.#minLr + ((base - this.#minLr) * (1 + Math.cos((Math.PI * epoch) / this.#epochs))) / 2;
  }

  protected override settings(): Record<string, unknown> {
    return { T_max: this.#epochs, eta_min: this.#minLr };
  }

  protected override restore(dict: unknown): void {
    const epochs = whole(field(dict, 'T_max') ?? this.#epochs);
    this.#minLr = amount(field(dict, 'eta_min') ?? this.#minLr, 'eta_min');
    this.#epochs = epochs;
  }
}

function whole(epochs: unknown): number {
  if (!Number.isSafeInteger(epochs) || (epochs as number) < 1)
    throw expected('a whole number of 1 or more', 'epochs', epochs);
  return epochs as number;
}

/**
 * The learning rate down to `minLr` in `epochs` epochs along half a cosine.
 * @throws ERR_ARGUMENT for epochs that are no positive whole number.
 * @example const schedule = optim.cosine(optimizer, { epochs: 10 }); // schedule.step() after each epoch
 */
export function cosine(optimizer: Scheduled, options: CosineOptions): Cosine {
  return new Cosine(optimizer, options);
}
