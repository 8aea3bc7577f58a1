// Values on their way into a script and back: see native/script/values.h for what stands for what on the wire.

import { types } from 'node:util';
import { native } from '../native.js';
import { isPlainObject } from '../plainObject.js';
import { Tensor } from '../tensor/index.js';

/** What scripts take. Numbers become int or float as the script's own types say. */
export type ScriptInput =
  | Tensor
  | number
  | bigint
  | boolean
  | string
  | null
  | undefined
  | readonly ScriptInput[]
  | ReadonlyMap<ScriptInput, ScriptInput>
  | { readonly [key: string]: ScriptInput };

/**
 * What scripts give: Tensors, numbers (bigint where an int is not safe), booleans, strings, null; a list is an array, a tuple a
 * frozen array, a named tuple an object, a dict a Map.
 */
export type ScriptOutput =
  | Tensor
  | number
  | bigint
  | boolean
  | string
  | null
  | readonly ScriptOutput[]
  | ReadonlyMap<ScriptOutput, ScriptOutput>
  | { readonly [key: string]: ScriptOutput };

export function toScript(value: unknown): unknown {
  if (value instanceof Tensor) return Float64Array.of(value.handle);
  if (Array.isArray(value)) return value.map(toScript);
  if (types.isMap(value)) return Array.from(value, ([key, item]) => [toScript(key), toScript(item)]);
  if (typeof value === 'object' && value !== null && isPlainObject(value))
    return Object.entries(value).map(([key, item]) => [key, toScript(item)]);
  return value;
}

export function fromScript(value: unknown): ScriptOutput {
  if (types.isFloat64Array(value)) return new Tensor(value[0]!);
  if (Array.isArray(value)) return value.map(fromScript);
  if (typeof value !== 'object' || value === null) return value as ScriptOutput;
  const { tuple, names, dict } = value as { tuple?: unknown[]; names?: string[]; dict?: [unknown, unknown][] };
  if (dict) return new Map(dict.map(([key, item]) => [fromScript(key), fromScript(item)]));
  const items = tuple!.map(fromScript);
  return names ? Object.fromEntries(names.map((name, i) => [name, items[i]!])) : Object.freeze(items);
}

/** Forgets native objects that nobody here holds any more. */
export const scripts = new FinalizationRegistry<number>((script) => native.releaseScript(script));
