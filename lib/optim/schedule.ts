// Learning rates over epochs. A schedule sets every group's rate from the one it had at the start, by a closed form of the
// epoch's number: no rounding builds up, and a run that goes on later sees the same rates.

import { expected } from '../errors.js';
import { amount, field, type ParamGroup } from './optimizer.js';

/** An optimizer, as far as a schedule needs one. */
export interface Scheduled {
  readonly paramGroups: readonly ParamGroup[];
}

/** PyTorch's names: `torch.optim.lr_scheduler.*.load_state_dict` takes it. */
export interface ScheduleState {
  base_lrs: number[];
  last_epoch: number;
  _step_count: number;
  _last_lr: number[];
  [setting: string]: unknown;
}

export abstract class Schedule {
  #lastEpoch = 0;
  #baseLrs: number[];

  constructor(protected readonly optimizer: Scheduled) {
    if (!Array.isArray(optimizer?.paramGroups)) throw expected('an optimizer', 'optimizer', optimizer);
    for (const group of optimizer.paramGroups) group.initialLr ??= group.lr;
    this.#baseLrs = optimizer.paramGroups.map((group) => group.initialLr as number);
  }

  /** How many epochs are done: 0 at first. */
  get lastEpoch(): number {
    return this.#lastEpoch;
  }

  /** Each group's rate at the start. */
  get baseLrs(): readonly number[] {
    return this.#baseLrs;
  }

  /** Each group's rate now. */
  get lastLr(): number[] {
    return this.optimizer.paramGroups.map(({ lr }) => lr);
  }

  /** The rate after `epoch` epochs of a group that started at `base`. */
  abstract rate(base: number, epoch: number): number;

  /** An epoch is done: sets the rates of the next. Call it after the epoch's last `optimizer.step()`. */
  step(): void {
    this.#lastEpoch++;
    this.#apply();
  }

  #apply(): void {
    for (const [i, group] of this.optimizer.paramGroups.entries()) {
      const base = this.#baseLrs[i];
      if (base !== undefined) group.lr = this.rate(base, this.#lastEpoch);
    }
  }

  /** The settings in PyTorch's words. */
  protected abstract settings(): Record<string, unknown>;

  /** Takes settings over from a state; those missing stay. */
  protected abstract restore(dict: unknown): void;

  stateDict(): ScheduleState {
    return {
      ...this.settings(),
      base_lrs: [...this.#baseLrs],
      last_epoch: this.#lastEpoch,
      _step_count: this.#lastEpoch + 1,
      _last_lr: this.lastLr,
    };
  }

  /**
   * Goes on where the state was made, also by PyTorch: takes over its settings and epoch, and sets the rates.
   * @throws ERR_STATE_DICT if it is no such state or has another number of groups.
   */
  loadStateDict(dict: Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown>): void {
    const bases: unknown = field(dict, 'base_lrs');
    const epoch: unknown = field(dict, 'last_epoch');
    if (!Array.isArray(bases) || bases.length !== this.#baseLrs.length)
      throw expected(`base_lrs of ${this.#baseLrs.length} groups`, 'dict', bases, 'ERR_STATE_DICT');
    if (!Number.isSafeInteger(epoch) || (epoch as number) < 0)
      throw expected('last_epoch, a whole number', 'dict', epoch, 'ERR_STATE_DICT');
    for (const base of bases) amount(base, 'base_lrs');
    this.restore(dict);
    this.#baseLrs = [...bases];
    this.#lastEpoch = epoch as number;
    for (const [i, group] of this.optimizer.paramGroups.entries()) group.initialLr = bases[i];
    this.#apply();
  }
}
