// What settings a detector has, as plain data: their defaults, ranges and meaning. One check serves the functions that make
// detectors, the registry, saved files, manifests and the command line's help. Nothing here loads LibTorch.

import { expected, IsotorchError } from '../../errors.js';
import { nearest } from '../../nearest.js';

interface Described {
  /** One line for help. */
  readonly about: string;
}

export interface NumberSetting extends Described {
  readonly kind: 'number';
  /** null: the detector finds the number itself, and null may be given too. */
  readonly default: number | null;
  /** The least, itself allowed. */
  readonly min?: number;
  /** A bound that the number is larger than. */
  readonly above?: number;
  /** The largest, itself allowed. */
  readonly max?: number;
  readonly integer?: boolean;
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

export type SettingSpec = NumberSetting | ChoiceSetting | FlagSetting;

/** Of one detector, by name. */
export type SettingSpecs = Readonly<Record<string, SettingSpec>>;

/** The values that fit specifications, all of them. */
export type SettingsOf<S extends SettingSpecs> = {
  readonly [K in keyof S]: S[K] extends { kind: 'number' }
    ? S[K]['default'] extends null
      ? number | null
      : number
    : S[K] extends { kind: 'choice'; choices: readonly (infer C)[] }
      ? C
      : boolean;
};

/**
 * `given`, checked, with the defaults of those left out (or undefined).
 * @param owner the detector's name, for messages
 * @throws ERR_ARGUMENT for a name that is no setting, saying which are and which was probably meant; for a value out of range
 * @example settled('energy', detectorSpecs.energy, {}); // { temperature: 1 }
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

/** The error for a name that is none of `names`. `what`: "detector", "setting of energy". */
export function unknownName(what: string, name: string, names: readonly string[]): IsotorchError {
  const meant = nearest(name, names);
  const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 57)}…` : name);
  return new IsotorchError(
    'ERR_ARGUMENT',
    `Unknown ${what} ${shown}${meant === undefined ? '' : `: did you mean ${meant}?`} ` +
      `(${names.length === 0 ? 'it has none' : `there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`})`,
  );
}

function checked(value: unknown, spec: SettingSpec, name: string): unknown {
  switch (spec.kind) {
    case 'flag':
      if (typeof value !== 'boolean') throw expected('true or false', name, value);
      return value;
    case 'choice':
      if (typeof value !== 'string' || !spec.choices.includes(value))
        throw expected(`one of ${spec.choices.join(', ')}`, name, value);
      return value;
    case 'number': {
      const { min = Number.NEGATIVE_INFINITY, above = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = spec;
      if (value === null && spec.default === null) return null;
      if (
        typeof value !== 'number' ||
        !(Number.isFinite(value) && value >= min && value > above && value <= max) ||
        (spec.integer && !Number.isSafeInteger(value))
      )
        throw expected(rangeOf(spec), name, value);
      return value;
    }
  }
}

/** "a whole number (1 or more)", "a number (above 0)", "a number (0 or more, 100 or less), or null". */
export function rangeOf({ integer, min, above, max, default: initial }: NumberSetting): string {
  const bounds = [
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(min === undefined ? [] : [`${min} or more`]),
    ...(max === undefined ? [] : [`${max} or less`]),
  ];
  const range = bounds.length === 0 ? '' : ` (${bounds.join(', ')})`;
  return `${integer ? 'a whole number' : 'a number'}${range}${initial === null ? ', or null' : ''}`;
}
