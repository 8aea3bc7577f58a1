// What settings a detector has, as plain data: their defaults, ranges and meaning. One check serves the functions that make
// detectors, the registry, saved files, manifests and the command line's help. Nothing here loads LibTorch.

import { expected, IsotorchError } from '../errors.js';
import { nearest } from '../nearest.js';

/** A setting as JSON holds it. */
export type Setting = number | string | boolean | null | readonly Setting[] | { readonly [name: string]: Setting };
export type Settings = Readonly<Record<string, Setting>>;

interface Described {
  /** One line for help. */
  readonly about: string;
}

/** What a number must keep to, besides being finite. */
export interface NumberLimits {
  readonly integer?: boolean;
  /** The least, itself allowed. */
  readonly min?: number;
  /** The largest, itself allowed. */
  readonly max?: number;
  /** A bound that the number is larger than. */
  readonly above?: number;
  /** A bound that the number is smaller than. */
  readonly below?: number;
}

export interface NumberSetting extends Described, NumberLimits {
  readonly kind: 'number';
  /** null: the detector finds the number itself, and null may be given too. */
  readonly default: number | null;
}

export interface ChoiceSetting extends Described {
  readonly kind: 'choice';
  readonly default: string;
  readonly choices: readonly string[];
}

export interface FlagSetting extends Described {
  readonly kind: 'flag';
  readonly default: boolean;
}

/** One number or more. */
export interface NumbersSetting extends Described {
  readonly kind: 'numbers';
  readonly item: NumberLimits;
  readonly default: readonly number[];
}

/** The path of a module of the network; null: the detector finds it. */
export interface PathSetting extends Described {
  readonly kind: 'path';
  readonly default: null;
}

/** One path or more; null: the detector finds them. */
export interface PathsSetting extends Described {
  readonly kind: 'paths';
  readonly default: null;
}

export type SettingSpec = NumberSetting | ChoiceSetting | FlagSetting | NumbersSetting | PathSetting | PathsSetting;

/** Of one detector, by name. */
export type SettingSpecs = Readonly<Record<string, SettingSpec>>;

type ValueOf<S extends SettingSpec> = S extends { kind: 'number' }
  ? S['default'] extends null
    ? number | null
    : number
  : S extends { kind: 'choice'; choices: readonly (infer C)[] }
    ? C
    : S extends { kind: 'numbers' }
      ? readonly number[]
      : S extends { kind: 'path' }
        ? string | null
        : S extends { kind: 'paths' }
          ? readonly string[] | null
          : boolean;

/** The values that fit specifications, all of them. */
export type SettingsOf<S extends SettingSpecs> = { readonly [K in keyof S]: ValueOf<S[K]> };

/**
 * `given`, checked, with the defaults of those left out (or undefined).
 * @param owner the detector's name, for messages
 * @throws ERR_ARGUMENT for a name that is no setting, saying which are and which was probably meant; for a value out of range
 * @example settled('energy', detectorSpecs.energy.settings, {}); // { temperature: 1 }
 */
export function settled<const S extends SettingSpecs>(owner: string, specs: S, given: unknown): SettingsOf<S> {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw expected('an object of settings', `${owner}’s settings`, given);
  const names = Object.keys(specs);
  for (const name of Object.keys(given))
    if (!names.includes(name)) throw unknownName(`setting of ${owner}`, name, names);
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const value = (given as Record<string, unknown>)[name];
    const check = checkOf(spec);
    if (value !== undefined && !check.is(value)) throw expected(check.expects, `${owner}’s ${name}`, value);
    values[name] = value === undefined ? spec.default : Array.isArray(value) ? [...value] : value;
  }
  return values as SettingsOf<S>;
}

/**
 * The error for a name that is none of `names`.
 * @param what "detector", "setting of energy"
 * @param advice in place of the name that is nearest
 */
export function unknownName(what: string, name: string, names: readonly string[], advice?: string): IsotorchError {
  const meant = nearest(name, names);
  const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 57)}…` : name);
  return new IsotorchError(
    'ERR_ARGUMENT',
    `Unknown ${what} ${shown}${advice ? `: ${advice}` : meant === null ? '' : `: did you mean ${meant}?`} ` +
      `(${names.length === 0 ? 'it has none' : `there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`})`,
  );
}

/** What a value has to be, in words, and whether one is. */
export interface Check {
  readonly expects: string;
  is(value: unknown): boolean;
  /** Of a list: what each item has to be. */
  readonly item?: Check;
  /** Words that would have been right. */
  readonly words?: readonly string[];
}

/** The one check of a setting, for calls from programs, saved files and manifests alike. */
export function checkOf(spec: SettingSpec): Check {
  switch (spec.kind) {
    case 'flag':
      return flagCheck;
    case 'choice':
      return choiceCheck(spec.choices);
    case 'number':
      return spec.default === null ? orNull(numberCheck(spec)) : numberCheck(spec);
    case 'numbers':
      return listCheck(numberCheck(spec.item));
    case 'path':
      return orNull(pathCheck);
    case 'paths':
      return orNull(listCheck(pathCheck));
  }
}

export const flagCheck: Check = { expects: 'true or false', is: (value) => typeof value === 'boolean' };

const pathCheck: Check = {
  expects: 'the path of a module',
  is: (value) => typeof value === 'string' && value.trim() !== '',
};

/** @param what what the words are, where that helps: `a loss` */
export const choiceCheck = (words: readonly string[], what = ''): Check => ({
  expects: what === '' ? `one of ${words.join(', ')}` : `${what} (${words.join(', ')})`,
  is: (value) => typeof value === 'string' && words.includes(value),
  words,
});

export function numberCheck(limits: NumberLimits): Check {
  const { integer = false, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = limits;
  const { above = Number.NEGATIVE_INFINITY, below = Number.POSITIVE_INFINITY } = limits;
  const isNumber = integer ? Number.isSafeInteger : Number.isFinite;
  return {
    expects: rangeOf(limits),
    is: (value) => {
      if (typeof value !== 'number' || !isNumber(value)) return false;
      return value >= min && value <= max && value > above && value < below;
    },
  };
}

/** At least one item. */
const listCheck = (item: Check): Check => ({
  expects: `a list, each item ${item.expects}`,
  is: (value) => Array.isArray(value) && value.length > 0 && value.every((each) => item.is(each)),
  item,
});

const orNull = (check: Check): Check => ({
  ...check,
  expects: `${check.expects}, or null`,
  is: (value) => value === null || check.is(value),
});

/** `a whole number of 1 or more`, `a number above 0 and below 1`, `a number from 0 to 100`. */
export function rangeOf({ integer, min, above, max, below }: NumberLimits): string {
  const what = integer ? 'a whole number' : 'a number';
  if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}`;
  const lower = min !== undefined ? `of ${min} or more` : above !== undefined ? `above ${above}` : '';
  const upper = max !== undefined ? `at most ${max}` : below !== undefined ? `below ${below}` : '';
  return [what, [lower, upper].filter((part) => part !== '').join(' and ')].filter((part) => part !== '').join(' ');
}
