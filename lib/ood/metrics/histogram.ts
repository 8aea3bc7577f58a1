// Histograms of scores for drawing: one set of equal bins shared by known and unknown images, so that their shapes can be
// compared. A handful of outliers must not squeeze everything else into one bin, so the bins span each set's middle 99.8 %
// and the outermost ones also hold what lies beyond. Counts are exact; only where the bins lie is chosen.

import { expected } from '../../errors.js';
import { sortedScores } from './roc.js';

/** Share of each set that may lie beyond either end of the bins, and is counted in the end bins. */
const TAIL = 0.001;

/**
 * Ends of `bins` equal bins that span the given sets of scores, ascending; `bins + 1` numbers.
 * @param bins from 1 to 10,000. @default 60
 * @throws ERR_DATA for an empty set, NaN or infinities; ERR_ARGUMENT
 */
export function sharedEdges(sets: readonly ArrayLike<number>[], bins = 60): Float64Array {
  if (!Number.isInteger(bins) || bins < 1 || bins > 10_000) throw expected('an integer from 1 to 10000', 'bins', bins);
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  sets.forEach((scores, index) => {
    const sorted = sortedScores(scores, `sets[${index}]`);
    const skipped = Math.floor(sorted.length * TAIL);
    low = Math.min(low, sorted[skipped]!);
    high = Math.max(high, sorted[sorted.length - 1 - skipped]!);
  });
  if (low > high) throw expected('at least one set of scores', 'sets', sets);
  // Scores that are all equal still need bins of some width around them; a relative one, or large scores would swallow it.
  const margin = low === high ? Math.max(Math.abs(low), 1) * 1e-3 : 0;
  const from = low - margin;
  const to = high + margin;
  // Weighted ends instead of from + i·width: exact at both ends, and to − from can't overflow.
  return Float64Array.from({ length: bins + 1 }, (_, i) => from * (1 - i / bins) + to * (i / bins));
}

/**
 * How many scores fall into each bin [edge i, edge i + 1). Scores at the last edge or beyond either end count in the end
 * bins, so the counts add up to the number of scores.
 * @throws ERR_ARGUMENT unless there are two edges or more
 */
export function histogram(scores: ArrayLike<number>, edges: Float64Array): Float64Array {
  if (edges.length < 2) throw expected('two edges or more', 'edges', edges);
  const counts = new Float64Array(edges.length - 1);
  for (let i = 0; i < scores.length; i++) {
    let low = 0; // the largest bin whose lower edge is not above the score
    let high = counts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (edges[middle]! <= scores[i]!) low = middle;
      else high = middle - 1;
    }
    counts[low]!++;
  }
  return counts;
}
