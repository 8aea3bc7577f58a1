// From a call in JavaScript to an operator's overload and back. The running LibTorch says which overloads there are;
// the first one that takes the given arguments is called. Errors name what each overload would have wanted.

import { types } from 'node:util';
import { describe, IsotorchError } from '../errors.js';
import { type NativeOverload, type NativeValue, native } from '../native.js';
import { isPlainObject } from '../plainObject.js';
import { isDType, type Scalar } from './dtype.js';
import { restate } from './forms.js';
import { camelCase } from './names.js';
import { Generator } from './random.js';
import { summary, Tensor } from './tensor.js';

interface Parameter extends NativeValue {
  /** The name in JavaScript. */
  key: string;
}

export interface Overload extends NativeOverload {
  arguments: Parameter[];
  /** How many of the arguments may be given by position. */
  positional: number;
  /** Names of the results where there are several and all are named. */
  resultKeys?: string[];
  /** The commonest result by far. */
  givesTensor: boolean;
}

export type Options = Record<string, unknown>;

/** "This value does not fit", told apart from every value that does. */
const MISFIT = Symbol('misfit');

/** Whether `value`, at the end of a call, names arguments. */
export const isOptions = (value: unknown): value is Options =>
  isPlainObject(value) && !('re' in value && 'im' in value);

export const isInteger = (value: unknown): boolean => Number.isInteger(value) || typeof value === 'bigint';
const isComplex = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 're' in value && 'im' in value;
export const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' || isComplex(value);

function element(kind: Parameter['kind'], value: unknown): boolean {
  switch (kind) {
    case 'int':
      return isInteger(value);
    case 'float':
      return typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'Scalar':
      return isScalar(value);
    case 'complex':
      return isComplex(value);
    case 'ScalarType':
      return isDType(value);
    case 'str':
    case 'Device':
    case 'Layout':
    case 'MemoryFormat':
      return typeof value === 'string';
    default:
      return false;
  }
}

/** Of a list. An array may claim 2³² − 1 elements and have none. */
const mostElements = 2 ** 22;

/** `value` as the addon wants it, or MISFIT. */
function convert(parameter: Parameter, value: unknown): unknown {
  if (value === undefined) return parameter.hasDefault ? undefined : parameter.optional ? null : MISFIT;
  if (value === null) return parameter.optional ? null : MISFIT;
  if (parameter.list) {
    if (!Array.isArray(value)) {
      if (ArrayBuffer.isView(value) && !types.isDataView(value))
        return convert(parameter, Array.from(value as Float64Array));
      return parameter.repeat > 0 && element(parameter.kind, value) ? value : MISFIT;
    }
    if (value.length > mostElements) return MISFIT;
    if (parameter.kind !== 'Tensor') return value.every((item) => element(parameter.kind, item)) ? value : MISFIT;
    const handles = new Float64Array(value.length);
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      if (item instanceof Tensor) handles[i] = item.handle;
      else if (!(parameter.optionalElements && (item === null || item === undefined))) return MISFIT;
    }
    return handles;
  }
  if (parameter.kind === 'Tensor') return value instanceof Tensor ? value.handle : MISFIT;
  if (parameter.kind === 'Generator') return value instanceof Generator ? value.number : MISFIT;
  if (element(parameter.kind, value)) return value;
  const reduction = parameter.key === 'reduction' ? reductions.indexOf(value as Reduction) : -1;
  return reduction < 0 ? MISFIT : reduction;
}

/** How a loss over a batch becomes its result: the schemas number them, PyTorch's front names them. */
export const reductions = ['none', 'mean', 'sum'] as const;
export type Reduction = (typeof reductions)[number];

/** The addon's arguments for this overload, or undefined if it doesn't take these. */
function bind(
  overload: Overload,
  args: readonly unknown[],
  count: number,
  options: Options | undefined,
): unknown[] | undefined {
  if (count > overload.positional) return undefined;
  const parameters = overload.arguments;
  const bound: unknown[] = [overload.number];
  let last = 0;
  let used = 0;
  for (let i = 0; i < parameters.length; i++) {
    const parameter = parameters[i]!;
    let value: unknown;
    if (i < count) {
      value = args[i];
    } else if (options && parameter.key in options) {
      value = options[parameter.key];
      used++;
    } else if (parameter.hasDefault) {
      bound.push(undefined);
      continue;
    } else {
      return undefined;
    }
    const converted = convert(parameter, value);
    if (converted === MISFIT) return undefined;
    bound.push(converted);
    if (converted !== undefined) last = i + 1;
  }
  if (options && used < Object.keys(options).length) return undefined;
  bound.length = last + 1; // trailing defaults are the addon's business
  return bound;
}

/** Tensor overloads before Scalar ones, `out` forms and named dimensions last; LibTorch's order (by name) otherwise. */
const rank = (overload: NativeOverload): number =>
  (overload.overload.startsWith('Tensor') || overload.overload === '' ? -1 : 0) +
  (overload.arguments.some(({ name, keywordOnly }) => keywordOnly && name.startsWith('out')) ? 4 : 0) +
  (/dimname|names/i.test(overload.overload) ? 2 : 0);

function prepare(overload: NativeOverload): Overload {
  const parameters = overload.arguments.map((argument) => ({ ...argument, key: camelCase(argument.name) }));
  const { results } = overload;
  return {
    ...overload,
    arguments: parameters,
    positional: parameters.filter(({ keywordOnly }) => !keywordOnly).length,
    givesTensor:
      results.length === 1 && results[0]!.kind === 'Tensor' && !results[0]!.list && overload.resultIsArgument < 0,
    ...(results.length > 1 && results.every(({ name }) => name !== '')
      ? { resultKeys: results.map(({ name }) => camelCase(name)) }
      : {}),
  };
}

function wrap(result: NativeValue, value: unknown): unknown {
  if (value === null || result.kind !== 'Tensor') return value;
  if (Array.isArray(value)) return value.map((item: number | null) => (item === null ? null : new Tensor(item)));
  return new Tensor(value as number);
}

/** What of an argument decides the overload where it is a tensor, a number, a boolean or a list of sizes; else 0. */
function kindOf(value: unknown): number {
  if (value instanceof Tensor) return 1;
  if (typeof value === 'number') return Number.isInteger(value) ? 2 : 3;
  if (typeof value === 'boolean') return 4;
  if (!Array.isArray(value) || value.length === 0) return 0;
  for (let i = 0; i < value.length; i++) if (!Number.isInteger(value[i])) return 0;
  return 5;
}
const plain = (value: unknown): unknown => (value instanceof Tensor ? value.handle : value);
const call = native.call;

/** All overloads of one name, such as `aten::add`. */
export class Operator {
  #overloads: Overload[] | undefined;
  /** Overloads already chosen, by the kinds of up to three arguments: what a hot loop calls needs no second search. */
  readonly #chosen: (Overload | undefined)[] = new Array(128).fill(undefined);

  constructor(
    /** With its namespace: `aten::add`. */
    readonly name: string,
    readonly only?: string,
  ) {}

  /** In the order in which they are tried; asked of LibTorch on first use. */
  get overloads(): Overload[] {
    this.#overloads ??= native
      .overloads(this.name)
      .filter(({ overload }) => this.only === undefined || overload === this.only)
      .sort((a, b) => rank(a) - rank(b))
      .map(prepare);
    return this.#overloads;
  }

  /** `call([a])`, `call([a, b])` and `call([a, b, c])` without the arrays. */
  call1(a: unknown): unknown {
    const overload = a instanceof Tensor ? this.#chosen[1] : undefined;
    return overload ? this.#finish(overload, call(overload.number, plain(a)), a) : this.call([a]);
  }

  call2(a: unknown, b: unknown): unknown {
    const kind = kindOf(b);
    const overload = kind > 0 && a instanceof Tensor ? this.#chosen[8 + kind] : undefined;
    return overload ? this.#finish(overload, call(overload.number, plain(a), plain(b)), a) : this.call([a, b]);
  }

  call3(a: unknown, b: unknown, c: unknown): unknown {
    const second = kindOf(b);
    const third = kindOf(c);
    const overload = second > 0 && third > 0 && a instanceof Tensor ? this.#chosen[64 + 8 * second + third] : undefined;
    return overload
      ? this.#finish(overload, call(overload.number, plain(a), plain(b), plain(c)), a)
      : this.call([a, b, c]);
  }

  #finish(overload: Overload, value: unknown, first: unknown): unknown {
    return overload.givesTensor && value !== null
      ? new Tensor(value as number)
      : this.#results(overload, value, [first], 1, undefined);
  }

  /** Remembers a choice that kinds alone decided, and whose result needs no argument but the first. */
  #remember(args: readonly unknown[], overload: Overload): void {
    if (args.length > 3 || !(args[0] instanceof Tensor) || overload.resultIsArgument > 0) return;
    const kinds = args.slice(1).map(kindOf);
    if (kinds.includes(0)) return;
    const key = kinds.length === 0 ? 1 : kinds.length === 1 ? 8 + kinds[0]! : 64 + 8 * kinds[0]! + kinds[1]!;
    this.#chosen[key] = overload;
  }

  /** Calls the first overload that takes `args`; a plain object at the end names the arguments it holds. */
  call(args: readonly unknown[]): unknown {
    const last = args[args.length - 1];
    const options = args.length > 0 && isOptions(last) ? last : undefined;
    const count = options ? args.length - 1 : args.length;
    for (const overload of this.overloads) {
      const bound = bind(overload, args, count, options);
      if (bound === undefined) continue;
      const value = call.apply(undefined, bound as [number, ...unknown[]]);
      if (!options) this.#remember(args, overload);
      if (overload.givesTensor && value !== null) return new Tensor(value as number);
      return this.#results(overload, value, args, count, options);
    }
    const restated = restate(this, args.slice(0, count), options);
    if (restated) return restated.result;
    throw this.#mismatch(args, count, options);
  }

  #results(
    overload: Overload,
    value: unknown,
    args: readonly unknown[],
    count: number,
    options: Options | undefined,
  ): unknown {
    const { results, resultIsArgument, resultKeys } = overload;
    if (resultIsArgument >= 0) {
      return resultIsArgument < count ? args[resultIsArgument] : options?.[overload.arguments[resultIsArgument]!.key];
    }
    if (results.length === 0) return undefined;
    if (results.length === 1) return wrap(results[0]!, value);
    const values = (value as unknown[]).map((item, i) => wrap(results[i]!, item));
    return resultKeys ? Object.fromEntries(resultKeys.map((key, i) => [key, values[i]])) : values;
  }

  #mismatch(args: readonly unknown[], count: number, options: Options | undefined): IsotorchError {
    const name = this.name.slice(this.name.indexOf('::') + 2);
    if (this.overloads.length === 0) {
      return new IsotorchError(
        'ERR_OPERATOR',
        `LibTorch ${native.buildInfo().runtimeVersion} has no operator ${this.name}`,
        { operator: this.name },
      );
    }
    const given = args.slice(0, count).map(describeArgument);
    if (options) given.push(...Object.entries(options).map(([key, value]) => `${key}: ${describeArgument(value)}`));
    const wanted = this.overloads
      .slice(0, 6)
      .map((overload) => `  ${overload.schema}\n    ${this.#why(overload, args, count, options)}`);
    const more = this.overloads.length > 6 ? `\n  … and ${this.overloads.length - 6} more` : '';
    const one = this.overloads.length === 1;
    return new IsotorchError(
      'ERR_OPERATOR',
      `${name}: ${one ? 'expected other arguments' : 'expected the arguments of one of its overloads'} but received (${given.join(', ')})\n${wanted.join('\n')}${more}`,
      { operator: this.name, ...(one ? { schema: this.overloads[0]!.schema } : {}) },
    );
  }

  /** The first reason why an overload doesn't take the arguments. */
  #why(overload: Overload, args: readonly unknown[], count: number, options: Options | undefined): string {
    if (count > overload.positional)
      return `takes at most ${overload.positional} positional arguments, received ${count}`;
    for (const [i, parameter] of overload.arguments.entries()) {
      const given = i < count || (options !== undefined && parameter.key in options);
      if (!given && !parameter.hasDefault)
        return `expected ${parameter.type} for ${parameter.key} but received nothing`;
      const value = i < count ? args[i] : options?.[parameter.key];
      if (given && convert(parameter, value) === MISFIT) {
        return parameter.kind === 'unsupported'
          ? `${parameter.key} is a ${parameter.type}, which has no JavaScript counterpart`
          : `expected ${parameter.type} for ${parameter.key} but received ${describeArgument(value)}`;
      }
    }
    const keys = new Set(overload.arguments.map(({ key }) => key));
    const unknown = Object.keys(options ?? {}).filter((key) => !keys.has(key));
    const twice = Object.keys(options ?? {}).filter(
      (key) => overload.arguments.findIndex((parameter) => parameter.key === key) < count,
    );
    return unknown.length > 0 ? `has no argument ${unknown.join(', ')}` : `received ${twice.join(', ')} twice`;
  }
}

/** `value` in a few words, tensors with their dtype and shape. */
export function describeArgument(value: unknown): string {
  if (value instanceof Tensor) return summary(value);
  if (Array.isArray(value) && value.length <= 8 && value.every((item) => typeof item === 'number'))
    return `[${value.join(', ')}]`;
  return describe(value);
}

const operators = new Map<string, Operator>();

/** The operator of that full name, such as `aten::add`; existing or not is known on first use. */
export function operator(name: string): Operator {
  let found = operators.get(name);
  if (!found) {
    found = new Operator(name);
    operators.set(name, found);
  }
  return found;
}

/** Calls an operator of aten that gives one tensor. */
export const aten = (name: string, ...args: unknown[]): Tensor => operator(`aten::${name}`).call(args) as Tensor;
