// Schedules made of schedules of one optimizer: one after the other, or all at once.

import { expected, IsotorchError } from '../../errors.js';
import { field } from '../../fields.js';
import type { ScheduleName } from '../../known/schedules.js';
import { LRScheduler, type Scheduled, type ScheduleState } from './lrScheduler.js';
import { ReduceLROnPlateau } from './reduceLROnPlateau.js';

abstract class Several<N extends ScheduleName> extends LRScheduler<N> {
  readonly #schedulers: readonly LRScheduler[];

  constructor(name: N, schedulers: Iterable<LRScheduler>, optimizer?: Scheduled) {
    const list = typeof schedulers?.[Symbol.iterator] === 'function' ? [...schedulers] : [];
    super(name, optimizer ?? (list[0]?.optimizer as Scheduled));
    if (list.length === 0) throw expected('at least one schedule', 'schedulers', schedulers);
    for (const scheduler of list) {
      if (!(scheduler instanceof LRScheduler)) throw expected('schedules', 'schedulers', scheduler);
      if (scheduler instanceof ReduceLROnPlateau)
        throw new IsotorchError('ERR_ARGUMENT', `${name} takes no ReduceLROnPlateau: its steps need a metric`);
      if (scheduler.optimizer !== this.optimizer)
        throw new IsotorchError('ERR_ARGUMENT', `${name}: expected schedules of one optimizer but they have several`);
    }
    this.#schedulers = list;
  }

  override get isPerStep(): boolean {
    return this.#schedulers.some((scheduler) => scheduler.isPerStep);
  }

  get schedulers(): readonly LRScheduler[] {
    return this.#schedulers;
  }

  protected override rate(lr: number): number {
    return lr;
  }

  /** @internal */
  override undo(): void {
    for (const scheduler of this.#schedulers) scheduler.undo();
  }

  protected override packed(): Record<string, unknown> {
    return { _last_lr: this.lastLr, _schedulers: this.#schedulers.map((scheduler) => scheduler.stateDict()) };
  }

  protected override savedBases(): readonly number[] {
    return [];
  }

  protected override extra(dict: unknown): () => void {
    const states = field(dict, '_schedulers');
    if (!Array.isArray(states) || states.length !== this.#schedulers.length)
      throw expected(`the states of ${this.#schedulers.length} schedules`, '_schedulers', states);
    const adopt = this.#schedulers.map((scheduler, i) => scheduler.unpacked(states[i], -1));
    return () => {
      for (const each of adopt) each();
    };
  }
}

/**
 * `torch.optim.lr_scheduler.SequentialLR`: the next schedule begins at each milestone.
 * @param milestones the epochs at which all but the first begin
 * @throws ERR_ARGUMENT for schedules of several optimizers, ReduceLROnPlateau among them, or another number of milestones
 * @example
 * const warmUp = new optim.lrScheduler.LinearLR(optimizer, { startFactor: 0.1, totalIters: 5 });
 * const decay = new optim.lrScheduler.CosineAnnealingLR(optimizer, { tMax: 95 });
 * const schedule = new optim.lrScheduler.SequentialLR(optimizer, [warmUp, decay], [5]);
 */
export class SequentialLR extends Several<'SequentialLR'> {
  #milestones: readonly number[];

  constructor(optimizer: Scheduled, schedulers: Iterable<LRScheduler>, milestones: readonly number[]) {
    super('SequentialLR', schedulers, optimizer);
    this.#milestones = checkedMilestones(milestones, this.schedulers.length - 1);
    this.epoch = 0;
    for (const group of optimizer.paramGroups) group.lr = group.initialLr ?? group.lr;
    this.undo();
    this.schedulers[this.#index(0)]!.initialStep();
  }

  /** The schedule that is on at that epoch. */
  #index(epoch: number): number {
    return this.#milestones.filter((milestone) => milestone <= epoch).length;
  }

  override step(): void {
    this.epoch++;
    const index = this.#index(this.epoch);
    const scheduler = this.schedulers[index]!;
    if (index > 0 && this.#milestones[index - 1] === this.epoch) scheduler.restart();
    else scheduler.step();
  }

  override stateDict(): ScheduleState {
    const { _last_lr, _schedulers } = this.packed();
    return {
      _milestones: [...this.#milestones],
      last_epoch: this.epoch,
      _last_lr: _last_lr as number[],
      _schedulers,
    };
  }

  protected override extra(dict: unknown): () => void {
    const milestones = checkedMilestones(field(dict, '_milestones') ?? this.#milestones, this.schedulers.length - 1);
    const adopt = super.extra(dict);
    return () => {
      adopt();
      this.#milestones = milestones;
    };
  }
}

function checkedMilestones(milestones: unknown, count: number): readonly number[] {
  if (!Array.isArray(milestones) || milestones.length !== count || !milestones.every(Number.isSafeInteger))
    throw expected(`${count} whole numbers, one less than schedules,`, 'milestones', milestones);
  return [...milestones];
}

/**
 * `torch.optim.lr_scheduler.ChainedScheduler`: each moves the rate that the one before it left.
 * @throws ERR_ARGUMENT for schedules of several optimizers, or ReduceLROnPlateau among them
 * @example new optim.lrScheduler.ChainedScheduler([warmUp, decay]);
 */
export class ChainedScheduler extends Several<'ChainedScheduler'> {
  constructor(schedulers: Iterable<LRScheduler>, optimizer?: Scheduled) {
    super('ChainedScheduler', schedulers, optimizer);
    this.epoch = 0;
  }

  override get lastEpoch(): number {
    return this.schedulers[0]!.lastEpoch;
  }

  override step(): void {
    for (const scheduler of this.schedulers) scheduler.step();
  }

  override stateDict(): ScheduleState {
    return this.packed() as ScheduleState;
  }

  /** @internal */
  override unpacked(dict: unknown): () => void {
    this.refuseForeign(dict);
    return this.extra(dict);
  }
}
