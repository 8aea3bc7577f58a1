// What settings a detector has, as plain data: their defaults, ranges and meaning. One check serves the functions that make
// detectors, the registry, saved files, manifests and the command line's help. Nothing here loads LibTorch.

import { expected, IsotorchError } from '../../errors.js';
import { nearest } from '../../nearest.js';

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
    values[name] = value === undefined ? spec.default : checked(value, spec, `${owner}’s ${name}`);
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

function checked(value: unknown, spec: SettingSpec, name: string): unknown {
  if (value === null && spec.default === null) return null;
  switch (spec.kind) {
    case 'flag':
      if (typeof value !== 'boolean') throw expected('true or false', name, value);
      return value;
    case 'choice':
      if (typeof value !== 'string' || !spec.choices.includes(value))
        throw expected(`one of ${spec.choices.join(', ')}`, name, value);
      return value;
    case 'number':
      if (!isWithin(value, spec))
        throw expected(`${rangeOf(spec)}${spec.default === null ? ', or null' : ''}`, name, value);
      return value;
    case 'numbers':
      return items(value, (item) => isWithin(item, spec.item), `a list, not empty, each ${rangeOf(spec.item)}`, name);
    case 'path':
      if (!isPath(value)) throw expected('the path of a module, or null', name, value);
      return value;
    case 'paths':
      return items(value, isPath, "a list of modules' paths such as ['layer3', 'layer4'], or null", name);
  }
}

function items(value: unknown, is: (item: unknown) => boolean, expects: string, name: string): unknown[] {
  if (!Array.isArray(value) || value.length === 0 || !value.every(is)) throw expected(expects, name, value);
  return [...value];
}

const isPath = (value: unknown): boolean => typeof value === 'string' && value !== '';

function isWithin(value: unknown, { integer = false, ...limits }: NumberLimits): boolean {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = limits;
  const { above = Number.NEGATIVE_INFINITY, below = Number.POSITIVE_INFINITY } = limits;
  if (typeof value !== 'number' || !(integer ? Number.isSafeInteger(value) : Number.isFinite(value))) return false;
  return value >= min && value <= max && value > above && value < below;
}

/** "a whole number (1 or more)", "a number (above 0)", "a number (0 or more, 100 or less)". */
export function rangeOf({ integer, min, above, max, below }: NumberLimits): string {
  const bounds = [
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(min === undefined ? [] : [`${min} or more`]),
    ...(max === undefined ? [] : [`${max} or less`]),
    ...(below === undefined ? [] : [`below ${below}`]),
  ];
  return `${integer ? 'a whole number' : 'a number'}${bounds.length === 0 ? '' : ` (${bounds.join(', ')})`}`;
}
