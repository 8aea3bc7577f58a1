// The five figures of the IsoMax papers, read off an exact ROC (roc.ts). Their definitions are those of the authors'
// `calculate_log.py` (dlmacedo/entropic-out-of-distribution-detection, after Kibok Lee), which was written for scores
// without ties; where scores tie, each figure is what the definition means then. docs/metrics.md tells how these relate to
// the papers', scikit-learn's and OpenOOD's numbers.

import { checkedLevel, firstReaching } from './operatingPoint.js';
import { precisionRecall } from './precisionRecall.js';
import { type Roc, rocCurve } from './roc.js';

/** All but the sizes are fractions from 0 to 1; larger is better. Known images (ID) are the positives but in `auprOut`. */
export interface Metrics {
  /** Area under the ROC: how often a known image scores above an unknown one, a tie counting half. */
  readonly auroc: number;
  /** Share of the unknown images that are rejected by the threshold that keeps at least 95 % of the known ones. */
  readonly tnrAtTpr95: number;
  /** Detection accuracy: the best mean of TPR and TNR over all thresholds. */
  readonly dtacc: number;
  /** Area under precision and recall with known images as positives. Depends on the ratio nId : nOod. */
  readonly auprIn: number;
  /** The same with unknown images as positives. */
  readonly auprOut: number;
  readonly nId: number;
  readonly nOod: number;
}

/**
 * All five figures for the scores of known and unknown images; larger scores mean more known.
 *
 * A detector that gives every image the same score gets auroc 0.5, tnrAtTpr95 0, dtacc 0.5, auprIn nId / (nId + nOod) and
 * auprOut nOod / (nId + nOod). Only the order of scores matters, so any increasing function of them gives the same figures.
 *
 * @throws ERR_DATA when a list is empty or holds NaN or an infinity; ERR_ARGUMENT when it is no list of numbers
 * @example
 * measure([3, 2, 2, 1], [2, 0]).auroc; // 0.75: of 8 pairs 5 are right and 2 are ties
 */
export function measure(idScores: ArrayLike<number>, oodScores: ArrayLike<number>): Metrics {
  return metricsOf(rocCurve(idScores, oodScores));
}

/** The figures of `measure` from a curve that is there already. */
export function metricsOf(roc: Roc): Metrics {
  return {
    auroc: auroc(roc),
    tnrAtTpr95: tnrAtTpr(roc, 0.95),
    dtacc: dtacc(roc),
    auprIn: auprIn(roc),
    auprOut: auprOut(roc),
    nId: roc.nId,
    nOod: roc.nOod,
  };
}

/**
 * Area under the ROC by trapezoids: the Mann–Whitney statistic, P(ID > OOD) + ½ P(ID = OOD). Counts are summed, so the
 * result is the exact fraction, rounded once, up to 2^53 pairs.
 */
export function auroc({ idAccepted, oodAccepted, nId, nOod }: Roc): number {
  let twice = 0;
  for (let i = 1; i < idAccepted.length; i++)
    twice += (oodAccepted[i]! - oodAccepted[i - 1]!) * (idAccepted[i]! + idAccepted[i - 1]!);
  return twice / 2 / (nId * nOod);
}

/**
 * The largest TNR among the thresholds whose TPR is at least `level`. A threshold lies between distinct scores, since no
 * deployed detector can cut through a group of equal ones; hence the TPR may be above `level`, by the size of a tie group,
 * and is never below. Nothing is interpolated.
 *
 * The papers' code takes, of all cuts, the first whose TPR is nearest to `level` as scores are removed in ascending order.
 * Without ties and with `level · nId` whole it keeps the same known images; it differs by the unknown images that score
 * between the last known image rejected and the first one kept, which it counts as accepted and we as rejected.
 *
 * @param level above 0, up to 1
 */
export function tnrAtTpr(roc: Roc, level: number): number {
  return 1 - roc.oodAccepted[operatingPoint(roc, level)]! / roc.nOod;
}

/** The score from which images are accepted when at least `level` of the known ones shall be: the point of `tnrAtTpr`. */
export function thresholdAtTpr(roc: Roc, level: number): number {
  return roc.thresholds[operatingPoint(roc, level)]!;
}

function operatingPoint({ idAccepted, nId }: Roc, level: number): number {
  // TPR and FPR both grow along the curve, so the first point that reaches the level has the largest TNR.
  return firstReaching(checkedLevel(level), idAccepted.length, (i) => idAccepted[i]! / nId);
}

/** max over thresholds of ½ (TPR + TNR), accepting all and accepting none included: never below ½. */
export function dtacc({ idAccepted, oodAccepted, nId, nOod }: Roc): number {
  let best = 0.5;
  for (let i = 0; i < idAccepted.length; i++)
    best = Math.max(best, 0.5 * (idAccepted[i]! / nId + 1 - oodAccepted[i]! / nOod));
  return best;
}

/**
 * Area under precision against recall by trapezoids, known images as positives.
 *
 * Precision has no value where nothing is accepted, so the curve starts at recall 0 with the precision of its first point:
 * what a group of equal best scores has on average however it is cut. The papers' code starts at precision 0, which takes
 * 1 / (2 nId) from a perfect detector; scikit-learn starts at precision 1, which is the same as ours unless the best score
 * is shared by both kinds. This is not average precision (a step sum): `averagePrecisionIn` is.
 */
export function auprIn(roc: Roc): number {
  return precisionRecall(roc, 'id').trapezoid;
}

/** `auprIn` with the roles exchanged: unknown images are the positives, and low scores find them. */
export function auprOut(roc: Roc): number {
  return precisionRecall(roc, 'ood').trapezoid;
}
