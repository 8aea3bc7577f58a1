// Kinds of settings of optimizers and schedules: what one usually is, and the check that every value of it must pass, whether a
// program, a recipe or a file brought it. No LibTorch is needed to read them.

import { expected } from '../errors.js';
import { type Check, choiceCheck, flagCheck, type NumberLimits, numberCheck, unknownName } from './settings.js';

export interface Setting<T> {
  /** What it is where nothing else is said. */
  readonly usual: T;
  /** Gives the value back, or throws ERR_ARGUMENT that names what was expected. */
  check(value: unknown, name: string): T;
}

/** @throws ERR_ARGUMENT unless it is what the check expects */
function ensured<T>(check: Check, value: unknown, name: string): T {
  if (!check.is(value)) throw expected(check.expects, name, value);
  return value as T;
}

/** @throws ERR_ARGUMENT unless it is a number within the limits, by default of 0 or more */
export const inRange = (value: unknown, name: string, limits: NumberLimits = {}): number =>
  ensured(numberCheck(limited(limits)), value, name);

const limited = (limits: NumberLimits): NumberLimits =>
  limits.min === undefined && limits.above === undefined ? { min: 0, ...limits } : limits;

/** A number, of 0 or more if no other least one is given. */
export const number = (usual: number, limits: NumberLimits = {}): Setting<number> => ({
  usual,
  check: (value, name) => inRange(value, name, limits),
});

/** Any number within the limits, also below 0. */
export const anyNumber = (usual: number, limits: NumberLimits = {}): Setting<number> => ({
  usual,
  check: (value, name) => ensured(numberCheck(limits), value, name),
});

/** A whole number. */
export const whole = (usual: number, min = 1): Setting<number> => number(usual, { integer: true, min });

export const flag = (usual: boolean): Setting<boolean> => ({
  usual,
  check: (value, name) => ensured(flagCheck, value, name),
});

/** What PyTorch has and isotorch has not: false for good. */
export const off: Setting<boolean> = {
  usual: false,
  check(value, name) {
    if (value !== false) throw expected('false, since that is not supported,', name, value);
    return value;
  },
};

/** What may also be left to the one who reads it: null. */
export const optional = <T>({ check }: Setting<T>): Setting<T | null> => ({
  usual: null,
  check: (value, name) => (value === null ? null : check(value, name)),
});

export const choice = <T extends string>(usual: T, ...others: readonly T[]): Setting<T> => ({
  usual,
  check: (value, name) => ensured(choiceCheck([...new Set([usual, ...others])]), value, name),
});

/** Several values, each with a kind of its own. They are frozen: change them by giving new ones. */
export function tuple<T extends readonly unknown[]>(...kinds: { [K in keyof T]: Setting<T[K]> }): Setting<Readonly<T>> {
  return {
    usual: Object.freeze(kinds.map(({ usual }) => usual)) as unknown as Readonly<T>,
    check(value, name) {
      if (!Array.isArray(value) || value.length !== kinds.length) throw expected(`${kinds.length} values`, name, value);
      const checked = kinds.map((kind, i) => kind.check(value[i], `${name}[${i}]`));
      return Object.freeze(checked) as unknown as Readonly<T>;
    },
  };
}

/** What has no default: it must be said. */
export interface Needed<T> extends Setting<T> {
  readonly isNeeded: true;
}
export const needed = <T>({ check }: Setting<T>): Needed<T> => ({ usual: undefined as never, check, isNeeded: true });

/** One value for all groups of parameters, or a list with one for each. */
export const perGroup = <T>({ usual, check }: Setting<T>): Setting<T | readonly T[]> => ({
  usual,
  check: (value, name) =>
    Array.isArray(value) ? value.map((item, i) => check(item, `${name}[${i}]`)) : check(value, name),
});

export const list = <T>({ check }: Setting<T>, what: string): Setting<readonly T[]> => ({
  usual: [],
  check(value, name) {
    if (!Array.isArray(value)) throw expected(what, name, value);
    return value.map((item, i) => check(item, `${name}[${i}]`));
  },
});

export type SettingTable = Readonly<Record<string, Setting<unknown>>>;

/** The values of a table's settings, after defaults. */
export type ValuesOf<T extends SettingTable> = {
  -readonly [K in keyof T]: T[K] extends Setting<infer V> ? V : never;
};

type NeededKeys<T extends SettingTable> = { [K in keyof T]: T[K] extends Needed<unknown> ? K : never }[keyof T];

/** What one gives for them: those with a default may be left out. */
export type GivenFor<T extends SettingTable> = Pick<ValuesOf<T>, NeededKeys<T>> &
  Partial<Omit<ValuesOf<T>, NeededKeys<T>>>;

/**
 * All settings of a table: those that are given, checked, and the usual ones.
 * @param owner of whom they are, for messages
 * @throws ERR_ARGUMENT for one that is not in the table, is out of its range, or is needed and missing
 */
export function checkedSettings(owner: string, table: SettingTable, given: object): Record<string, unknown> {
  if (typeof given !== 'object' || given === null)
    throw expected(`an object of settings of ${owner}`, 'options', given);
  const values = given as Record<string, unknown>;
  for (const [key, value] of Object.entries(values))
    if (!(key in table) && value !== undefined) throw unknownName(`setting of ${owner}`, key, Object.keys(table));
  const entries = Object.entries(table).map(([key, setting]): [string, unknown] => {
    const value = values[key];
    return [key, value === undefined && !('isNeeded' in setting) ? setting.usual : setting.check(value, key)];
  });
  return Object.fromEntries(entries);
}

/** `weightDecay` → `weight_decay`: the name that a setting or a tensor of state has in PyTorch. */
export const snakeCase = (name: string): string => name.replace(/(?<!^)[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
