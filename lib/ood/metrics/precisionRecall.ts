// Precision against recall, with either kind of image as positives, and the two areas under it that are in use: average
// precision, a step sum, and the area by trapezoids (AUPR of the IsoMax papers and OpenOOD). They differ where precision
// changes within a step, most with few positives or large groups of equal scores, so each has its own name. Both depend on
// the ratio of the sizes: compare them between equal ratios only.

import type { Roc } from './roc.js';

/**
 * Average precision with known images as positives: Σ (Rᵢ − Rᵢ₋₁) Pᵢ over thresholds from the best score down, R the recall
 * and P the precision of accepting all images that score at least the threshold. Nothing is interpolated: scikit-learn's
 * `average_precision_score`.
 *
 * @returns a fraction; nId / (nId + nOod) when all scores are equal
 * @example
 * averagePrecisionIn(rocCurve([3, 2, 2, 1], [2, 0])); // 0.825 = ¼ · 1 + ½ · ¾ + ¼ · ⅘
 */
export function averagePrecisionIn(roc: Roc): number {
  return precisionRecall(roc, 'id').step;
}

/**
 * Average precision with unknown images as positives, found by low scores: `average_precision_score` of the negated scores.
 * What the code of Outlier Exposure and energy-based detection calls AUPR.
 *
 * @returns a fraction; nOod / (nId + nOod) when all scores are equal
 */
export function averagePrecisionOut(roc: Roc): number {
  return precisionRecall(roc, 'ood').step;
}

/**
 * Both areas at once. The curve by trapezoids starts at recall 0 with the precision of its first point, since precision has
 * no value where nothing is accepted.
 */
export function precisionRecall(roc: Roc, positives: 'id' | 'ood'): { trapezoid: number; step: number } {
  const { idAccepted, oodAccepted, nId, nOod } = roc;
  const last = idAccepted.length - 1;
  const known = positives === 'id';
  let trapezoid = 0;
  let step = 0;
  let recall = 0;
  let precision = Number.NaN;
  for (let i = 1; i <= last; i++) {
    // Unknown images are found from the worst score up: what the point at the other end has not accepted yet.
    const right = known ? idAccepted[i]! : nOod - oodAccepted[last - i]!;
    const wrong = known ? oodAccepted[i]! : nId - idAccepted[last - i]!;
    const nextRecall = right / (known ? nId : nOod);
    const nextPrecision = right / (right + wrong);
    if (i === 1) precision = nextPrecision;
    trapezoid += ((nextRecall - recall) * (nextPrecision + precision)) / 2;
    step += (nextRecall - recall) * nextPrecision;
    recall = nextRecall;
    precision = nextPrecision;
  }
  return { trapezoid: Math.min(trapezoid, 1), step: Math.min(step, 1) }; // sums of rounded terms may end an ulp above
}
