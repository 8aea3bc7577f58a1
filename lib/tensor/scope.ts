// tidy(): frees on time. Every tensor made inside a scope ends with it, except those that are returned or kept, so a
// loop's memory is flat by construction and doesn't wait for the garbage collector.

import { types } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import { native } from '../native.js';
import { isPlainObject } from '../plainObject.js';
import { Tensor } from './tensor.js';

/** How many scopes are open in this thread. Tensors made inside one need no finalizer. */
export let depth = 0;

function collect(value: unknown, into: Tensor[], seen: Set<object>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Tensor) into.push(value);
  else if (types.isMap(value) || types.isSet(value) || Array.isArray(value))
    for (const item of value) collect(item, into, seen);
  else if (isPlainObject(value)) for (const item of Object.values(value)) collect(item, into, seen);
}

const none = new Float64Array();

/**
 * Runs `fn` and frees every tensor it made, except those in its result (a tensor, or tensors in arrays, plain objects,
 * Maps and Sets, nested as you like), those taken out with `keep()`, and parameters and buffers. Scopes nest; what a
 * scope returns belongs to the scope around it.
 *
 * @throws ERR_ARGUMENT if `fn` is async: its tensors would be freed before it ends.
 * @example
 * const norm = tidy(() => x.mul(x).sum().sqrt().item()); // three intermediates, gone
 */
export function tidy<T>(fn: () => T): T {
  if (typeof fn !== 'function') throw expected('a function', 'fn', fn);
  native.beginScope();
  depth++;
  const survivors: Tensor[] = [];
  let done = false;
  try {
    const result = fn();
    if (types.isPromise(result)) {
      result.catch(() => {}); // reported here, once
      throw new IsotorchError(
        'ERR_ARGUMENT',
        'tidy: expected a function that returns its result but received an async one. Await outside, or use dispose()',
      );
    }
    collect(result, survivors, new Set());
    done = true;
    return result;
  } finally {
    depth--;
    native.endScope(done && survivors.length > 0 ? Float64Array.from(survivors, (tensor) => tensor.handle) : none);
    if (depth === 0) for (const tensor of survivors) tensor.finalizeWithCollector();
  }
}

/** Live tensors of this thread and the bytes of all distinct storages that they reach (on any device). */
export function memory(): { tensors: number; bytes: number } {
  return native.memory();
}
