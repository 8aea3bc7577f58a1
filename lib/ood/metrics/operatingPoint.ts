// Where along a curve a rate first reaches a level: the one search behind every "X at Y % TPR".

import { expected } from '../../errors.js';

/** @throws ERR_ARGUMENT unless it is a fraction above 0 and up to 1 */
export function checkedLevel(level: number): number {
  if (!(level > 0 && level <= 1)) throw expected('a fraction above 0 and up to 1', 'level', level);
  return level;
}

/** The first of `points` places whose rate is at least `level`, by bisection: rates never fall, and the last is 1. */
export function firstReaching(level: number, points: number, rate: (point: number) => number): number {
  let low = 0;
  let high = points - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rate(middle) >= level) high = middle;
    else low = middle + 1;
  }
  return low;
}
