// Arrays in bounded pieces: fits and scores go through any number of rows with the memory of one chunk, and give the event
// loop a turn after each.

import { setImmediate as turn } from 'node:timers/promises';
import { tidy } from '../../tensor/index.js';
import { type Arrays, narrowed, rowsOf } from './arrays.js';

/** Rows at a time, which bounds the float64 intermediates. */
export const CHUNK = 8192;

/**
 * One data set, or its parts. An iterable is walked anew for each pass that a fit makes, so it must start over each time, as
 * an array does and a generator object does not.
 */
export type TrainingArrays = Arrays | Iterable<Arrays>;

/**
 * Calls `use` with views of at most `rows` rows, in order, each in a scope of its own: what `use` makes is freed unless kept.
 * @returns how many rows there were
 */
export async function forChunks(
  arrays: TrainingArrays,
  use: (chunk: Arrays, start: number) => void,
  rows = CHUNK,
): Promise<number> {
  let seen = 0;
  for (const part of Symbol.iterator in arrays ? arrays : [arrays]) {
    const count = rowsOf(part);
    for (let start = 0; start < count; start += rows) {
      tidy(() => {
        use(narrowed(part, start, Math.min(rows, count - start)), seen);
      });
      seen += Math.min(rows, count - start);
      await turn();
    }
  }
  return seen;
}
