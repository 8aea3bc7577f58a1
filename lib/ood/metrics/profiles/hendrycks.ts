// The figures of `utils/display_results.py` in hendrycks/outlier-exposure, also used for energy-based detection and by many
// since. Unknown images are the positives. Its experiments take a fifth as many unknown images as known ones, ten times, and
// average; AUPR depends on that ratio, so the caller has to do the same.

import { rocCurve } from '../roc.js';
import { averagePrecision, countsOf, rocAuc } from './scikitLearn.js';

export interface HendrycksMetrics {
  /** At the recall nearest to 95 %, above or below; of equally near points the one with the lowest threshold. */
  readonly FPR95: number;
  readonly AUROC: number;
  /** Average precision. */
  readonly AUPR: number;
}

export function hendrycks(idScores: ArrayLike<number>, oodScores: ArrayLike<number>): HendrycksMetrics {
  const counts = countsOf(rocCurve(idScores, oodScores), 'ood');
  const { truePositives, falsePositives } = counts;
  const [positives, negatives] = [truePositives.at(-1)!, falsePositives.at(-1)!];
  let nearest = Number.POSITIVE_INFINITY;
  let wrong = 0;
  // From the first point that finds all of them back to the strictest threshold; the first of equally near ones stays.
  for (let i = truePositives.indexOf(positives); i >= 0; i--) {
    const distance = Math.abs(truePositives[i]! / positives - 0.95);
    if (distance < nearest) {
      nearest = distance;
      wrong = falsePositives[i]!;
    }
  }
  return { FPR95: wrong / negatives, AUROC: rocAuc(counts), AUPR: averagePrecision(counts) };
}
