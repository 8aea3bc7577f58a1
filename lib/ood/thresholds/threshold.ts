// A decision threshold from the scores of known images: the answer to "from which score do I accept?". Nothing is assumed
// of how scores are distributed. Order statistics and the binomial say how far the threshold may be off, and how many of
// tomorrow's known images it will accept; both depend on how many scores there were, so n stands beside.

import { expected, IsotorchError } from '../../errors.js';
import { sortedScores } from '../metrics/roc.js';
import { betaQuantile, incompleteBeta } from './beta.js';
import { percentilesOfSorted } from './scorePercentiles.js';

export interface Interval {
  readonly lower: number;
  readonly upper: number;
}

export interface Threshold {
  /** Accept an image whose score is at least this. It is one of the scores that it was fitted on. */
  readonly value: number;
  /** The share of known images that shall be accepted. */
  readonly accept: number;
  /** Of both intervals. */
  readonly confidence: number;
  /** How many scores it was fitted on. */
  readonly n: number;
  /**
   * Where the score that exactly `accept` of all known images reach may lie; an end is infinite where n is too small to
   * bound it.
   */
  readonly interval: Interval;
  /** The share of the fitting scores that `value` accepts: `accept` or more, by ties or because shares of n are steps. */
  readonly achieved: number;
  /** The share of all known images that `value` accepts. */
  readonly acceptance: Interval;
  /** The scores at `PERCENTILES`. */
  readonly percentiles: Float64Array;
  /** What a reader should know before relying on it; null for nothing. */
  readonly warning: string | null;
}

export interface ThresholdOptions {
  /** The share of known images to accept, above 0 and below 1. @default 0.95 */
  accept?: number;
  /** How sure the intervals are, above 0 and below 1. @default 0.95 */
  confidence?: number;
}

/**
 * The largest threshold that accepts at least `accept` of the scores, with its uncertainty.
 *
 * With m = ⌈accept · n⌉ it is the m-th largest score. Equal scores are accepted together, so `achieved` may be larger.
 * - `interval`: order statistics x₍l₎ and x₍u₎ with P(Bin(n, 1 − accept) < l) ≤ α/2 and P(Bin(n, 1 − accept) ≥ u) ≤ α/2,
 *   α = 1 − confidence (Thompson 1936; David & Nagaraja, *Order Statistics*, §7.1).
 * - `acceptance`: Clopper and Pearson's interval for m accepted out of n (1934), its upper end for as many as ties make
 *   it. Without ties the share that the m-th largest score of n accepts is distributed as Beta(m, n − m + 1), whatever the
 *   scores' distribution, so the lower end is exact; with ties it errs on the safe side.
 *
 * @param scores of known images that the network was not trained on, larger = more known
 * @throws ERR_DATA for scores that are not finite, or fewer than 1 / (1 − accept) of them (20 for 0.95): then no score
 *   could be rejected; ERR_ARGUMENT
 * @example
 * const { value, acceptance } = ood.fitThresholdFromScores(scores, { accept: 0.95 });
 * // Of 1,000 scores: { lower: 0.9346, upper: 0.9627 }; so many of tomorrow's known images have a score >= value.
 */
export function fitThresholdFromScores(
  scores: ArrayLike<number>,
  { accept = 0.95, confidence = 0.95 }: ThresholdOptions = {},
): Threshold {
  for (const [name, value] of Object.entries({ accept, confidence }))
    if (typeof value !== 'number' || !(value > 0 && value < 1))
      throw expected('a fraction above 0 and below 1', name, value);
  const sorted = sortedScores(scores, 'scores');
  const n = sorted.length;
  const m = leastAccepted(n, accept);
  if (m === n || n * accept < 1)
    throw new IsotorchError(
      'ERR_DATA',
      `Expected at least ${scarce(accept)} scores to find a threshold that accepts ${percent(accept)} of known images ` +
        `but received ${n}: give more images, or accept ${m === n ? 'fewer' : 'more'} of them`,
    );
  const value = sorted[n - m]!;
  const accepted = n - firstAtLeast(sorted, value);
  const tail = (1 - confidence) / 2;
  const interval = quantileInterval(sorted, accept, tail);
  const acceptance = {
    lower: betaQuantile(m, n - m + 1, tail),
    upper: accepted === n ? 1 : betaQuantile(accepted + 1, n - accepted, 1 - tail),
  };
  return {
    ...{ value, accept, confidence, n, interval, achieved: accepted / n, acceptance },
    percentiles: percentilesOfSorted(sorted),
    warning: warningFor({ n, accept, confidence, interval, accepted, sorted }),
  };
}

/** The least m with m / n ≥ accept, by the division that `achieved` is made with. */
function leastAccepted(n: number, accept: number): number {
  let m = Math.ceil(n * accept); // off by one where the product rounds
  while (m > 1 && (m - 1) / n >= accept) m--;
  while (m / n < accept) m++;
  return m;
}

/** The least n with which `accept` of n scores can be told from all, and from none. */
function scarce(accept: number): number {
  let n = Math.max(2, Math.floor(1 / Math.min(accept, 1 - accept)) - 1);
  while (leastAccepted(n, accept) === n || n * accept < 1) n++;
  return n;
}

function quantileInterval(sorted: Float64Array, accept: number, tail: number): Interval {
  const n = sorted.length;
  // P(at least k of n fall below the quantile) = I_(1 − accept)(k, n − k + 1), and P(fewer) from the other side.
  const fewer = (k: number): number => (k > n ? 1 : incompleteBeta(n - k + 1, k, accept));
  const atLeast = (k: number): number => (k > n ? 0 : incompleteBeta(k, n - k + 1, 1 - accept));
  const l = firstWhere(1, n + 1, (k) => fewer(k) > tail) - 1;
  const u = firstWhere(1, n + 1, (k) => atLeast(k) <= tail);
  return {
    lower: l < 1 ? Number.NEGATIVE_INFINITY : sorted[l - 1]!,
    upper: u > n ? Number.POSITIVE_INFINITY : sorted[u - 1]!,
  };
}

/** The first integer of low … high for which a condition holds that stays true from there on; high if none before it. */
function firstWhere(low: number, high: number, holds: (k: number) => boolean): number {
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

const firstAtLeast = (sorted: Float64Array, value: number): number =>
  firstWhere(0, sorted.length, (i) => sorted[i]! >= value);

function warningFor(fit: {
  n: number;
  accept: number;
  confidence: number;
  interval: Interval;
  accepted: number;
  sorted: Float64Array;
}): string | null {
  const { n, accept, confidence, interval, accepted, sorted } = fit;
  if (sorted[0] === sorted[n - 1])
    return `all ${n} scores are equal, so the threshold accepts every image that scores like them and tells nothing apart`;
  if (accepted === n)
    return `the ${n} scores tie so much that the threshold accepts all of them, not ${percent(accept)}`;
  if (!Number.isFinite(interval.lower) || !Number.isFinite(interval.upper))
    return `${n} scores are too few to bound the threshold for ${percent(accept)} with ${percent(confidence)} confidence`;
  return null;
}

/** 0.95 → `95 %` */
export const percent = (fraction: number): string => `${Number((fraction * 100).toPrecision(6))} %`;
