// The figures of OpenOOD's `openood/evaluators/metrics.py` (Jingkang50/OpenOOD), of both definitions that its results were
// made with. Version 1.5 turned the positives of FPR@95 round, so its numbers can't be compared with those before. The AUPRs
// are trapezoids over scikit-learn's curves, not average precision.

import { checkedScores, rocCurve, sortedScores } from '../roc.js';
import { countsOf, precisionRecallAuc, rocAuc, rocRates } from './scikitLearn.js';

export interface OpenoodMetrics {
  readonly 'FPR@95': number;
  readonly AUROC: number;
  readonly AUPR_IN: number;
  readonly AUPR_OUT: number;
}

/**
 * Version 1.5, unknown images as positives: FPR@95 is the share of the known images that is flagged when 95 % of the unknown
 * ones are caught, at the first such point of scikit-learn's thinned ROC, which may lie beyond the exact one.
 */
export function openood15(idScores: ArrayLike<number>, oodScores: ArrayLike<number>): OpenoodMetrics {
  const roc = rocCurve(idScores, oodScores);
  const out = countsOf(roc, 'ood');
  const { fpr, tpr } = rocRates(out);
  return {
    'FPR@95': fpr[tpr.findIndex((rate) => rate >= 0.95)]!,
    AUROC: rocAuc(out),
    AUPR_IN: precisionRecallAuc(countsOf(roc, 'id')),
    AUPR_OUT: precisionRecallAuc(out),
  };
}

/**
 * Before 1.5, known images as positives: FPR@95 is the share of the unknown images that score above the ⌊0.95 nId⌋-th best
 * known one. AUPR_OUT ranks by 1 − score, whose rounding can make ties that the scores don't have.
 */
export function openood10(idScores: ArrayLike<number>, oodScores: ArrayLike<number>): OpenoodMetrics {
  const roc = rocCurve(idScores, oodScores);
  const known = countsOf(roc, 'id');
  const ranked = sortedScores(idScores, 'idScores');
  const kept = Math.floor(0.95 * ranked.length);
  const threshold = ranked[kept === 0 ? 0 : ranked.length - kept]!;
  const unknown = checkedScores(oodScores, 'oodScores');
  const turned = (scores: Float64Array): Float64Array => scores.map((score) => 1 - score);
  return {
    'FPR@95': unknown.filter((score) => score > threshold).length / unknown.length,
    AUROC: rocAuc(known),
    AUPR_IN: precisionRecallAuc(known),
    AUPR_OUT: precisionRecallAuc(countsOf(rocCurve(turned(unknown), turned(ranked)), 'id')),
  };
}
