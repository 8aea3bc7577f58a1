// The streams behind shuffles and noise: the same on every machine, evenly spread, independent of one another; and
// what is built on them without tensors: splits and the Gaussian pixel table.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalCdf, pixelDistribution } from '../lib/data/gaussian.js';
import { SeededRandom } from '../lib/data/random.js';
import { partition } from '../lib/data/split.js';

/** Pearson's statistic against equal frequencies. */
const chiSquare = (counts: readonly number[]): number => {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
};

describe('SeededRandom', () => {
  it('gives the values of an independent implementation in Python', () => {
    const random = new SeededRandom('shuffle', 1, 2);
    const drawn = Array.from({ length: 5 }, () => random.uint32());
    expect(drawn).toEqual([2072348447, 3084898997, 1449531205, 3624564120, 2493235955]);
    expect([...new SeededRandom('shuffle', 0, 0).permutation(10)]).toEqual([4, 3, 7, 1, 8, 0, 6, 2, 9, 5]);
    expect([...new SeededRandom('split', 2 ** 53 - 1).permutation(10)]).toEqual([6, 9, 4, 2, 5, 8, 3, 0, 1, 7]);
  });

  it('streams with different purposes or keys differ, and swapped keys too', () => {
    const first = (purpose: string, ...key: number[]) => new SeededRandom(purpose, ...key).uint32();
    const drawn = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      for (let epoch = 0; epoch < 10; epoch++) drawn.add(first('a', seed, epoch)).add(first('b', seed, epoch));
    }
    drawn.add(first('a', 2 ** 32)).add(first('a', 2 ** 40 + 1));
    expect(drawn.size).toBe(2002);
  });

  it('below(n) is even', () => {
    for (const n of [2, 3, 10, 100, 1000]) {
      const counts = new Array<number>(n).fill(0);
      const random = new SeededRandom('test', n);
      for (let i = 0; i < 100_000; i++) counts[random.below(n)]!++;
      // mean n − 1, deviation √(2n): five deviations
      expect(chiSquare(counts)).toBeLessThan(n - 1 + 5 * Math.sqrt(2 * n));
    }
  });

  it('every order of four comes equally often', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 24_000; seed++) {
      const key = new SeededRandom('test', seed).permutation(4).join('');
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquare([...counts.values()])).toBeLessThan(23 + 5 * Math.sqrt(46));
  });

  it('fill covers all bytes evenly, at every length', () => {
    const counts = new Array<number>(256).fill(0);
    for (const byte of new SeededRandom('test', 7).fill(new Uint8Array(256_001))) counts[byte]!++;
    expect(chiSquare(counts)).toBeLessThan(255 + 5 * Math.sqrt(510));
    for (const length of [0, 1, 2, 3, 5])
      expect(new SeededRandom('test').fill(new Uint8Array(length)).length).toBe(length);
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53, '1', null])('refuses the seed %s', (seed) => {
    expect(() => new SeededRandom('test', seed as number)).toThrow(
      /Expected a whole number of 0 or more for seed but received/,
    );
  });
});

describe('partition', () => {
  const inputs = fc.record({
    labels: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 300 }),
    cut: fc.double({ min: 0, max: 1, noNaN: true }),
    seed: fc.nat(),
  });

  it('gives every image to exactly one part, in ascending order, in the sizes asked for', () => {
    fc.assert(
      fc.property(inputs, ({ labels, cut, seed }) => {
        const first = Math.round(labels.length * cut);
        for (const table of [Int32Array.from(labels), null]) {
          const parts = partition(labels.length, table, [first, labels.length - first], { seed });
          expect(parts.map((part) => part.length)).toEqual([first, labels.length - first]);
          for (const part of parts) expect([...part]).toEqual([...part].sort((a, b) => a - b));
          expect([...parts[0]!, ...parts[1]!].sort((a, b) => a - b)).toEqual(labels.map((_, i) => i));
          expect(partition(labels.length, table, [first, labels.length - first], { seed })).toEqual(parts);
        }
      }),
    );
  });

  it('keeps the classes in proportion', () => {
    fc.assert(
      fc.property(inputs, ({ labels, cut, seed }) => {
        const first = Math.round(labels.length * cut);
        const [part] = partition(labels.length, Int32Array.from(labels), [first, labels.length - first], { seed });
        const classes = new Set(labels).size;
        for (const label of new Set(labels)) {
          const whole = labels.filter((other) => other === label).length;
          const here = [...part!].filter((index) => labels[index] === label).length;
          // One image by rounding; and the cut itself may be off by one image a class, of which this class takes its share.
          expect(Math.abs(here - (whole * first) / labels.length)).toBeLessThanOrEqual(
            1 + (classes * whole) / labels.length,
          );
        }
      }),
    );
  });

  it('is exact where the classes divide evenly, and unstratified it is not', () => {
    const labels = Int32Array.from({ length: 1000 }, (_, i) => i % 10);
    const count = (part: Int32Array) =>
      Array.from({ length: 10 }, (_, label) => part.filter((i) => labels[i] === label).length);
    const [train, validation, test] = partition(1000, labels, [700, 200, 100], { seed: 3 });
    expect([train!, validation!, test!].map(count)).toEqual([70, 20, 10].map((n) => Array(10).fill(n)));
    expect(new Set(count(partition(1000, labels, 0.7, { seed: 3, stratified: false })[0]!)).size).toBeGreaterThan(1);
  });

  it('keeps a rare class in proportion', () => {
    const labels = Int32Array.from({ length: 1000 }, (_, i) => (i < 900 ? 0 : 1));
    const [half, third] = partition(1000, labels, [500, 300, 200], { seed: 1 });
    expect([half, third].map((part) => part!.filter((i) => labels[i] === 1).length)).toEqual([50, 30]);
  });

  it('other seeds give other parts', () => {
    const parts = Array.from({ length: 20 }, (_, seed) => partition(50, null, [25, 25], { seed })[0]!.join());
    expect(new Set(parts).size).toBe(20);
  });

  it.each([[0], [1], [1.5], [-0.1], [Number.NaN], ['0.5'], [[]], [[5, 6]], [[-1, 11]], [[2.5, 7.5]], [null]])(
    'refuses the parts %j',
    (parts) => {
      expect(() => partition(10, null, parts as number, {})).toThrow(/^Expected .* but received/);
    },
  );
});

describe('the Gaussian pixel table', () => {
  it('Φ is right', () => {
    // From tables (Abramowitz & Stegun 26.1), and by symmetry.
    expect(normalCdf(0)).toBe(0.5);
    expect(normalCdf(1)).toBeCloseTo(0.841344746068543, 14);
    expect(normalCdf(-1.959963984540054)).toBeCloseTo(0.025, 14);
    expect(normalCdf(5)).toBeCloseTo(0.999999713348428, 14);
    for (const x of [0.3, 2, 4, 7]) expect(normalCdf(x) + normalCdf(-x)).toBeCloseTo(1, 13);
    expect([normalCdf(-40), normalCdf(40)]).toEqual([0, 1]);
  });

  it('cuts the 32-bit range where the distribution function says', () => {
    const draw = pixelDistribution(127.5, 255);
    expect([draw(0), draw(2 ** 32 - 1)]).toEqual([0, 255]);
    let before = 0;
    const wrong: number[] = [];
    for (let i = 0; i < 100_000; i++) {
      const u = Math.floor(((i + 0.5) / 100_000) * 2 ** 32);
      const pixel = draw(u);
      const above = pixel === 255 || normalCdf((pixel + 0.5 - 127.5) / 255) >= u / 2 ** 32 - 1e-9;
      const below = pixel === 0 || normalCdf((pixel - 0.5 - 127.5) / 255) <= u / 2 ** 32 + 1e-9;
      if (pixel < before || !above || !below) wrong.push(u);
      before = pixel;
    }
    expect(wrong).toEqual([]);
  });

  it('works at the extremes: almost no deviation, a mean far outside', () => {
    for (const u of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
      expect(pixelDistribution(100, 1e-9)(u)).toBe(100);
      expect(pixelDistribution(1e6, 1)(u)).toBe(255);
      expect(pixelDistribution(-1e6, 1)(u)).toBe(0);
    }
  });
});
