// An optimizer's state in the layout of PyTorch's `state_dict()`, out and in. Keys and their order are PyTorch's, so that
// Python goes on with a run that started here, and the other way round. Another optimizer's state is refused by its name.

import { expected, IsotorchError } from '../errors.js';
import { field } from '../fields.js';
import type { OptimizerRow } from '../known/optimizers.js';
import { type Setting, snakeCase } from '../known/optimSettings.js';
import { Tensor } from '../tensor/index.js';
import { refuseForeign } from './foreign.js';
import { type ParamGroup, packedGroup, scheduledKeys } from './paramGroup.js';

/** PyTorch's layout of an optimizer's state: by the parameters' numbers, counted through all groups from 0. */
export interface OptimizerState {
  state: ReadonlyMap<number, Readonly<Record<string, unknown>>>;
  param_groups: readonly Readonly<Record<string, unknown>>[];
}

/** The same as it may come from a file: plain objects in place of Maps, and the other way round. */
export type OptimizerStateSource = OptimizerState | Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown>;

type Row = OptimizerRow<Record<string, unknown>>;

export function packed(
  row: Row,
  groups: readonly ParamGroup[],
  stateOf: (param: Tensor) => Record<string, unknown> | undefined,
): OptimizerState {
  const state = new Map<number, Record<string, unknown>>();
  let next = 0;
  const numbered = groups.map((group) => {
    const params = group.params.map((param) => {
      const kept = stateOf(param);
      if (kept !== undefined) state.set(next, kept);
      return next++;
    });
    return { ...packedGroup(row, group), params };
  });
  return { state, param_groups: numbered };
}

export interface SavedState {
  readonly number: number;
  readonly fields: unknown;
}

export interface Unpacked {
  /** What loading changes of each group. */
  settings: Record<string, unknown>[];
  /** The groups as they will be. */
  groups: ParamGroup[];
  /** What the file has for each parameter, with the parameter's number. */
  states: Map<Tensor, SavedState>;
}

/** @throws ERR_STATE_DICT unless it is a state of that optimizer for these groups */
export function unpacked(dict: OptimizerStateSource, row: Row, groups: readonly ParamGroup[]): Unpacked {
  const saved: unknown = field(dict, 'param_groups');
  if (!Array.isArray(saved))
    throw expected("an optimizer's state with state and param_groups", 'dict', dict, 'ERR_STATE_DICT');
  refuseForeign(row, dict, saved, groups);
  if (saved.length !== groups.length) throw misfit(`${groups.length} parameter groups`, `${saved.length}`);
  const states = new Map<Tensor, SavedState>();
  const settings = groups.map((group, i) => {
    const numbers: unknown = field(saved[i], 'params');
    if (!Array.isArray(numbers) || numbers.length !== group.params.length) {
      const count = Array.isArray(numbers) ? `${numbers.length}` : 'none';
      throw misfit(`${group.params.length} parameters in group ${i}`, count);
    }
    for (const [j, param] of group.params.entries()) {
      const number = Number(numbers[j]);
      const fields: unknown = field(field(dict, 'state'), number) ?? null;
      if (fields !== null) states.set(param, { number, fields });
    }
    return settingsOf(saved[i], row);
  });
  return { settings, groups: groups.map((group, i) => hypothetical(row, group, settings[i]!)), states };
}

/** A group as it would be with these settings. All are properties of its own: the group's accessors are the group's alone. */
function hypothetical({ settings }: Row, group: ParamGroup, loaded: Record<string, unknown>): ParamGroup {
  const values = group as unknown as Record<string, unknown>;
  const entries = Object.keys(settings).map((key) => [key, { value: loaded[key] ?? values[key] }]);
  return Object.create(group, Object.fromEntries(entries));
}

/** Those that the file has; the others stay. */
function settingsOf(saved: unknown, { settings }: Row): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const take = (key: string, check: Setting<unknown>['check']) => {
    const value: unknown = field(saved, snakeCase(key));
    if (value === undefined) return;
    try {
      found[key] = check(plain(value), snakeCase(key));
    } catch (error) {
      throw new IsotorchError('ERR_STATE_DICT', (error as Error).message, { cause: error });
    }
  };
  for (const [key, { check }] of Object.entries(settings)) take(key, check);
  for (const key of scheduledKeys) if ((field(saved, snakeCase(key)) ?? null) !== null) take(key, settings.lr!.check);
  return found;
}

/** Numbers that PyTorch may keep as tensors. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Tensor && value.numel() === 1 ? value.item() : value;
}

export const misfit = (wanted: string, received: string): IsotorchError =>
  new IsotorchError(
    'ERR_STATE_DICT',
    `Expected an optimizer's state with ${wanted} but received ${received}; nothing was changed`,
  );
