// Every figure that two lists of scores have, from one exact ROC: two sorts, one merge, a few linear passes.

import { autc } from './autc.js';
import { fprAtTprId, fprAtTprOod } from './fprAtTpr.js';
import { auroc, dtacc, type Metrics, tnrAtTpr } from './metrics.js';
import { precisionRecall } from './precisionRecall.js';
import { type Roc, rocCurve } from './roc.js';

/** The papers' five figures (larger is better) and the others in use, each named for what it counts. */
export interface AllMetrics extends Metrics {
  /** Average precision with known images as positives; larger is better. */
  readonly averagePrecisionIn: number;
  /** The same with unknown images as positives. */
  readonly averagePrecisionOut: number;
  /** Share of the unknown images accepted when at least 95 % of the known ones are; smaller is better. */
  readonly fprAtTprId95: number;
  /** Share of the known images rejected when at least 95 % of the unknown ones are; smaller is better. */
  readonly fprAtTprOod95: number;
  /** Area under the threshold curve; smaller is better. */
  readonly autc: number;
}

/**
 * All figures for the scores of known and unknown images; larger scores mean more known.
 *
 * @throws ERR_DATA when a list is empty or holds NaN or an infinity (with its index); ERR_ARGUMENT when it is no list of numbers
 * @example
 * measureAll([3, 2, 2, 1], [2, 0]).averagePrecisionIn; // 0.825
 */
export function measureAll(idScores: ArrayLike<number>, oodScores: ArrayLike<number>): AllMetrics {
  return allMetricsOf(rocCurve(idScores, oodScores));
}

/** The figures of `measureAll` from a curve that is there already. */
export function allMetricsOf(roc: Roc): AllMetrics {
  const known = precisionRecall(roc, 'id');
  const unknown = precisionRecall(roc, 'ood');
  return {
    auroc: auroc(roc),
    tnrAtTpr95: tnrAtTpr(roc, 0.95),
    dtacc: dtacc(roc),
    auprIn: known.trapezoid,
    auprOut: unknown.trapezoid,
    averagePrecisionIn: known.step,
    averagePrecisionOut: unknown.step,
    fprAtTprId95: fprAtTprId(roc, 0.95),
    fprAtTprOod95: fprAtTprOod(roc, 0.95),
    autc: autc(roc),
    nId: roc.nId,
    nOod: roc.nOod,
  };
}
