// Open-set classification rate (Dhamija et al., "Reducing Network Agnostophobia", 2018, arXiv:1811.04110): known images
// count only when they are accepted and classified rightly, so one figure judges detector and classifier together.

import { expected, IsotorchError } from '../../errors.js';
import { auroc } from './metrics.js';
import { checkedScores, rocCurve } from './roc.js';

/**
 * Area under CCR against FPR over all thresholds: CCR the share of the known images that are accepted and classified
 * rightly, FPR the share of the unknown ones that are accepted. Equal scores are one step, taken by trapezoids, so it is
 * accuracy · AUROC of the rightly classified images against the unknown ones; at most the accuracy.
 *
 * @param correct for each known image whether it is classified rightly: 1 or true, 0 or false; `predictions(…).correct`
 * @throws ERR_DATA as `measure`; ERR_SHAPE when there isn't one `correct` a known score; ERR_ARGUMENT
 * @example
 * oscr([3, 2, 1], [1, 1, 0], [2, 0]); // 0.5833…: of 3 · 2 pairs 3 are right and 1 is a tie
 */
export function oscr(
  idScores: ArrayLike<number>,
  correct: ArrayLike<number | boolean>,
  oodScores: ArrayLike<number>,
): number {
  const scores = checkedScores(idScores, 'idScores');
  if (correct?.length !== scores.length)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected one value of correct for each of the ${scores.length} known scores but received ${correct?.length}`,
    );
  const right = scores.filter((_, i) => {
    const value = Number(correct[i]);
    if (value !== 0 && value !== 1) throw expected('0 or 1', `correct[${i}]`, correct[i]);
    return value === 1;
  });
  if (right.length === 0) {
    checkedScores(oodScores, 'oodScores');
    return 0;
  }
  return auroc(rocCurve(right, oodScores)) * (right.length / scores.length);
}
