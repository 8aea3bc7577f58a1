// The table of percentiles that goes with a threshold: where known images' scores lie, for whoever wants to move it.

import { expected } from '../../errors.js';
import { sortedScores } from '../metrics/roc.js';

/** The percentiles that DisMax keeps with a network (dlmacedo/distinction-maximization-loss, losses/dismax.py). */
export const PERCENTILES: readonly number[] = [
  ...[0, 0.1, 0.2, 0.3, 0.4, 0.5, 1, 2, 3, 4, 5, 10, 15],
  ...[20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100],
];

/**
 * Percentiles by linear interpolation between order statistics, NumPy's default, to its last bit.
 * @param percents from 0 to 100. @default PERCENTILES
 * @throws ERR_DATA for no scores, NaN or infinities; ERR_ARGUMENT
 * @example percentilesOf([4, 1, 3, 2], [25, 50]); // [1.75, 2.5]
 */
export function percentilesOf(scores: ArrayLike<number>, percents: readonly number[] = PERCENTILES): Float64Array {
  return percentilesOfSorted(sortedScores(scores, 'scores'), percents);
}

/** The same of scores in ascending order. */
export function percentilesOfSorted(sorted: Float64Array, percents: readonly number[] = PERCENTILES): Float64Array {
  return Float64Array.from(percents, (percent) => {
    if (!(percent >= 0 && percent <= 100)) throw expected('a number from 0 to 100', 'a percentile', percent);
    const place = (sorted.length - 1) * (percent / 100);
    const below = Math.floor(place);
    const t = place - below;
    const [a, b] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
  });
}
