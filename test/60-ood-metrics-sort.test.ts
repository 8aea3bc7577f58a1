// The radix sort of scores against TypedArray.sort, on what could trip it: signs, equal upper words, float32, ties, zeros.

import { describe, expect, it } from 'vitest';
import { sorted } from '../lib/ood/metrics/sort.js';
import { Lcg } from './support/seededScores.js';

const SIZE = 20_000; // of radix; below 4,096 it is TypedArray.sort
const random = new Lcg(1);
const uniform = (): number => (random.below(65536) + random.below(65536) / 65536) / 65536;
const scores: Record<string, (i: number) => number> = {
  'both signs': () => uniform() - 0.5,
  'negative only': () => -uniform() - 1e-9,
  'every magnitude': () => (uniform() - 0.5) * 2 ** (random.below(2000) - 1000),
  'the ends of the doubles': (i) =>
    [Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, -Number.MIN_VALUE, 0, -0][i % 6]!,
  'few values': () => random.below(7) - 3,
  float32: () => Math.fround(uniform() - 0.5),
  'one upper word, in order': (i) => 1 + i * 2 ** -52,
  'one upper word, mixed': () => 1 - random.below(60_000) * 2 ** -53,
  'one upper word, negative': () => -1 - random.below(60_000) * 2 ** -52,
  'short runs of one upper word': () => random.below(4000) + random.below(5) * 2 ** -38 - 2000,
  'already sorted': (i) => i,
  falling: (i) => -i,
  'all the same': () => 3.5,
};

describe('sorted', () => {
  it.each(Object.keys(scores))('%s', (name) => {
    for (const size of [1, 100, 4095, 4096, SIZE]) {
      const given = Float64Array.from({ length: size }, (_, i) => scores[name]!(i));
      const kept = given.slice();
      const zero = (values: Float64Array): Float64Array => values.map((value) => value + 0); // -0 is 0
      expect(zero(sorted(given))).toEqual(zero(given.slice().sort()));
      expect(given).toEqual(kept);
    }
  });

  it('takes part of a longer buffer', () => {
    const long = Float64Array.from({ length: 3 * SIZE }, () => uniform() - 0.5);
    const part = long.subarray(SIZE + 1, 2 * SIZE);
    expect(sorted(part)).toEqual(part.slice().sort());
  });
});
