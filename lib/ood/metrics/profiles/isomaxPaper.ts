// The figures of the IsoMax papers as their `calculate_log.py` computes them (dlmacedo/entropic-out-of-distribution-detection,
// after Kibok Lee's code in pokaxpoka/deep_Mahalanobis_detector), known images as positives. It removes images one by one
// from the worst score up and, of equal scores, known ones first: pessimistic, down to an AUROC of 0 for constant scores.

import { sortedScores } from '../roc.js';
import { trapezoid } from './numpy.js';

export interface IsomaxPaperMetrics {
  /** TNR at the first cut whose TPR is nearest to 95 %, above or below. */
  readonly TNR: number;
  readonly AUROC: number;
  readonly DTACC: number;
  /** Trapezoids; the curve ends at precision 0. */
  readonly AUIN: number;
  readonly AUOUT: number;
}

export function isomaxPaper(idScores: ArrayLike<number>, oodScores: ArrayLike<number>): IsomaxPaperMetrics {
  const known = sortedScores(idScores, 'idScores');
  const novel = sortedScores(oodScores, 'oodScores');
  const [nKnown, nNovel] = [known.length, novel.length];
  // After each removal, how many are left, with a point of its own at both ends: (1, 1) and (0, 0) once more.
  const cuts = nKnown + nNovel + 1;
  const tpr = new Float64Array(cuts + 2);
  const tnr = new Float64Array(cuts + 2);
  const precisionIn = new Float64Array(cuts + 2);
  const precisionOut = new Float64Array(cuts + 2);
  let [k, n] = [0, 0]; // removed
  let dtacc = 0;
  let nearest = Number.POSITIVE_INFINITY;
  let tnrAtTpr95 = 0;
  for (let cut = 1; cut <= cuts; cut++) {
    const [tp, fp] = [nKnown - k, nNovel - n];
    const falseRate = fp / nNovel;
    tpr[cut] = tp / nKnown;
    tnr[cut] = 1 - falseRate;
    precisionIn[cut] = tp / (tp + fp);
    precisionOut[cut] = n / (k + n);
    dtacc = Math.max(dtacc, tpr[cut]! + 1 - falseRate);
    const distance = Math.abs(tpr[cut]! - 0.95);
    if (distance < nearest) {
      nearest = distance;
      tnrAtTpr95 = tnr[cut]!;
    }
    if (k < nKnown && (n === nNovel || !(novel[n]! < known[k]!))) k++;
    else n++;
  }
  tpr[0] = 1;
  tnr[cuts + 1] = 1;
  precisionIn[0] = 0.5;
  precisionOut[cuts + 1] = 0.5;
  // The cut that leaves nothing has no precision, nor has the one that removes nothing for the unknown images.
  const without = (values: Float64Array, cut: number): Float64Array => values.filter((_, i) => i !== cut);
  return {
    TNR: tnrAtTpr95,
    AUROC: 0 - trapezoid(tnr, tpr),
    DTACC: 0.5 * dtacc,
    AUIN: 0 - trapezoid(without(precisionIn, cuts), without(tpr, cuts)),
    AUOUT: trapezoid(without(precisionOut, 1), without(tnr, 1)),
  };
}
