// The exact ROC of a detector: every distinct score is a threshold, equal scores are one step, and all figures
// (metrics.ts) are read off this one curve. Known images (in-distribution, ID) are the positives and a larger score means
// "more known". Steps are counts, not rates, so nothing is rounded; two sorts and one merge, O(n log n), in typed arrays.

import { types } from 'node:util';
import { expected, IsotorchError } from '../../errors.js';
import { sorted } from './sort.js';

/**
 * Point i accepts as known every image whose score is at least `thresholds[i]`. Thresholds fall from +Infinity (nothing is
 * accepted) to the smallest score (everything is), so both counts rise from 0 to the sizes of the sets.
 */
export interface Roc {
  readonly thresholds: Float64Array;
  /** Known images accepted. */
  readonly idAccepted: Float64Array;
  /** Unknown images accepted, wrongly. */
  readonly oodAccepted: Float64Array;
  readonly nId: number;
  readonly nOod: number;
}

/** A curve for drawing, as fractions, from exactly (0, 0) to exactly (1, 1). */
export interface RocPoints {
  /** False positive rate: the share of unknown images that is accepted. */
  readonly fpr: readonly number[];
  /** True positive rate: the share of known images that is accepted. */
  readonly tpr: readonly number[];
}

/**
 * The ROC of two lists of scores.
 *
 * Images with equal scores can't be told apart by any threshold, so they make one step of the curve together; when such a
 * group holds both kinds, the step is oblique. Sorting order within a group therefore has no influence.
 *
 * @param idScores scores of known images, larger = more known; of length 1 or more
 * @param oodScores scores of unknown images
 * @throws ERR_ARGUMENT when a list is not array-like or holds something else than numbers; ERR_DATA when it is empty or
 *   holds NaN or an infinity (the message gives how many, and the index of the first)
 */
export function rocCurve(idScores: ArrayLike<number>, oodScores: ArrayLike<number>): Roc {
  const id = sortedScores(idScores, 'idScores');
  const ood = sortedScores(oodScores, 'oodScores');
  const most = id.length + ood.length + 1;
  const thresholds = new Float64Array(most);
  const idAccepted = new Float64Array(most);
  const oodAccepted = new Float64Array(most);
  thresholds[0] = Number.POSITIVE_INFINITY;
  let points = 1;
  let i = id.length - 1; // scores above these places have been accepted
  let j = ood.length - 1;
  while (i >= 0 || j >= 0) {
    const threshold = j < 0 || (i >= 0 && id[i]! > ood[j]!) ? id[i]! : ood[j]!;
    while (i >= 0 && id[i] === threshold) i--; // === takes -0 and 0 for equal, as a threshold does
    while (j >= 0 && ood[j] === threshold) j--;
    thresholds[points] = threshold;
    idAccepted[points] = id.length - 1 - i;
    oodAccepted[points] = ood.length - 1 - j;
    points++;
  }
  // Few points of a long buffer are copied, so that a curve that is kept doesn't hold what it doesn't use.
  const used = (values: Float64Array): Float64Array =>
    points < most / 2 ? values.slice(0, points) : values.subarray(0, points);
  return {
    thresholds: used(thresholds),
    idAccepted: used(idAccepted),
    oodAccepted: used(oodAccepted),
    nId: id.length,
    nOod: ood.length,
  };
}

/**
 * Few enough points of a ROC to draw it: no point that is left out lies farther than `resolution` (in |Δfpr| + |Δtpr|) from
 * one that is kept, both ends are exact, and long oblique steps (ties) keep both of their ends.
 *
 * @param resolution a fraction of the axis. @default 1/200, half a pixel on a plot of 100 pixels; at most about 800 points
 */
export function thinRoc(roc: Roc, resolution = 1 / 200): RocPoints {
  if (!(resolution > 0 && resolution <= 1)) throw expected('a fraction above 0 and up to 1', 'resolution', resolution);
  const last = roc.thresholds.length - 1;
  const fpr: number[] = [];
  const tpr: number[] = [];
  const along = (i: number): number => roc.idAccepted[i]! / roc.nId + roc.oodAccepted[i]! / roc.nOod; // never falls
  let kept = -1;
  const keep = (i: number): void => {
    if (i === kept) return;
    fpr.push(roc.oodAccepted[i]! / roc.nOod);
    tpr.push(roc.idAccepted[i]! / roc.nId);
    kept = i;
  };
  keep(0);
  for (let i = 1; i < last; i++) {
    if (along(i) - along(kept) < resolution) continue;
    if (along(i) - along(i - 1) >= resolution) keep(i - 1);
    keep(i);
  }
  if (last > 0 && along(last) - along(last - 1) >= resolution) keep(last - 1);
  keep(last);
  return { fpr, tpr };
}

/** A sorted copy, ascending, after the checks that `rocCurve` promises. */
export function sortedScores(scores: ArrayLike<number>, name: string): Float64Array {
  return sorted(checkedScores(scores, name));
}

/** The scores as doubles: the array itself where it is a Float64Array, else a copy. Throws as `rocCurve` does. */
export function checkedScores(scores: ArrayLike<number>, name: string): Float64Array {
  if (typeof scores !== 'object' || scores === null || !Number.isSafeInteger(scores.length))
    throw expected('an array or typed array of numbers', name, scores);
  const size = scores.length;
  if (size === 0)
    throw new IsotorchError(
      'ERR_DATA',
      `Expected at least one score in ${name} but it is empty: is the data set empty?`,
    );
  const values = types.isFloat64Array(scores) ? scores : new Float64Array(size);
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < size; i++) {
    const score = scores[i];
    if (typeof score !== 'number') throw expected('a number', `${name}[${i}]`, score);
    if (values !== scores) values[i] = score;
    if (Number.isFinite(score)) continue;
    if (wrong++ === 0) first = i;
  }
  if (wrong > 0)
    throw new IsotorchError(
      'ERR_DATA',
      `Expected finite scores in ${name} but ${wrong} of ${size} are not, the first at index ${first} (${scores[first]}). ` +
        'A network that diverged or an input with NaN pixels gives such scores; no metric is defined on them',
    );
  return values;
}
