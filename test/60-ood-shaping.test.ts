// Percentiles in constant memory, beside NumPy's and beside a sort; the shapings' edges.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrays } from '../lib/ood/arrays/arrays.js';
import { percentiles, type Walk } from '../lib/ood/arrays/percentiles.js';
import { energy } from '../lib/ood/detectors/energy.js';
import { react, vra } from '../lib/ood/shaping/clipping.js';
import { ashB, ashP, ashS, scale } from '../lib/ood/shaping/pruning.js';
import { shaped } from '../lib/ood/shaping/shaped.js';
import { type DType, memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';

const golden = JSON.parse(readFileSync(new URL('fixtures/logitDetectors.json', import.meta.url), 'utf8')) as {
  percentiles: { numbers: number[]; wanted: number[]; values: number[] }[];
};

/** In pieces of two sizes. */
const walkOf =
  (numbers: readonly number[], dtype: DType, cut = Math.floor(numbers.length / 3)): Walk =>
  async (use) => {
    for (const part of [numbers.slice(0, cut), numbers.slice(cut)])
      if (part.length > 0) tidy(() => use(torch.tensor(part, { dtype })));
  };

describe('percentiles', () => {
  it.each(golden.percentiles.map((row, i) => ({ ...row, i })))(
    'of list $i are NumPy’s',
    async ({ numbers, wanted, values }) => {
      const before = memory().tensors;
      for (const dtype of ['float64', 'float32'] as const) {
        const found = await percentiles(walkOf(numbers, dtype), wanted);
        expect(found, dtype).toEqual(values);
      }
      expect(memory().tensors).toBe(before);
    },
  );

  it('are numbers of the list at whole places, for any finite doubles', async () => {
    const double = fc.double({ noNaN: true, noDefaultInfinity: true });
    // Of 65 numbers the one at place j is percentile 100·j / 64, which doubles hold exactly.
    await fc.assert(
      fc.asyncProperty(fc.array(double, { minLength: 65, maxLength: 65 }), fc.nat({ max: 64 }), async (list, place) => {
        const [found] = await percentiles(walkOf(list, 'float64'), [(100 * place) / 64]);
        expect(found! + 0).toBe([...list].sort((a, b) => a - b)[place]! + 0); // -0 + 0 is 0
      }),
    );
  });

  it.each(['float16', 'bfloat16'] as const)('take %s', async (dtype) => {
    expect(await percentiles(walkOf([4, 1, 3, 2], dtype), [0, 50, 100])).toEqual([1, 2.5, 4]);
  });

  it('refuse NaN, infinities, nothing, and walks that differ', async () => {
    for (const bad of [[1, Number.NaN], [1, Number.POSITIVE_INFINITY], []])
      await expect(percentiles(walkOf(bad, 'float64'), [50])).rejects.toThrow(
        expect.objectContaining({ code: 'ERR_DATA' }),
      );
    const parts = [torch.tensor([1, 2, 3]), torch.tensor([4, 5])];
    const once = parts[Symbol.iterator]();
    await expect(
      percentiles(
        async (use) => {
          for (const part of once) use(part);
        },
        [50],
      ),
    ).rejects.toThrow(/starts over/);
  });
});

const matrix = (rows: number[][], dtype: DType = 'float64') => torch.tensor(rows, { dtype });
const shapedBy = (shape: (features: Tensor) => Tensor, rows: number[][]): number[][] =>
  tidy(() => shape(matrix(rows)).tolist() as number[][]);

describe('shapings', () => {
  it('keep the first of equal activations, and at least one', () => {
    expect(
      shapedBy(ashP({ percentile: 50 }).shape, [
        [2, 2, 2, 2],
        [0, 3, 1, 3],
      ]),
    ).toEqual([
      [2, 2, 0, 0],
      [0, 3, 0, 3],
    ]);
    expect(shapedBy(ashP({ percentile: 100 }).shape, [[1, 5, 2]])).toEqual([[0, 5, 0]]);
    expect(shapedBy(ashB({ percentile: 90 }).shape, [[7]])).toEqual([[7]]);
  });

  it('leave the sum (ASH-B), the largest (ASH-P), or nothing at percentile 0', () => {
    expect(shapedBy(ashB({ percentile: 50 }).shape, [[1, 2, 3, 4]])).toEqual([[0, 0, 5, 5]]);
    expect(shapedBy(ashP({ percentile: 0 }).shape, [[1, 2, 3]])).toEqual([[1, 2, 3]]);
    const e = Math.exp(10 / 7);
    expect(shapedBy(ashS({ percentile: 50 }).shape, [[1, 2, 3, 4]])[0]).toEqual(
      [0, 0, 3 * e, 4 * e].map((v) => expect.closeTo(v, 12)),
    );
    expect(shapedBy(scale({ percentile: 50 }).shape, [[1, 2, 3, 4]])[0]).toEqual(
      [1, 2, 3, 4].map((v) => expect.closeTo(v * e, 12)),
    );
  });

  it('round halves to even, as NumPy does', () => {
    const row = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    for (const [percentile, kept] of [
      [85, 2],
      [75, 2],
      [65, 4],
      [66, 3],
    ] as const)
      expect(shapedBy(ashP({ percentile }).shape, [row])[0]!.filter((value) => value > 0)).toHaveLength(kept);
  });

  it('make zeros of zeros', () => {
    for (const shaping of [ashB(), ashP(), ashS(), scale()])
      expect(shapedBy(shaping.shape, [[0, 0, 0, 0, 0, 0]])).toEqual([[0, 0, 0, 0, 0, 0]]);
  });

  it('clip at what they have learnt', async () => {
    const training = arrays({ features: matrix([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]) });
    const [upper, both, zero] = [react(), vra(), vra({ below: 'zero' })];
    for (const shaping of [upper, both, zero]) await shaping.fit(training);
    const rows = [[-1, 0.5, 1, 8, 9.5]];
    expect(shapedBy((f) => upper.shape(f), rows)).toEqual([[-1, 0.5, 1, 8, 9]]);
    expect(shapedBy((f) => both.shape(f), rows)).toEqual([[1, 1, 1, 8, 9]]);
    expect(shapedBy((f) => zero.shape(f), rows)).toEqual([[0, 0, 1, 8, 9]]);
    expect(() => react().shape(matrix(rows))).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => vra({ low: 80, high: 20 })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });

  it.each([
    ['no tensor', [[1, 2]] as never, 'ERR_ARGUMENT'],
    ['one dimension', torch.zeros([3]), 'ERR_SHAPE'],
    ['no rows', torch.zeros([0, 3]), 'ERR_SHAPE'],
    ['integers', torch.zeros([2, 3], { dtype: 'int64' }), 'ERR_DTYPE'],
  ])('refuse %s', (_, features, code) => {
    for (const shaping of [ashB(), ashP(), ashS(), scale(), react(), vra()])
      expect(() => shaping.shape(features)).toThrow(expect.objectContaining({ code }));
  });

  it('keep the dtype, and need a head to be of use', () => {
    tidy(() => {
      for (const shaping of [ashB(), ashP(), ashS(), scale()])
        expect(shaping.shape(matrix([[1, 2, 3]], 'float32')).dtype).toBe('float32');
      expect(() => shaped(ashP(), energy()).score(arrays({ features: matrix([[1]]) }))).toThrow(/last layer/);
    });
    expect(() => shaped(ashP(), shaped(ashP(), energy()))).toThrow(/once/);
    expect(shaped(ashP({ percentile: 80 }), energy())).toMatchObject({
      name: 'energy+ash-p',
      settings: { temperature: 1, 'ash-p': { percentile: 80 } },
      needs: ['features', 'head'],
    });
    expect('fit' in shaped(ashP(), energy())).toBe(false);
  });
});
