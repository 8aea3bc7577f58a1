// What a layer can be made with, one kind of value each: how it is checked, what stands for it where it is not given, and
// how PyTorch prints it. A layer's fields are named and ordered as PyTorch's arguments; `read` takes them by position, or
// by name in a last object.

import { expected, IsotorchError } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { isPlainObject } from '../plainObject.js';
import { Buffer, type Device, type DType, Tensor } from '../tensor/index.js';
import { snakeCase } from './names.js';
import { type Printable, python, pythonFloat } from './print.js';
import { type AdaptiveSize, type Each, each, type Rank, type Size } from './sizes.js';

export interface Field<V> {
  /** The value in the form that the layer keeps. */
  check(value: unknown, name: string): V;
  /** What stands for a value that is not given: undefined, nothing does; a function sees the fields before it. */
  readonly standard: V | undefined | ((before: Readonly<Record<string, unknown>>) => V);
  /** Whether null is a value of its own; else it means "not given", as Python's None does. */
  readonly nullable: boolean;
  /** What the layer's print shows of it; null: nothing. */
  print(name: string, value: V): string | null;
}

// biome-ignore lint/suspicious/noExplicitAny: a field of any value, as a constraint
export type Fields = Readonly<Record<string, Field<any>>>;

export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer V> ? V : never };

type Standard<V> = Field<V>['standard'];

const named = (name: string, value: unknown): string => `${snakeCase(name)}=${python(value as Printable)}`;

function field<V>(what: string, fits: (value: unknown) => boolean, standard: Standard<V>): Field<V> {
  return {
    check(value, name) {
      if (!fits(value)) throw expected(what, name, value);
      return value as V;
    },
    standard,
    nullable: false,
    print: named,
  };
}

// ---- kinds of values

const isNumber = (value: unknown): value is number => typeof value === 'number' && !Number.isNaN(value);

/** Any number but NaN, printed as it is given. */
export const number = (standard?: number): Field<number> => field('a number', isNumber, standard);

/** A number that Python would hold as a float, and print as one: `1.0`. */
export const float = (standard?: number): Field<number> => ({
  ...number(standard),
  print: (name, value) => `${snakeCase(name)}=${pythonFloat(value)}`,
});

/** As `float`, above 0. */
export const positive = (standard?: number): Field<number> => ({
  ...float(standard),
  check: field<number>('a positive number', (value) => isNumber(value) && value > 0 && value < Infinity, undefined)
    .check,
});

/** As `float`, from 0 to 1. */
export const probability = (standard?: number): Field<number> => ({
  ...float(standard),
  check: field<number>('a number from 0 to 1', (value) => isNumber(value) && value >= 0 && value <= 1, undefined).check,
});

export const whole = (standard?: number, least = 1): Field<number> =>
  field(
    `a whole number of ${least} or more`,
    (value) => Number.isSafeInteger(value) && (value as number) >= least,
    standard,
  );

export const integer = (standard?: number): Field<number> => field('an integer', Number.isSafeInteger, standard);

export const flag = (standard: boolean): Field<boolean> =>
  field('a boolean', (value) => typeof value === 'boolean', standard);

/** One of the words; the first one is the standard. Printed in quotes. */
export const choice = <W extends string>(...words: readonly [W, ...W[]]): Field<W> => ({
  ...field<W>(words.map((word) => `'${word}'`).join(' or '), (value) => words.includes(value as W), words[0]),
  print: (name, value) => `${snakeCase(name)}='${value}'`,
});

const axes = { 1: '[length]', 2: '[height, width]', 3: '[depth, height, width]' } as const;

/** A size for each of `rank` directions, kept as it is given. */
export const size = <R extends Rank>(rank: R, standard?: Standard<Size<R>>, least = 1): Field<Size<R>> =>
  field(
    `a whole number of ${least} or more, or ${rank} of them as ${axes[rank]}`,
    (value) =>
      Array.isArray(value)
        ? value.length === rank && value.every((item) => Number.isSafeInteger(item) && item >= least)
        : Number.isSafeInteger(value) && (value as number) >= least,
    standard,
  );

/** The same, kept as an array of `rank` numbers. */
export function sizes<R extends Rank>(rank: R, standard?: Standard<Size<R>>, least = 1): Field<Each<R, number>> {
  const { check } = size(rank, undefined, least);
  const spread = (value: Size<R>) => each(value as number, rank) as Each<R, number>;
  return {
    check: (value, name) => spread(check(value, name)),
    standard:
      typeof standard === 'function'
        ? (before) => spread(standard(before))
        : standard === undefined
          ? undefined
          : spread(standard),
    nullable: false,
    print: named,
  };
}

/** The size of an output: a whole number, or null for the input's; for all directions, or for each. */
export const adaptiveSize = <R extends Rank>(rank: R): Field<AdaptiveSize<R>> => {
  const one = (value: unknown) => value === null || (Number.isSafeInteger(value) && (value as number) >= 0);
  const fits = (value: unknown) => (Array.isArray(value) ? value.length === rank && value.every(one) : one(value));
  return {
    ...field<AdaptiveSize<R>>(`a whole number or null, or ${rank} of them as ${axes[rank]}`, fits, undefined),
    nullable: true,
  };
};

/** Integers, as many as there are. */
export const integers = (): Field<readonly number[]> =>
  field<readonly number[]>(
    'an array of integers',
    (value) => Array.isArray(value) && value.every(Number.isSafeInteger),
    undefined,
  );

/** The same, or one of them alone, which is kept as an array. */
export const integerOrMore = (): Field<readonly number[]> => {
  const { check, ...rest } = integers();
  return { ...rest, check: (value, name) => check(Number.isSafeInteger(value) ? [value] : value, name) };
};

/** One number for all directions or an array of one for each, however many the input has. */
export const perDirection = (of: Field<number>): Field<number | readonly number[]> => ({
  ...of,
  check: (value, name) => (Array.isArray(value) ? value.map((item) => of.check(item, name)) : of.check(value, name)),
  standard: undefined,
  print(name, value) {
    if (typeof value === 'number') return of.print(name, value);
    const items = value.map((item) => of.print('', item)?.slice(1));
    return `${snakeCase(name)}=(${items.join(', ')}${items.length === 1 ? ',' : ''})`;
  },
});

/** A part of the input's size, between 0 and 1; for all directions, or for each. */
export const ratios = (rank: Rank): Field<number | readonly number[]> => {
  const one = (value: unknown) => isNumber(value) && value > 0 && value < 1;
  const fits = (value: unknown) => (Array.isArray(value) ? value.length === rank && value.every(one) : one(value));
  return field<number | readonly number[]>(`a number between 0 and 1, or ${rank} of them`, fits, undefined);
};

/** Numbers of elements to add at each of `count` sides, negative to cut them off; one number for all. */
export const sides = (count: 2 | 4 | 6): Field<readonly number[]> => {
  const of = field<number | readonly number[]>(
    `an integer, or ${count} of them`,
    (value) =>
      Array.isArray(value)
        ? value.length === count && value.every((side) => Number.isSafeInteger(side))
        : Number.isSafeInteger(value),
    undefined,
  );
  return {
    ...(of as Field<readonly number[]>),
    check(value, name) {
      const checked = of.check(value, name);
      return typeof checked === 'number' ? Array<number>(count).fill(checked) : checked;
    },
  };
};

/** A tensor that belongs to the layer's state without being learnt, such as the weights of classes; null: none. */
export const buffer = (): Field<Buffer | null> => ({
  ...hidden(orNull(field<Buffer | null>('a Tensor', (value) => value instanceof Tensor, null))),
  check(value, name) {
    if (value === null || value instanceof Buffer) return value;
    if (!(value instanceof Tensor)) throw expected('a Tensor or null', name, value);
    return new Buffer(value);
  },
});

// ---- the same, otherwise

/** The field with null as a value of its own, and as its standard. */
export const orNull = <V>(of: Field<V>, standard: Standard<V | null> = null): Field<V | null> => ({
  check: (value, name) => (value === null ? null : of.check(value, name)),
  standard,
  nullable: true,
  print: (name, value) => (value === null ? named(name, null) : of.print(name, value)),
});

/** The field, not printed. */
export const hidden = <V>(of: Field<V>): Field<V> => ({ ...of, print: () => null });

/** The field, its value printed without its name. */
export const bare = <V>(of: Field<V>): Field<V> => ({
  ...of,
  print: (name, value) => of.print(name, value)?.replace(/^\w+=/, '') ?? null,
});

/** The field, printed where it is not the standard. */
export const unusual = <V>(of: Field<V>): Field<V> => ({
  ...of,
  print: (name, value) => (value === of.standard ? null : of.print(name, value)),
});

/** `inplace`: writes into the input instead of a new tensor. */
export const inplace = unusual(flag(false));

/** Where and as what parameters are made: the last of every constructor's. */
export const made = {
  device: hidden(orNull(field<Device>('a device', (value) => typeof value === 'string', undefined))),
  dtype: hidden(orNull(field<DType>('a dtype', (value) => typeof value === 'string', undefined))),
};

// ---- taking arguments

const noOption = (owner: string, name: string, names: readonly string[]): string =>
  [`${owner} has no option ${name}: its options are ${names.join(', ')}`, didYouMean(name, names)]
    .filter(Boolean)
    .join('. ');

/**
 * Sees to it that what stands last is an object, and has known names only, for layers that are no rows.
 * @throws ERR_ARGUMENT for a value by position, which would be passed over in silence, and for names that are none of `names`
 */
export function checkOptions(owner: string, options: unknown, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw expected(`an object, such as { ${names[0]}: … }`, `the options of ${owner}`, options);
  for (const name of Object.keys(options))
    if (!names.includes(name)) throw new IsotorchError('ERR_ARGUMENT', noOption(owner, name, names));
}

/**
 * The values of `fields` from a constructor's arguments.
 * @throws ERR_ARGUMENT for a value that does not fit its field, one that is missing, and names that are no field's.
 */
export function read<F extends Fields>(owner: string, fields: F, args: readonly unknown[]): Values<F> {
  const names = Object.keys(fields);
  const last = args.at(-1);
  const options = isPlainObject(last) ? last : {};
  const count = isPlainObject(last) ? args.length - 1 : args.length;
  if (count > names.length)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${owner}: expected at most ${names.length} arguments (${names.join(', ')}) but received ${count}`,
    );
  for (const [name, value] of Object.entries(options)) {
    const place = names.indexOf(name);
    if (place >= count || (value === undefined && place >= 0)) continue;
    throw new IsotorchError(
      'ERR_ARGUMENT',
      place >= 0
        ? `${owner}: expected ${name} once but received it by position and by name`
        : noOption(owner, name, names),
    );
  }
  const values: Record<string, unknown> = {};
  for (const [i, name] of names.entries()) {
    const { check, standard, nullable } = fields[name] as Field<unknown>;
    const given = i < count ? args[i] : options[name];
    const missing = given === undefined || (given === null && !nullable);
    if (missing && standard !== undefined) values[name] = typeof standard === 'function' ? standard(values) : standard;
    else values[name] = check(given, name);
  }
  return values as Values<F>;
}

/** How PyTorch prints the fields: `alpha=1.0, inplace=True`. */
export function show<F extends Fields>(fields: F, values: Values<F>): string {
  return Object.entries(fields)
    .map(([name, { print }]) => print(name, values[name]))
    .filter((text) => text !== null)
    .join(', ');
}
