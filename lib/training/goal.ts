// Which epoch is better: what keeps the best weights and ends a run that gets no further. All of it follows from the records of
// the epochs, so a run that goes on needs to remember nothing of it.

import { notNegative, oneOf, wholeNumber } from '../arguments.js';
import { expected } from '../errors.js';
import type { EpochRecord } from './runDirectory.js';

/** A number of each epoch that should become better: of the validation set where there is one, else of training. */
export interface Goal {
  /** `loss`, `accuracy`, or one of the run's `metrics`. @default 'loss' */
  readonly metric?: string;
  /** Whether less or more is better. @default 'min' for the loss, else 'max' */
  readonly mode?: 'min' | 'max';
}

export interface EarlyStopping extends Goal {
  /** Epochs in a row without a better number after which training ends. */
  readonly patience: number;
  /** What counts as better: more than so much. @default 0 */
  readonly minDelta?: number;
}

/** @throws ERR_ARGUMENT for an unknown metric or mode, a patience below 1, a negative minDelta */
export function checkGoal(name: string, goal: Goal | EarlyStopping | undefined, metrics: readonly string[]): void {
  if (goal === undefined) return;
  if (typeof goal !== 'object' || goal === null) throw expected('an object with a metric', name, goal);
  oneOf(['loss', 'accuracy', ...metrics], goal.metric ?? 'loss', `${name}.metric`);
  oneOf(['min', 'max'], modeOf(goal), `${name}.mode`);
  if (name !== 'earlyStopping') return;
  const { patience, minDelta = 0 } = goal as EarlyStopping;
  wholeNumber(patience, 'earlyStopping.patience');
  notNegative(minDelta, 'earlyStopping.minDelta');
}

/** Whether the last epoch is better than all before. Never, where its number is NaN. */
export function isBest(records: readonly EpochRecord[], goal: Goal): boolean {
  return records.length > 0 && bestEpoch(records, goal, 0) === records.length - 1;
}

/** Whether the best epoch lies too far back. */
export function hasStalled(records: readonly EpochRecord[], goal: EarlyStopping | undefined): boolean {
  return goal !== undefined && records.length - 1 - bestEpoch(records, goal, goal.minDelta ?? 0) >= goal.patience;
}

const modeOf = ({ metric = 'loss', mode = metric === 'loss' ? 'min' : 'max' }: Goal) => mode;

/** Its place among the records; −1 where no epoch has a number. */
function bestEpoch(records: readonly EpochRecord[], goal: Goal, minDelta: number): number {
  const sign = modeOf(goal) === 'min' ? -1 : 1;
  let [best, place] = [Number.NEGATIVE_INFINITY, -1];
  for (const [i, record] of records.entries()) {
    const value = sign * numberOf(record.validation ?? record, goal.metric ?? 'loss');
    if (!(value > best + (place < 0 ? 0 : minDelta))) continue;
    [best, place] = [value, i];
  }
  return place;
}

function numberOf(
  { loss, accuracy, metrics }: Pick<EpochRecord, 'loss' | 'accuracy' | 'metrics'>,
  metric: string,
): number {
  return metric === 'loss' ? loss : metric === 'accuracy' ? accuracy : (metrics?.[metric] ?? Number.NaN);
}
