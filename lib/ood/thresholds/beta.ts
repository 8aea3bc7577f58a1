// The beta distribution with whole parameters: what a binomial count and an order statistic need, and so every confidence
// interval of a threshold. The density's factor x^a (1 − x)^b / B(a, b) comes from Loader's saddle-point form, since a
// difference of log-gammas loses six digits for a million scores; the rest is the usual continued fraction.
// C. Loader, "Fast and Accurate Computation of Binomial Probabilities", 2000; NIST DLMF 8.17.

import { wholeNumber } from '../../arguments.js';
import { expected } from '../../errors.js';

/**
 * The regularised incomplete beta function I_x(a, b): P(X ≤ x) for X ~ Beta(a, b), and P(at least a of a + b − 1 trials
 * succeed) where each does with probability x. Relative error below 1e-12 up to millions.
 *
 * @param a whole, 1 or more
 * @param b whole, 1 or more
 * @param x from 0 to 1
 * @throws ERR_ARGUMENT
 * @example incompleteBeta(96, 5, 0.95); // 0.436: the chance that 96 or more of 100 are accepted where 95 % are
 */
export function incompleteBeta(a: number, b: number, x: number): number {
  for (const [name, value] of [
    ['a', a],
    ['b', b],
  ] as const)
    wholeNumber(value, name);
  if (!(x >= 0 && x <= 1)) throw expected('a number from 0 to 1', 'x', x);
  if (x === 0 || x === 1) return x;
  const y = 1 - x;
  const factor = (binomialTerm(a, b, x, y) * a * b) / (a + b); // x^a y^b / B(a, b)
  // The tail on x's side of the mean, where the fraction converges fast.
  return x <= a / (a + b) ? factor / fraction(a, b, x, y) : 1 - factor / fraction(b, a, y, x);
}

/**
 * The x with I_x(a, b) = p: the quantile of Beta(a, b), by bisection down to neighbouring doubles.
 * @throws ERR_ARGUMENT unless 0 < p < 1
 */
export function betaQuantile(a: number, b: number, p: number): number {
  if (!(p > 0 && p < 1)) throw expected('a number between 0 and 1', 'p', p);
  let low = 0;
  let high = 1;
  for (;;) {
    const middle = low + (high - low) / 2;
    if (middle === low || middle === high) return high;
    if (incompleteBeta(a, b, middle) < p) low = middle;
    else high = middle;
  }
}

/** (a + b)! / (a! b!) x^a y^b: the probability of exactly a successes in a + b trials. */
function binomialTerm(a: number, b: number, x: number, y: number): number {
  const n = a + b;
  const exponent = stirlingError(n) - stirlingError(a) - stirlingError(b) - deviance(a, n * x) - deviance(b, n * y);
  return Math.exp(exponent) * Math.sqrt(n / (2 * Math.PI * a * b));
}

/** ln k! − ln(√(2πk) (k/e)^k) */
function stirlingError(k: number): number {
  if (k < 16) {
    let factorial = 1;
    for (let i = 2; i <= k; i++) factorial *= i;
    return Math.log(factorial) - (k + 0.5) * Math.log(k) + k - 0.5 * Math.log(2 * Math.PI);
  }
  const square = k * k;
  return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / k;
}

/** k ln(k / mean) + mean − k, without cancellation where k is near the mean. */
function deviance(k: number, mean: number): number {
  if (Math.abs(k - mean) >= 0.1 * (k + mean)) return k * Math.log(k / mean) + mean - k;
  const v = (k - mean) / (k + mean);
  let sum = (k - mean) * v;
  let power = 2 * k * v;
  for (let j = 1; ; j++) {
    power *= v * v;
    const next = sum + power / (2 * j + 1);
    if (next === sum) return sum;
    sum = next;
  }
}

/**
 * The denominator of I_x(a, b) = x^a y^b / B(a, b) / fraction, y = 1 − x: the even part of DLMF 8.17.22, as TOMS 708
 * (DiDonato & Morris 1992) takes it, by Lentz's method. For x up to the mean every term is positive, so nothing cancels.
 */
function fraction(a: number, b: number, x: number, y: number): number {
  const partial = (m: number): number => {
    const middle = m === 0 ? 0 : (m * (b - m) * x) / (a + 2 * m - 1);
    return m + middle + ((a + m) * (a * y - b * x + 1 + m * (1 + y))) / (a + 2 * m + 1);
  };
  let result = partial(0);
  let c = result;
  let d = 0;
  for (let m = 1; ; m++) {
    const numerator = (((a + m - 1) / (a + 2 * m - 1)) * (a + b + m - 1) * m * (b - m) * x * x) / (a + 2 * m - 1);
    const term = partial(m);
    d = 1 / (term + numerator * d);
    c = term + numerator / c;
    const step = c * d;
    result *= step;
    if (Math.abs(step - 1) <= 1e-15 || m >= b) return result; // where m = b the fraction ends
  }
}
