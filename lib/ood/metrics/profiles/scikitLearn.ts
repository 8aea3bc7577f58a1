// The curves of scikit-learn that several peers' numbers are made of, point for point: `roc_curve` with its default of
// dropping points between equal steps, `precision_recall_curve`, and the areas that it takes of them.

import type { Roc } from '../roc.js';
import { sum, trapezoid } from './numpy.js';

/** Cumulative counts after each distinct score, from the one most like the positives down. */
export interface Counts {
  readonly truePositives: Float64Array;
  readonly falsePositives: Float64Array;
}

/** The counts of a curve with either kind of image as positives. */
export function countsOf({ idAccepted, oodAccepted, nId, nOod }: Roc, positives: 'id' | 'ood'): Counts {
  if (positives === 'id') return { truePositives: idAccepted.subarray(1), falsePositives: oodAccepted.subarray(1) };
  const rejected = (accepted: Float64Array, size: number): Float64Array =>
    accepted
      .slice(0, -1)
      .reverse()
      .map((count) => size - count);
  return { truePositives: rejected(oodAccepted, nOod), falsePositives: rejected(idAccepted, nId) };
}

/**
 * `roc_curve`: between its ends a point stays only if the step of either count changes there. So a point read off it may
 * lie beyond the exact one.
 */
export function rocRates({ truePositives, falsePositives }: Counts): { fpr: Float64Array; tpr: Float64Array } {
  const last = truePositives.length - 1;
  const fpr = new Float64Array(last + 2);
  const tpr = new Float64Array(last + 2);
  const bent = (counts: Float64Array, i: number): boolean =>
    counts[i + 1]! - counts[i]! !== counts[i]! - counts[i - 1]!;
  let points = 1; // the first is (0, 0)
  for (let i = 0; i <= last; i++) {
    if (i > 0 && i < last && !bent(falsePositives, i) && !bent(truePositives, i)) continue;
    fpr[points] = falsePositives[i]! / falsePositives[last]!;
    tpr[points] = truePositives[i]! / truePositives[last]!;
    points++;
  }
  return { fpr: fpr.subarray(0, points), tpr: tpr.subarray(0, points) };
}

/** `roc_auc_score`. */
export function rocAuc(counts: Counts): number {
  const { fpr, tpr } = rocRates(counts);
  return trapezoid(tpr, fpr);
}

/** `precision_recall_curve`: recall falls to 0, where precision is 1 by definition. */
function precisionRecallCurve({ truePositives, falsePositives }: Counts) {
  const points = truePositives.length;
  const precision = new Float64Array(points + 1);
  const recall = new Float64Array(points + 1);
  precision[points] = 1;
  for (let i = 0; i < points; i++) {
    const from = points - 1 - i;
    precision[i] = truePositives[from]! / (truePositives[from]! + falsePositives[from]!);
    recall[i] = truePositives[from]! / truePositives[points - 1]!;
  }
  return { precision, recall };
}

/** `auc(recall, precision)`. */
export function precisionRecallAuc(counts: Counts): number {
  const { precision, recall } = precisionRecallCurve(counts);
  return -trapezoid(precision, recall);
}

/** `average_precision_score`. */
export function averagePrecision(counts: Counts): number {
  const { precision, recall } = precisionRecallCurve(counts);
  const steps = precision.subarray(0, -1).map((value, i) => (recall[i + 1]! - recall[i]!) * value);
  return Math.max(0, -sum(steps));
}
