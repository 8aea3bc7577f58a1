// How good a classifier is on known images, and whether it means the probabilities that it gives. The calibration error is
// the one of the DisMax paper's code (dlmacedo/distinction-maximization-loss; Guo et al., "On Calibration of Modern Neural
// Networks", 2017, arXiv:1706.04599). Each takes what `predictions` gives.

import { expected } from '../../errors.js';
import { type ClassifierOutput, type Numbers, type Predictions, predictions } from './predictions.js';

export interface ClassifierMetrics {
  readonly accuracy: number;
  readonly ece: number;
  readonly nll: number;
  readonly brier: number;
  /** How many images they are means of. */
  readonly n: number;
}

/**
 * All four figures of a classifier's logits or probabilities.
 * @throws as `predictions`
 * @example
 * measureClassifier({ probabilities: [0.8, 0.2, 0.4, 0.6] }, [0, 0]);
 * // { accuracy: 0.5, ece: 0.4, nll: 0.5697…, brier: 0.4, n: 2 }
 */
export function measureClassifier(output: ClassifierOutput, labels: Numbers): ClassifierMetrics {
  const predicted = predictions(output, labels);
  return {
    accuracy: accuracy(predicted),
    ece: ece(predicted),
    nll: nll(predicted),
    brier: brier(predicted),
    n: predicted.n,
  };
}

/** Share of the images whose largest probability is their label's; of equal largest ones the first counts. */
export function accuracy({ correct, n }: Predictions): number {
  return correct.reduce((sum, one) => sum + one, 0) / n;
}

/**
 * Expected calibration error: Σ_b n_b / n · |accuracy_b − confidence_b| over equal bins (lo, hi] of the confidence (largest
 * probability). 0 is calibrated; the value depends on the bins, so compare only equal numbers of them.
 *
 * @param bins @default 15
 * @throws ERR_ARGUMENT unless bins is a positive integer
 */
export function ece({ confidence, correct, n }: Predictions, bins = 15): number {
  if (!Number.isSafeInteger(bins) || bins < 1) throw expected('a positive integer', 'bins', bins);
  const gaps = new Float64Array(bins);
  addGaps(gaps, confidence, correct);
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / n;
}

/** Adds Σ correct − Σ confidence of each equal bin (lo, hi], with edges b / bins, to `gaps`, one number a bin. */
export function addGaps(gaps: Float64Array, confidence: ArrayLike<number>, correct: ArrayLike<number>): void {
  const bins = gaps.length;
  for (let i = 0; i < confidence.length; i++) {
    let bin = Math.min(Math.ceil(confidence[i]! * bins), bins) - 1;
    // The product may round across an edge. Rows may add up to a little over 1: the last bin's.
    if (confidence[i]! <= bin / bins) bin--;
    else if (bin + 1 < bins && confidence[i]! > (bin + 1) / bins) bin++;
    gaps[bin]! += correct[i]! - confidence[i]!;
  }
}

/** Negative log-likelihood: mean of −ln p(label), in nats. Infinite where a true class was given probability 0. */
export function nll({ logLikelihood, n }: Predictions): number {
  return -logLikelihood.reduce((sum, one) => sum + one, 0) / n;
}

/** Brier score: mean over images of Σ_c (p_c − [c = label])², from 0 to 2 (not divided by the number of classes). */
export function brier({ probabilities, labels, n, classes }: Predictions): number {
  let sum = 0;
  for (let row = 0; row < n; row++)
    for (let c = 0; c < classes; c++) sum += (probabilities[row * classes + c]! - (labels[row] === c ? 1 : 0)) ** 2;
  return sum / n;
}
