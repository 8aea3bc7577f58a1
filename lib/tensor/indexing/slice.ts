// What can stand between Python's brackets, as JavaScript values.

import { expected } from '../../errors.js';
import type { Tensor } from '../tensor.js';

type Bound = number | bigint | null;

/** A range of a dimension, as Python's `start:stop:step`; made by `slice`. */
export class Slice {
  constructor(
    readonly start: Bound,
    readonly stop: Bound,
    /** At least 1. */
    readonly step: number | bigint,
  ) {}
}

/**
 * Every `step`-th index from `start` up to before `stop`, as `start:stop:step` in Python: negative ones count from the end, null
 * and what is left out mean the whole. `slice(1)` is `1:`.
 * @throws ERR_ARGUMENT for bounds that are no integers and steps below 1.
 */
export function slice(start: Bound = null, stop: Bound = null, step: Bound = null): Slice {
  for (const [name, bound] of Object.entries({ start, stop, step })) {
    if (bound !== null && typeof bound !== 'bigint' && !Number.isInteger(bound))
      throw expected('an integer or null', name, bound);
  }
  if (step !== null && step <= 0) throw expected('an integer of at least 1', 'step', step);
  return new Slice(start, stop, step ?? 1);
}

type BoundText = number | '';
/** A slice as Python writes it: `':'`, `'1:'`, `'-3:-1'`, `'::2'`. */
export type SliceText = `${BoundText}:${BoundText}` | `${BoundText}:${BoundText}:${BoundText}`;

type Nested<T> = readonly (T | Nested<T>)[];

/**
 * One index of `x.at(…)`: an integer, a slice, `'...'` for the dimensions that nothing else names, null for a new dimension of
 * size 1, a tensor of integers or booleans, or such a tensor as nested arrays.
 */
export type Index =
  | number
  | bigint
  | boolean
  | null
  | Slice
  | SliceText
  | '...'
  | Tensor
  | Nested<number | bigint>
  | Nested<boolean>;

const pattern = /^\s*([+-]?\d+)?\s*:\s*([+-]?\d+)?\s*(?::\s*([+-]?\d+)?\s*)?$/;

/** @throws ERR_ARGUMENT for a text that is no slice. */
export function parseSlice(text: string): Slice {
  const match = pattern.exec(text);
  if (!match) throw expected("a slice such as '1:5:2', or '...'", 'index', text);
  const [start = null, stop = null, step = null] = match.slice(1).map((part) => (part ? Number(part) : null));
  return slice(start, stop, step);
}
