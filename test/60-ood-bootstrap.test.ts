// Bootstrap intervals: resamples as multiplicities against scores drawn and measured one by one, the native AUROC against the
// curve, the distribution of the draws, coverage, determinism, the paired test.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../lib/data/index.js';
import { torch } from '../lib/index.js';
import { type BootstrapMetric, bootstrap, pairedBootstrap } from '../lib/ood/metrics/bootstrap.js';
import { allMetricsOf, measureAll } from '../lib/ood/metrics/measureAll.js';
import { Resampler } from '../lib/ood/metrics/resample.js';
import { randomOf } from '../lib/ood/metrics/resampledAuroc.js';
import { SortedScores } from '../lib/ood/metrics/sortedScores.js';
import { liveTensors } from './support/live.js';
import { Lcg, scoresOf } from './support/seededScores.js';

const EVERY = [
  'auroc',
  'tnrAtTpr95',
  'dtacc',
  'auprIn',
  'auprOut',
  'averagePrecisionIn',
  'averagePrecisionOut',
  'fprAtTprId95',
  'fprAtTprOod95',
  'autc',
] as const satisfies BootstrapMetric[];

const random = new Lcg(77);
const bell = (size: number, known: boolean): Float64Array => scoresOf('bell', random, size, known);
const repeated = (scores: ArrayLike<number>, counts: Uint8Array): number[] =>
  Array.from(scores).flatMap((score, i) => Array<number>(counts[i]!).fill(score));
const small = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 40 });

describe('a resample', () => {
  it('has the figures of the scores that were drawn', () => {
    fc.assert(
      fc.property(small, small, fc.nat(1000), (id, ood, seed) => {
        const drawn = [new Uint8Array(id.length), new Uint8Array(ood.length)] as const;
        const stream = randomOf(seed, 0);
        new Resampler(id.length).draw(stream, drawn[0]);
        new Resampler(ood.length).draw(stream, drawn[1]);
        const naive = measureAll(repeated(id, drawn[0]), repeated(ood, drawn[1]));
        const scores = SortedScores.byImage(Float64Array.from(id), Float64Array.from(ood));
        expect(allMetricsOf(scores.resampled(...drawn))).toEqual(naive);
        expect(allMetricsOf(scores.roc)).toEqual(measureAll(id, ood));
      }),
    );
  });

  it('is the same natively, tied or not, of few images and of many', async () => {
    for (const kind of ['ties', 'bell', 'constant'] as const)
      for (const [nId, nOod] of [
        [1, 1],
        [3, 8],
        [70, 500],
        [3001, 2002],
      ] as const) {
        const id = scoresOf(kind, random, nId, true);
        const ood = scoresOf(kind, random, nOod, false);
        const options = { resamples: 30, seed: nId };
        const native = await bootstrap(id, ood, options);
        const curve = await bootstrap(id, ood, { ...options, metrics: ['auroc', 'dtacc'] });
        expect(native.auroc).toEqual(curve.auroc);
        // By images and by places the draws fall on other scores; the pair of equal methods has no difference.
        const other = id.map((score, i) => score + (i % 3));
        const paired = await pairedBootstrap({ id, ood }, { id: other, ood }, options);
        const slow = await pairedBootstrap(
          { id, ood },
          { id: other, ood },
          { ...options, metrics: ['auroc', 'dtacc'] },
        );
        expect(paired.auroc).toEqual(slow.auroc);
      }
  });

  it.each([1, 2, 5, 40, 1000])('draws %i of as many, each equally often, with the variance of draws', (size) => {
    const resampler = new Resampler(size);
    const stream = new SeededRandom('test', size);
    const rounds = 40_000 / size;
    const sums = new Float64Array(size);
    let squares = 0;
    const counts = new Uint8Array(size);
    for (let r = 0; r < rounds; r++) {
      resampler.draw(stream, counts);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(size);
      counts.forEach((count, i) => {
        sums[i]! += count;
        squares += (count - 1) ** 2;
      });
    }
    // Multinomial: mean 1, variance 1 − 1/n, covariance −1/n. Bounds of five standard errors.
    const variance = 1 - 1 / size;
    for (const sum of sums) expect(Math.abs(sum / rounds - 1)).toBeLessThanOrEqual(5 * Math.sqrt(variance / rounds));
    expect(Math.abs(squares / (rounds * size) - variance)).toBeLessThanOrEqual((5 * 1.8 * Math.sqrt(variance)) / 200);
  });

  it('leaves out each image in 1/e of the resamples, and draws one twice in 1/2e', () => {
    const [resampler, counts, seen] = [new Resampler(5000), new Uint8Array(5000), new Float64Array(8)];
    for (let r = 0; r < 200; r++) {
      resampler.draw(randomOf(3, r), counts);
      for (const count of counts) seen[Math.min(count, 7)]!++;
    }
    for (const [count, factorial] of [1, 1, 2, 6, 24].entries())
      expect(seen[count]! / 1e6).toBeCloseTo(Math.exp(-1) / factorial, 2.7);
  });
});

describe('intervals', () => {
  it('hold the true AUROC about as often as they say', async () => {
    // The difference of two sums of four uniforms exceeds −0.6 with this probability, by a fine grid.
    const truth = 0.7652;
    let held = 0;
    for (let trial = 0; trial < 200; trial++) {
      const { auroc } = await bootstrap(bell(150, true), bell(150, false), {
        resamples: 300,
        confidence: 0.9,
        seed: trial,
      });
      if (auroc.low <= truth && truth <= auroc.high) held++;
    }
    expect(held).toBeGreaterThan(165); // of 180 ± 4.2 expected
    expect(held).toBeLessThan(194);
  });

  it('have the standard error of theory, and every figure lies within its own', async () => {
    const [id, ood] = [bell(2000, true), bell(3000, false)];
    const all = await bootstrap(id, ood, { metrics: EVERY, resamples: 200 });
    const exact = measureAll(id, ood);
    for (const name of EVERY) {
      expect(all[name].estimate).toBe(exact[name]);
      expect(all[name].low).toBeLessThan(all[name].estimate);
      if (name !== 'dtacc' && name !== 'autc') expect(all[name].high).toBeGreaterThan(all[name].estimate);
    }
    // DeLong's: the variances of each image's share of won pairs.
    const won = (score: number, others: Float64Array, sign: number): number =>
      others.reduce((sum, other) => sum + (sign * (score - other) > 0 ? 1 : score === other ? 0.5 : 0), 0) /
      others.length;
    const variance = (values: Float64Array): number => {
      const mean = values.reduce((a, b) => a + b) / values.length;
      return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) / values.length;
    };
    const delong = Math.sqrt(variance(id.map((x) => won(x, ood, 1))) + variance(ood.map((x) => won(x, id, -1))));
    expect(all.auroc.standardError / delong).toBeGreaterThan(0.8);
    expect(all.auroc.standardError / delong).toBeLessThan(1.2);
    expect(all).toMatchObject({ nId: 2000, nOod: 3000, resamples: 200, confidence: 0.95, seed: 0 });
  });

  it('are those of the seed, whatever the threads and the order of the images', async () => {
    const [id, ood] = [bell(700, true), bell(600, false)];
    const threads = torch.getNumThreads();
    const first = await bootstrap(id, ood, { seed: 5 });
    try {
      torch.setNumThreads(1);
      expect(await bootstrap([...id].reverse(), ood, { seed: 5 })).toEqual(first);
    } finally {
      torch.setNumThreads(threads);
    }
    expect((await bootstrap(id, ood, { seed: 6 })).auroc.low).not.toBe(first.auroc.low);
    // More resamples begin with the same ones: so does a chunk that is cut elsewhere.
    const one = await bootstrap(id, ood, { seed: 5, resamples: 1 });
    expect(one.auroc).toMatchObject({ low: one.auroc.high, standardError: 0 });
  });

  it('get narrower with more images and wider with more confidence', async () => {
    const width = async (size: number, confidence: number): Promise<number> => {
      const { auroc } = await bootstrap(bell(size, true), bell(size, false), { confidence, resamples: 400 });
      return auroc.high - auroc.low;
    };
    expect(await width(100, 0.95)).toBeGreaterThan(1.5 * (await width(1000, 0.95)));
    expect(await width(1000, 0.99)).toBeGreaterThan(await width(1000, 0.8));
  });
});

describe('a paired test', () => {
  it('is sharper than two intervals, and finds nothing where there is nothing', async () => {
    const [id, ood] = [bell(2000, true), bell(2000, false)];
    const noisy = (scores: Float64Array, noise: number): Float64Array =>
      scores.map((score) => score + noise * (random.below(1000) / 1000 - 0.5));
    const [better, worse] = [
      { id, ood },
      { id: noisy(id, 0.9), ood: noisy(ood, 0.9) },
    ];
    const { auroc } = await pairedBootstrap(worse, better, { seed: 1 });
    expect(auroc.estimate).toBe(measureAll(id, ood).auroc - measureAll(worse.id, worse.ood).auroc);
    expect(auroc.low).toBeGreaterThan(0);
    expect(auroc.pValue).toBeLessThan(0.01);
    const [one, other] = await Promise.all([bootstrap(id, ood), bootstrap(worse.id, worse.ood)]);
    expect(auroc.standardError).toBeLessThan(0.6 * Math.hypot(one.auroc.standardError, other.auroc.standardError));
    const turned = await pairedBootstrap(better, worse, { seed: 1 });
    expect(turned.auroc.low).toBeCloseTo(-auroc.high, 14);
    expect((await pairedBootstrap(better, better)).auroc).toEqual({
      estimate: 0,
      low: 0,
      high: 0,
      standardError: 0,
      pValue: 1,
    });
    const chance = await pairedBootstrap(
      { id: noisy(id, 0.5), ood: noisy(ood, 0.5) },
      { id: noisy(id, 0.5), ood: noisy(ood, 0.5) },
    );
    expect(chance.auroc.pValue).toBeGreaterThan(0.001);
  });
});

describe('manners', () => {
  it('leaves no tensors and gives the event loop turns', async () => {
    const before = await liveTensors();
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await bootstrap(bell(5000, true), bell(5000, false), { metrics: ['dtacc'], resamples: 200 });
    await bootstrap(bell(5000, true), bell(5000, false), { resamples: 2000 });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
    expect(await liveTensors()).toBe(before);
  });

  it('stops when it is told to', async () => {
    for (const metrics of [['auroc'], ['autc']] as const) {
      const run = bootstrap([1, 2], [0, 1], { metrics, signal: AbortSignal.abort() });
      await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    }
  });

  it('refuses what can’t be', async () => {
    const wrong: [Promise<unknown>, RegExp][] = [
      [bootstrap([1, Number.NaN], [0]), /idScores.*index 1/],
      [bootstrap([1], []), /oodScores.*empty/],
      [bootstrap([1], [0], { metrics: ['oscr' as never] }), /metrics/],
      [bootstrap([1], [0], { metrics: [] }), /metrics/],
      [bootstrap([1], [0], { resamples: 0 }), /resamples/],
      [bootstrap([1], [0], { confidence: 1 }), /confidence/],
      [bootstrap([1], [0], { seed: -1 }), /seed/],
      [pairedBootstrap({ id: [1, 2], ood: [0] }, { id: [1], ood: [0] }), /same images but first has 2 known/],
      [pairedBootstrap(null as never, { id: [1], ood: [0] }), /first/],
    ];
    for (const [run, message] of wrong) await expect(run).rejects.toThrow(message);
  });

  it('natively refuses places that are none', () => {
    const places = (...values: number[]) => torch.tensor(Int32Array.from(values));
    const [good, p] = [places(0, 1), torch.tensor(Float64Array.of(1))];
    const states = places(1, 2, 3, 4).view([1, 4]);
    const call = torch.ops.isomax.bootstrapAuroc;
    expect(() => call(places(0, 3), good, good, p, p, states)).toThrow(/below from 0 to 2, received 3/);
    expect(() => call(good, places(-1, 1), good, p, p, states)).toThrow(/up_to/);
    expect(() => call(good, good, places(0, 2), p, p, states)).toThrow(/order from 0 to 1/);
    expect(() => call(good, places(1), good, p, p, states)).toThrow(/as many up_to as below/);
    expect(() => call(good, good, good, p, p, places(1, 2, 3, 4))).toThrow(/shape \[R, 4\]/);
    expect(() => call(good, good, good, torch.tensor(new Float64Array(0)), p, states)).toThrow(/cumulative/);
    expect(() => call(good, good, good, torch.tensor(new Float32Array(1)), p, states)).toThrow(/float64/);
    expect(() => call(good, good, good, p, torch.tensor(new Float64Array(9)), states)).toThrow(/mean is at most 1/);
  });
});
