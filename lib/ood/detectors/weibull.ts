// The tail of a sample of distances as a Weibull distribution, fitted by maximum likelihood as libmr's `fit_high` does: the
// distances d are moved by 10,000 less the smallest, which makes all of them positive and the fit one of extreme values with
// an end as far away as nothing. With that number the powers of d can't be formed; everything here is in
// y = ln(1 + (d − smallest) / 10,000), in which a Weibull distribution is one of location and scale.

/** P(D ≤ d) = 1 − exp(−exp((y − location) / scale)), y = ln(1 + (d − smallest) / 10,000) */
export interface WeibullTail {
  readonly smallest: number;
  /** ln(λ / 10,000) of the Weibull distribution's scale λ. */
  readonly location: number;
  /** 1 / k of its shape k; 0 where all distances were equal, which no distribution fits: a step. */
  readonly scale: number;
}

/** How far libmr moves distances. */
export const offset = 10_000;

/**
 * @param distances at least one, finite and not negative
 * @example fitTail([3.1, 2.9, 3.4]).smallest; // 2.9
 */
export function fitTail(distances: readonly number[]): WeibullTail {
  const smallest = Math.min(...distances);
  const y = distances.map((distance) => Math.log1p((distance - smallest) / offset));
  const [most, mean] = [Math.max(...y), y.reduce((sum, value) => sum + value, 0) / y.length];
  // What rounding makes of equal distances is no tail either.
  if (most * offset <= 1e-12 * (1 + smallest)) return { smallest, location: most, scale: 0 };

  // The likelihood is largest where scale = Σ y w / Σ w − mean(y) with w = exp(y / scale); the right-hand side less the left
  // decreases in scale, so halving an interval around its root can't fail.
  const excess = (scale: number): number => {
    let [weights, weighted] = [0, 0];
    for (const value of y) {
      const weight = Math.exp((value - most) / scale);
      weights += weight;
      weighted += weight * value;
    }
    return weighted / weights - mean - scale;
  };
  let [low, high] = [0, most - mean];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (excess(middle) > 0) low = middle;
    else high = middle;
  }
  const scale = high;
  const mass = y.reduce((sum, value) => sum + Math.exp((value - most) / scale), 0) / y.length;
  return { smallest, location: most + scale * Math.log(mass), scale };
}
