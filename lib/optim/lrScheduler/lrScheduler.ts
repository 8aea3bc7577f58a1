// Learning rates over epochs, as `torch.optim.lr_scheduler`: each epoch's rate follows from the last one's, as PyTorch computes
// it, so that schedules can be chained. Rates are tensors to a captured step: a schedule moves them without a new record.

import { expected, IsotorchError } from '../../errors.js';
import { field, fieldsOf } from '../../fields.js';
import { checkedSettings, inRange } from '../../known/optimSettings.js';
import {
  type ScheduleName,
  type ScheduleOptionsOf,
  type ScheduleRow,
  type ScheduleSettingsOf,
  scheduleKey,
  schedules,
  scheduleWithState,
  stateKeys,
} from '../../known/schedules.js';
import type { ParamGroup } from '../paramGroup.js';

/** An optimizer, as far as a schedule needs one. */
export interface Scheduled {
  readonly paramGroups: readonly ParamGroup[];
}

/** PyTorch's names: `torch.optim.lr_scheduler.*.load_state_dict` takes it. */
export interface ScheduleState {
  last_epoch?: number;
  _last_lr: number[];
  [setting: string]: unknown;
}

/** A state as it may come from a file. */
export type ScheduleStateSource = Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown>;

/** The epoch that a run goes on from, with the rates that its optimizer has. @default -1: it begins */
export interface Resumed {
  lastEpoch?: number;
}

export type ScheduleOptions<N extends ScheduleName> = ScheduleOptionsOf<N> & Resumed;

export abstract class LRScheduler<N extends ScheduleName = ScheduleName> {
  protected settings: ScheduleSettingsOf<N>;
  protected bases: number[] = [];
  protected epoch: number;
  /** How often it was stepped, the first rates included. */
  protected stepCount = 0;
  protected isInitial = false;

  /** Subclasses call `begin()` when they are made. */
  protected constructor(
    protected readonly name: N,
    readonly optimizer: Scheduled,
    { lastEpoch = -1, ...options }: Resumed & object = {},
  ) {
    if (!Array.isArray(optimizer?.paramGroups)) throw expected('an optimizer', 'optimizer', optimizer);
    if (!Number.isSafeInteger(lastEpoch) || lastEpoch < -1) throw expected('an epoch, or -1', 'lastEpoch', lastEpoch);
    this.settings = checkedSettings(name, schedules[name].settings, options) as ScheduleSettingsOf<N>;
    this.epoch = lastEpoch;
  }

  /** Whether `step` belongs after each batch, not each epoch. */
  get isPerStep(): boolean {
    const { isPerStep = false }: ScheduleRow = schedules[this.name];
    return isPerStep;
  }

  /** How many epochs are done: 0 at first. */
  get lastEpoch(): number {
    return this.epoch;
  }

  /** Each group's rate at the start. */
  get baseLrs(): readonly number[] {
    return this.bases;
  }

  /** Each group's rate now. */
  get lastLr(): number[] {
    return this.optimizer.paramGroups.map(({ lr }) => lr);
  }

  /** `get_last_lr()` of PyTorch: each group's rate now. */
  getLastLr(): number[] {
    return this.lastLr;
  }

  /** Takes the groups' rates for the first ones, and sets those of the first epoch. */
  protected begin(): void {
    for (const [i, group] of this.optimizer.paramGroups.entries()) {
      if (this.epoch === -1) group.initialLr ??= group.lr;
      else if (group.initialLr === undefined)
        throw expected(`initialLr in group ${i}, from the state of the optimizer`, 'lastEpoch', this.epoch);
    }
    this.bases = this.optimizer.paramGroups.map((group) => group.initialLr as number);
    this.initialStep();
  }

  /** @internal The first rates; SequentialLR calls it again. */
  initialStep(): void {
    this.stepCount = 0;
    this.isInitial = true;
    try {
      this.step();
    } finally {
      this.isInitial = false;
    }
  }

  /** The rate of the epoch in hand, from the last one's and the first. */
  protected abstract rate(lr: number, base: number, group: number): number;
  /** The rate of the epoch in hand from the first alone, where there is such a form. */
  protected closed?(base: number): number;

  /**
   * An epoch is done: sets the rates of the next. Call it after the epoch's last `optimizer.step()`; OneCycleLR and CyclicLR
   * after each step.
   * @param _metric what ReduceLROnPlateau watches; others need none
   */
  step(_metric?: number): void {
    this.stepCount++;
    this.epoch++;
    this.apply((lr, base, i) => this.rate(lr, base, i));
  }

  /** @internal Begins in the midst of a run, when SequentialLR comes to it. */
  restart(): void {
    this.epoch = 0;
    this.apply((lr, base, i) => (this.closed ? this.closed(base) : this.rate(lr, base, i)));
  }

  protected apply(rate: (lr: number, base: number, group: number) => number): void {
    for (const [i, group] of this.optimizer.paramGroups.entries()) {
      const base = this.bases[i];
      if (base !== undefined) group.lr = rate(group.lr, base, i);
    }
    this.moveMomentum();
  }

  /** Sets the momentum of the epoch in hand, where the schedule cycles it. */
  protected moveMomentum(): void {}

  /** @internal SequentialLR takes back what its schedules did when they were made. */
  undo(): void {
    this.epoch--;
  }

  /** The settings, and what else the schedule knows, in PyTorch's words. */
  protected packed(): Record<string, unknown> {
    return Object.fromEntries(Object.entries(this.settings).map(([key, value]) => [scheduleKey(key), value]));
  }

  stateDict(): ScheduleState {
    return {
      ...this.packed(),
      base_lrs: [...this.bases],
      last_epoch: this.epoch,
      _step_count: this.stepCount,
      _is_initial: false,
      _get_lr_called_within_step: false,
      _last_lr: this.lastLr,
    };
  }

  /**
   * Goes on where the state was made, also by PyTorch: takes over its settings and epoch, and sets the rates.
   * @throws ERR_STATE_DICT if it is no such state, is another schedule's, or has another number of groups; then nothing was
   *   changed
   */
  loadStateDict(dict: ScheduleStateSource): void {
    this.unpacked(dict, 0)();
    const last = field(dict, '_last_lr');
    if (!Array.isArray(last) && this.closed) this.apply((_, base) => this.closed!(base));
    for (const [i, group] of this.optimizer.paramGroups.entries())
      if (Array.isArray(last) && typeof last[i] === 'number') group.lr = last[i];
    this.moveMomentum();
  }

  /** @internal Checks a state. @returns what takes it over */
  unpacked(dict: unknown, leastEpoch: number): () => void {
    this.refuseForeign(dict);
    const epoch = field(dict, 'last_epoch');
    if (!Number.isSafeInteger(epoch) || (epoch as number) < leastEpoch)
      throw expected('last_epoch, a whole number', 'dict', epoch, 'ERR_STATE_DICT');
    const count = field(dict, '_step_count') ?? Number(epoch) + 1;
    const [bases, settings, adopt] = asStateDict(() => {
      return [this.savedBases(dict), this.restored(dict), this.extra(dict)] as const;
    });
    return () => {
      this.settings = settings;
      adopt();
      this.epoch = epoch as number;
      this.stepCount = count as number;
      if (bases.length === 0) return;
      this.bases = [...bases];
      for (const [i, base] of bases.entries()) this.optimizer.paramGroups[i]!.initialLr = base;
    };
  }

  /** The groups' first rates; none where a schedule does not know them. */
  protected savedBases(dict: unknown): readonly number[] {
    const bases = field(dict, 'base_lrs');
    if (!Array.isArray(bases) || bases.length !== this.bases.length)
      throw expected(`base_lrs of ${this.bases.length} groups`, 'dict', bases);
    return bases.map((base) => inRange(base, 'base_lrs'));
  }

  /** The settings that a state has; those missing stay. */
  protected restored(dict: unknown): ScheduleSettingsOf<N> {
    const table = schedules[this.name].settings;
    const saved = Object.entries(this.settings).map(([key, value]) => [key, field(dict, scheduleKey(key)) ?? value]);
    return checkedSettings(this.name, table, Object.fromEntries(saved)) as ScheduleSettingsOf<N>;
  }

  /** Checks what a state has besides. @returns what takes it over */
  protected extra(_dict: unknown): () => void {
    return () => {};
  }

  protected refuseForeign(dict: unknown): void {
    const other = scheduleWithState(new Set(fieldsOf(dict)));
    if (other === undefined || String(stateKeys(other)) === String(stateKeys(this.name))) return;
    throw new IsotorchError(
      'ERR_STATE_DICT',
      `Expected the state of ${this.name} but this looks like ${other}'s: it has ${stateKeys(other).join(', ')}; nothing was changed`,
    );
  }
}

/** What is wrong with a value of a state is wrong with the state. */
function asStateDict<T>(fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (!(error instanceof IsotorchError) || error.code !== 'ERR_ARGUMENT') throw error;
    throw new IsotorchError('ERR_STATE_DICT', error.message, { cause: error });
  }
}
