// Puts something in place of every tensor description in what a pickle held. Lists, dicts and sets are changed in place, so
// that what was shared stays shared and cycles stay cycles; tuples, which are frozen, are made anew where they must.

import { types } from 'node:util';
import { IsotorchError } from '../../errors.js';
import { PickleGlobal } from './globals.js';
import { NumpyDType } from './numpy.js';
import {
  type AnyTensorRef,
  isTensorRef,
  isTuple,
  OrderedDict,
  StorageRef,
  StorageView,
  TorchDType,
  TorchSize,
} from './values.js';

/** Deeper than Python can save by default, and shallow enough for JavaScript's stack. */
export const maxDepth = 1000;

/**
 * `value` with every description of a tensor exchanged for what `replace` returns. It is called once for each.
 * @param where what messages call the pickle
 * @throws ERR_FORMAT if objects are nested too deep, or a class or a storage is used as a value.
 */
export function replaceTensors(value: unknown, where: string, replace: (tensor: AnyTensorRef) => unknown): unknown {
  const done = new Map<object, unknown>();
  const bad = (problem: string) => new IsotorchError('ERR_FORMAT', `${where}: ${problem}`);

  const walk = (item: unknown, depth: number): unknown => {
    if (typeof item !== 'object' || item === null) return item;
    const known = done.get(item);
    if (known !== undefined) return known;
    if (depth > maxDepth) throw bad(`objects are nested more than ${maxDepth} deep`);
    if (isTensorRef(item)) {
      const replaced = replace(item);
      done.set(item, replaced);
      return replaced;
    }
    if (isTuple(item)) return walkTuple(item, depth);
    if (item instanceof PickleGlobal)
      throw bad(`it holds the class or function ${item.name} as a value, which has no counterpart here`);
    if (item instanceof NumpyDType) return TorchDType.of(item.dtype);
    if (item instanceof StorageRef || item instanceof StorageView)
      throw bad(
        `it holds the storage ${JSON.stringify((item instanceof StorageView ? item.root : item).key)} without a tensor, which has no counterpart here`,
      );
    done.set(item, item);
    if (Array.isArray(item)) {
      for (let i = 0; i < item.length; i++) item[i] = walk(item[i], depth + 1);
    } else if (types.isMap(item)) {
      for (const [key, content] of item) {
        if (holdsTensor(key)) throw bad('a dict has a key with a tensor in it, which has no counterpart here');
        const replaced = walk(content, depth + 1);
        if (replaced !== content) item.set(key, replaced);
      }
      if (item instanceof OrderedDict && item._metadata !== undefined) item._metadata = walk(item._metadata, depth + 1);
    } else if (types.isSet(item)) {
      const items = [...item];
      item.clear();
      for (const content of items) item.add(walk(content, depth + 1));
    }
    return item;
  };

  const walkTuple = (tuple: readonly unknown[], depth: number): unknown => {
    if (tuple instanceof TorchSize || tuple.every((item) => typeof item !== 'object' || item === null)) return tuple;
    // Known before its items are, because a list among them may hold this very tuple.
    const made: unknown[] = [];
    done.set(tuple, made);
    for (const item of tuple) made.push(walk(item, depth + 1));
    return Object.freeze(made);
  };

  return walk(value, 0);
}

/** Keys are tuples of plain values at most; a cycle can't run through tuples alone, but one tuple may be in many places. */
function holdsTensor(key: unknown, seen = new Set<unknown>()): boolean {
  if (isTensorRef(key)) return true;
  if (!isTuple(key) || seen.has(key)) return false;
  // No key of a checkpoint has so many parts; deeper ones would exhaust the stack.
  if (seen.size > maxDepth) return true;
  seen.add(key);
  return key.some((part) => holdsTensor(part, seen));
}
