// The figures of ODIN's own evaluation (Liang et al., "Enhancing the Reliability of Out-of-distribution Image Detection in
// Neural Networks", 2018, arXiv:1706.02690; facebookresearch/odin), known images as positives: sums over 100,000 equally
// spaced thresholds instead of the scores themselves. Where scores crowd between two thresholds it doesn't tell them apart,
// so the range matters: the authors set it by hand for each network and temperature, such as 0.1 to 0.12.

import { expected, IsotorchError } from '../../../errors.js';
import { sortedScores } from '../roc.js';

export interface OdinOriginalOptions {
  /** First threshold. @default the lowest score of either set */
  readonly from?: number;
  /** End of the thresholds, beyond the last one. @default the highest score of either set */
  readonly to?: number;
}

export interface OdinOriginalMetrics {
  /** Mean FPR of the thresholds whose TPR is from 94.95 to 95.05 %; NaN when there is none, as with fewer than 1,000 images. */
  readonly 'FPR at TPR 95%': number;
  /** Least ½ (FNR + FPR). */
  readonly 'Detection error': number;
  readonly AUROC: number;
  readonly 'AUPR In': number;
  readonly 'AUPR Out': number;
}

const THRESHOLDS = 100_000;

/** @throws ERR_ARGUMENT for a range that is none; ERR_DATA when all scores are equal and no range is given */
export function odinOriginal(
  idScores: ArrayLike<number>,
  oodScores: ArrayLike<number>,
  options: OdinOriginalOptions = {},
): OdinOriginalMetrics {
  const known = sortedScores(idScores, 'idScores');
  const unknown = sortedScores(oodScores, 'oodScores');
  const { from = Math.min(known[0]!, unknown[0]!), to = Math.max(known.at(-1)!, unknown.at(-1)!) } = options;
  if (!Number.isFinite(from) || !Number.isFinite(to)) throw expected('finite numbers', 'from and to', options);
  const gap = (to - from) / THRESHOLDS;
  if (from === to && options.from === undefined && options.to === undefined)
    throw new IsotorchError(
      'ERR_DATA',
      `odin-original has no thresholds for scores that all are ${from}: give from and to`,
    );
  if (!(gap > 0)) throw expected('a range with from below to', 'from and to', options);
  return {
    ...upwards(known, unknown, arange(from, to, gap)),
    'AUPR Out': auprOut(known, unknown, arange(to, from, -gap)),
  };
}

/** What the sums over ascending thresholds give. */
function upwards(known: Float64Array, unknown: Float64Array, thresholds: Float64Array) {
  const below = counter(known);
  const unknownBelow = counter(unknown);
  const unknownUpTo = counter(unknown, true);
  const window = { sum: 0, count: 0 };
  let error = 1;
  let auroc = 0;
  let auprIn = 0;
  let [tpr, fpr, lastFpr] = [0, 0, 1];
  let [precision, recall, lastRecall] = [Number.NaN, Number.NaN, 1];
  for (const threshold of thresholds) {
    const rejected = below(threshold);
    tpr = (known.length - rejected) / known.length;
    fpr = (unknown.length - unknownBelow(threshold)) / unknown.length;
    const strictFpr = (unknown.length - unknownUpTo(threshold)) / unknown.length; // it counts > here and >= there
    if (tpr <= 0.9505 && tpr >= 0.9495) {
      window.sum += strictFpr;
      window.count++;
    }
    error = Math.min(error, (rejected / known.length + strictFpr) / 2);
    auroc += (lastFpr - fpr) * tpr;
    lastFpr = fpr;
    if (tpr + fpr === 0) continue;
    precision = tpr / (tpr + fpr); // of rates, not of counts
    recall = tpr;
    auprIn += (lastRecall - recall) * precision;
    lastRecall = recall;
  }
  return {
    'FPR at TPR 95%': window.sum / window.count,
    'Detection error': error,
    AUROC: auroc + fpr * tpr,
    'AUPR In': auprIn + recall * precision,
  };
}

function auprOut(known: Float64Array, unknown: Float64Array, descending: Float64Array): number {
  const knownBelow = counter(known, false, known.length);
  const unknownBelow = counter(unknown, false, unknown.length);
  let area = 0;
  let [precision, recall, lastRecall] = [Number.NaN, Number.NaN, 1];
  for (const threshold of descending) {
    const wrong = knownBelow(threshold) / known.length;
    const right = unknownBelow(threshold) / unknown.length;
    if (right + wrong === 0) break;
    precision = right / (right + wrong);
    recall = right;
    area += (lastRecall - recall) * precision;
    lastRecall = recall;
  }
  return area + recall * precision;
}

/** Counts the scores below (or up to) thresholds that come in order: it goes on from where the last one was. */
function counter(sorted: Float64Array, equalToo = false, start = 0): (threshold: number) => number {
  let count = start;
  const isBelow = (score: number, threshold: number): boolean => score < threshold || (equalToo && score === threshold);
  return (threshold) => {
    while (count < sorted.length && isBelow(sorted[count]!, threshold)) count++;
    while (count > 0 && !isBelow(sorted[count - 1]!, threshold)) count--;
    return count;
  };
}

/** `numpy.arange`: multiples of the rounded difference of its first two values. */
function arange(start: number, stop: number, step: number): Float64Array {
  const difference = start + step - start;
  return Float64Array.from({ length: Math.ceil((stop - start) / step) }, (_, i) => start + i * difference);
}
