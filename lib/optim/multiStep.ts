// The rate in steps: times gamma at each milestone.

import { types } from 'node:util';
import { expected } from '../errors.js';
import { amount, field } from './optimizer.js';
import { Schedule, type Scheduled } from './schedule.js';

export interface MultiStepOptions {
  /** Epochs, counted from 0, from whose start the rate is `gamma` times what it was. In any order. */
  milestones: readonly number[];
  /** @default 0.1 */
  gamma?: number;
}

/** `torch.optim.lr_scheduler.MultiStepLR`; see `multiStep`. */
export class MultiStep extends Schedule {
  #milestones: readonly number[];
  #gamma: number;

  constructor(optimizer: Scheduled, { milestones, gamma = 0.1 }: MultiStepOptions) {
    super(optimizer);
    this.#milestones = checked(milestones);
    this.#gamma = amount(gamma, 'gamma');
  }

  /** base·gammaⁿ, n being the milestones reached. */
  override rate(base: number, epoch: number): number {
    return base * this.#gamma ** this.#milestones.filter((milestone) => milestone <= epoch).length;
  }

  /** Milestones as PyTorch keeps them: how often each epoch is one. */
  protected override settings(): Record<string, unknown> {
    const counts = new Map<number, number>();
    for (const milestone of this.#milestones) counts.set(milestone, (counts.get(milestone) ?? 0) + 1);
    return { milestones: counts, gamma: this.#gamma };
  }

  protected override restore(dict: unknown): void {
    const saved: unknown = field(dict, 'milestones');
    const gamma = amount(field(dict, 'gamma') ?? this.#gamma, 'gamma');
    if (saved !== undefined && saved !== null) this.#milestones = checked(listed(saved));
    this.#gamma = gamma;
  }
}

/** From a list, or from counts as a Map or an object. */
function listed(saved: unknown): unknown {
  if (Array.isArray(saved) || typeof saved !== 'object' || saved === null) return saved;
  const counts: Iterable<[unknown, unknown]> = types.isMap(saved) ? saved : Object.entries(saved);
  return [...counts].flatMap(([milestone, count]) => Array.from({ length: Number(count) }, () => Number(milestone)));
}

function checked(milestones: unknown): readonly number[] {
  if (!Array.isArray(milestones) || !milestones.every((epoch) => Number.isSafeInteger(epoch) && epoch >= 0))
    throw expected('whole numbers of epochs', 'milestones', milestones);
  return [...milestones].sort((a, b) => a - b);
}

/**
 * The learning rate times `gamma` at each milestone.
 * @throws ERR_ARGUMENT for milestones that are no whole numbers.
 * @example optim.multiStep(optimizer, { milestones: [150, 200, 250] }); // the papers' 300 epochs
 */
export function multiStep(optimizer: Scheduled, options: MultiStepOptions): MultiStep {
  return new MultiStep(optimizer, options);
}
