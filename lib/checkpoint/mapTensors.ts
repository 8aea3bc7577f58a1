// Puts other tensors in place of those in what was loaded. Lists, dicts and sets are changed in place, so that what was shared
// stays shared; tuples, which are frozen, are made anew.

import { types } from 'node:util';
import { Tensor } from '../tensor/index.js';
import { isList, isTuple } from './pickle/values.js';

/** Calls `change` once for each tensor. */
export function mapTensors(object: unknown, change: (tensor: Tensor) => Tensor): unknown {
  const done = new Map<object, unknown>();
  const walk = (item: unknown): unknown => {
    if (typeof item !== 'object' || item === null) return item;
    if (done.has(item)) return done.get(item);
    if (isTuple(item) && !item.every((child) => typeof child !== 'object')) {
      const made: unknown[] = [];
      done.set(item, made);
      for (const child of item) made.push(walk(child));
      return Object.freeze(made);
    }
    const result = item instanceof Tensor ? change(item) : item;
    done.set(item, result);
    if (types.isMap(item)) for (const [key, child] of item) item.set(key, walk(child));
    else if (types.isSet(item)) {
      const items = [...item];
      item.clear();
      for (const child of items) item.add(walk(child));
    } else if (isList(item)) for (let i = 0; i < item.length; i++) item[i] = walk(item[i]);
    return result;
  };
  return walk(object);
}

export function tensorsIn(object: unknown): Set<Tensor> {
  const tensors = new Set<Tensor>();
  mapTensors(object, (tensor) => {
    tensors.add(tensor);
    return tensor;
  });
  return tensors;
}
