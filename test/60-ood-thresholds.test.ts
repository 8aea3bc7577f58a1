// Thresholds: the beta distribution against sums with 40 digits, intervals against SciPy's exact binomial, percentiles against NumPy to
// the bit; what holds for any scores; and by simulation that the intervals cover as often as they say.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../lib/data/random.js';
import { fitThresholdFromScores, percentilesOf } from '../lib/ood/index.js';
import { betaQuantile, incompleteBeta } from '../lib/ood/thresholds/beta.js';

interface Case {
  name: string;
  scores: number[];
  accept: number;
  confidence: number;
  value: number;
  achieved: number;
  interval: [number | null, number | null];
  acceptance: [number, number];
  percentiles: number[];
}

const golden = JSON.parse(readFileSync(new URL('./fixtures/thresholds.json', import.meta.url), 'utf8')) as {
  beta: [number, number, number, number][];
  quantiles: [number, number, number, number][];
  thresholds: Case[];
};

const relative = (value: number, wanted: number): number => Math.abs(value - wanted) / Math.abs(wanted);

describe('the beta distribution', () => {
  it('is the sum of binomial terms to 1e-12, for one trial and for a million', () => {
    for (const [a, b, x, wanted] of golden.beta) {
      expect(relative(incompleteBeta(a, b, x), wanted), `I_${x}(${a}, ${b})`).toBeLessThan(1e-12);
    }
    expect(golden.beta.length).toBeGreaterThan(60);
  });

  it("has SciPy's quantiles to 1e-12", () => {
    for (const [a, b, p, wanted] of golden.quantiles)
      expect(relative(betaQuantile(a, b, p), wanted), `${p} of Beta(${a}, ${b})`).toBeLessThan(1e-12);
  });

  it('adds up to 1 with its mirror image, and has its ends', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (a, b, x) => {
          expect(incompleteBeta(a, b, x) + incompleteBeta(b, a, 1 - x)).toBeCloseTo(1, 11);
        },
      ),
    );
    expect([incompleteBeta(3, 4, 0), incompleteBeta(3, 4, 1)]).toEqual([0, 1]);
    for (const [a, b, x] of [
      [0, 1, 0.5],
      [1.5, 1, 0.5],
      [1, 1, 1.5],
      [1, 1, Number.NaN],
    ] as const)
      expect(() => incompleteBeta(a, b, x)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => betaQuantile(1, 1, 1)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe('a threshold', () => {
  it.each(golden.thresholds.map((each) => [each.name, each] as const))('equals the reference: %s', (_, each) => {
    const { value, achieved, interval, acceptance, percentiles, n } = fitThresholdFromScores(each.scores, each);
    expect({ value, achieved, n }).toEqual({ value: each.value, achieved: each.achieved, n: each.scores.length });
    expect(interval).toEqual({
      lower: each.interval[0] ?? Number.NEGATIVE_INFINITY,
      upper: each.interval[1] ?? Number.POSITIVE_INFINITY,
    });
    expect(relative(acceptance.lower, each.acceptance[0])).toBeLessThan(1e-11);
    expect(relative(acceptance.upper, each.acceptance[1])).toBeLessThan(1e-11);
    expect([...percentiles]).toEqual(each.percentiles);
  });

  it('accepts at least the wanted share, and the next larger score would not', () => {
    const scores = fc.array(
      fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true, noDefaultInfinity: true })),
      {
        minLength: 20,
        maxLength: 120,
      },
    );
    fc.assert(
      fc.property(scores, fc.constantFrom(0.05, 0.5, 0.9, 0.95), (values, accept) => {
        const { value, achieved, interval, acceptance } = fitThresholdFromScores(values, { accept });
        const share = (from: number) => values.filter((score) => score >= from).length / values.length;
        expect(achieved).toBe(share(value));
        expect(achieved).toBeGreaterThanOrEqual(accept);
        const larger = values.filter((score) => score > value);
        if (larger.length > 0) expect(share(larger.reduce((a, b) => Math.min(a, b)))).toBeLessThan(accept);
        expect(interval.lower).toBeLessThanOrEqual(value);
        expect(interval.upper).toBeGreaterThanOrEqual(value);
        expect(acceptance.lower).toBeLessThan(achieved);
        expect(acceptance.upper).toBeGreaterThanOrEqual(achieved);
      }),
    );
  });

  it('depends on neither the order of the scores nor their array', () => {
    const scores = golden.thresholds[0]!.scores;
    const one = fitThresholdFromScores(scores);
    expect(fitThresholdFromScores(Float64Array.from(scores).reverse())).toEqual(one);
    expect(percentilesOf([...scores].reverse())).toEqual(one.percentiles);
  });

  it('warns when scores are few, tie or are all the same', () => {
    const ramp = (n: number) => Float64Array.from({ length: n }, (_, i) => i);
    expect(fitThresholdFromScores(ramp(71)).warning).toMatch(/71 scores are too few to bound .* 95 % .* 95 %/);
    expect(fitThresholdFromScores(ramp(72))).toMatchObject({ warning: null, interval: { lower: 0 } });
    expect(fitThresholdFromScores(new Array(30).fill(2)).warning).toMatch(/all 30 scores are equal/);
    expect(fitThresholdFromScores([...ramp(50)].map((i) => Math.max(i, 40))).warning).toMatch(/accepts all of them/);
  });

  it('refuses what it could not be honest about', () => {
    const few = expect.objectContaining({
      code: 'ERR_DATA',
      message: expect.stringMatching(/at least 20 .* 19: give more/),
    });
    expect(() => fitThresholdFromScores(new Float64Array(19).map((_, i) => i))).toThrow(few);
    expect(() => fitThresholdFromScores([1, 2, 3], { accept: 0.1 })).toThrow(/at least 10 .*or accept more/);
    expect(() => fitThresholdFromScores([1, 2, 3], { accept: 1 - 1e-9 })).toThrow(/ERR_DATA|at least 1000000/);
    expect(() => fitThresholdFromScores([1, Number.NaN])).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    expect(() => fitThresholdFromScores([])).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    for (const wrong of [0, 1, -0.1, Number.NaN, '0.95' as unknown as number])
      for (const options of [{ accept: wrong }, { confidence: wrong }])
        expect(() => fitThresholdFromScores(new Float64Array(50), options), String(wrong)).toThrow(
          expect.objectContaining({ code: 'ERR_ARGUMENT' }),
        );
  });
});

describe('intervals cover the truth', () => {
  /** Of fits on scores −ln(u), how often each interval holds the truth; `grain` rounds scores, which makes them tie. */
  function coverage(n: number, accept: number, confidence: number, grain: number): { value: number; rate: number } {
    const random = new SeededRandom(`coverage ${n} ${accept} ${grain}`);
    const rounds = 1500;
    const hits = { value: 0, rate: 0 };
    // P(score ≥ t) = exp(−t) for whole steps of the grain, so quantile and rate are known exactly.
    const quantile = -Math.log(accept);
    for (let round = 0; round < rounds; round++) {
      const scores = Float64Array.from({ length: n }, () => {
        const score = -Math.log(1 - random.uniform());
        return grain === 0 ? score : Math.floor(score / grain) * grain;
      });
      const { value, interval, acceptance } = fitThresholdFromScores(scores, { accept, confidence });
      const truth = grain === 0 ? quantile : Math.floor(quantile / grain) * grain;
      if (interval.lower <= truth && truth <= interval.upper) hits.value++;
      const rate = Math.exp(-value);
      if (acceptance.lower <= rate && rate <= acceptance.upper + 1e-15) hits.rate++;
    }
    return { value: hits.value / rounds, rate: hits.rate / rounds };
  }

  it.each([
    [100, 0.95, 0.9, 0],
    [500, 0.95, 0.9, 0],
    [60, 0.8, 0.8, 0],
    [100, 0.95, 0.9, 0.02],
    [200, 0.7, 0.8, 0.1],
  ])('for n = %i, accept %f, confidence %f, grain %f', (n, accept, confidence, grain) => {
    const covered = coverage(n, accept, confidence, grain);
    // Three standard errors of the simulation itself.
    const least = confidence - 3 * Math.sqrt((confidence * (1 - confidence)) / 1500);
    expect(covered.rate).toBeGreaterThan(least);
    expect(covered.value).toBeGreaterThan(least);
    // Not by being useless: the rate's interval is at most one binomial step too wide at either end.
    if (grain === 0) expect(covered.rate).toBeLessThan(confidence + 0.08);
  });
});
