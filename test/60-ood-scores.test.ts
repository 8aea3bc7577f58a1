// The scores: values against their formulas in plain doubles, ranges, behaviour where float32 would give NaN or ties.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrays } from '../lib/ood/arrays/arrays.js';
import { entropic, es, maxProbability, mds, minDistance, mps } from '../lib/ood/detectors/logitScores.js';
import { type DType, memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';

const logits = fc.integer({ min: 1, max: 6 }).chain((classes) =>
  fc.array(fc.array(fc.float({ min: -1e4, max: 1e4, noNaN: true }), { minLength: classes, maxLength: classes }), {
    minLength: 1,
    maxLength: 5,
  }),
);

const tensor = (rows: readonly (readonly number[])[], dtype: DType = 'float32'): Tensor =>
  torch.tensor(
    rows.map((row) => [...row]),
    { dtype },
  );
const values = (score: (logits: Tensor) => Tensor, rows: readonly (readonly number[])[], dtype?: DType): number[] =>
  tidy(() => [...(score(tensor(rows, dtype)).toArraySync() as Float64Array)]);

function softmax(row: readonly number[]): number[] {
  const most = Math.max(...row);
  const powers = row.map((z) => Math.exp(z - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

describe('formulas', () => {
  it('are those of the papers, in doubles', () => {
    fc.assert(
      fc.property(logits, (rows) => {
        const probabilities = rows.map(softmax);
        const entropies = probabilities.map((p) => p.reduce((sum, pj) => sum + (pj > 0 ? pj * Math.log(pj) : 0), 0));
        const closeTo = (numbers: number[]) => numbers.map((number) => expect.closeTo(number, 12));
        expect(values(mps, rows)).toEqual(closeTo(probabilities.map((p) => Math.max(...p))));
        expect(values(es, rows)).toEqual(closeTo(entropies));
        expect(values(mds, rows)).toEqual(rows.map((row) => Math.max(...row)));
      }),
    );
  });

  it('keep their ranges: es in [−ln C, 0], mps in [1/C, 1]', () => {
    fc.assert(
      fc.property(logits, (rows) => {
        const classes = rows[0]!.length;
        for (const value of values(es, rows)) {
          expect(value).toBeLessThanOrEqual(0);
          expect(value).toBeGreaterThanOrEqual(-Math.log(classes) - 1e-12);
        }
        for (const value of values(mps, rows)) {
          expect(value).toBeLessThanOrEqual(1);
          expect(value).toBeGreaterThanOrEqual(1 / classes - 1e-12);
        }
      }),
    );
  });

  it('say "no idea" exactly where all logits are equal', () => {
    const rows = [new Array<number>(10).fill(-3.5)];
    expect(values(es, rows)[0]).toBeCloseTo(-Math.log(10), 14);
    expect(values(mps, rows)[0]).toBeCloseTo(0.1, 15);
  });
});

describe('numerics', () => {
  it('es is a number where probabilities underflow, and with masked classes', () => {
    const rows = [
      [0, -2000, -5000],
      [3e38, -3e38, 0],
      [1, Number.NEGATIVE_INFINITY, 1],
    ];
    expect(values(es, rows)).toEqual([expect.closeTo(0, 15), expect.closeTo(0, 15), expect.closeTo(-Math.log(2), 14)]);
  });

  it('mps still tells confident images apart where float32 gives 1 for all of them', () => {
    const rows = [20, 24, 28, 32].map((margin) => [margin, 0, 0]);
    const float32 = tidy(() => [...(tensor(rows).softmax(1).amax(1).toArraySync() as Float32Array)]);
    expect(new Set(float32).size).toBe(1);
    const found = values(mps, rows);
    expect(new Set(found).size).toBe(4);
    expect(found).toEqual([...found].sort((a, b) => a - b));
  });

  it.each(['float32', 'float64', 'float16', 'bfloat16'] as const)('takes %s and gives float64 [N]', (dtype) => {
    tidy(() => {
      for (const score of [mps, es, mds]) {
        const result = score(
          tensor(
            [
              [1, 2],
              [3, 0.5],
              [0, 0],
            ],
            dtype,
          ),
        );
        expect([result.dtype, result.shape, result.device]).toEqual(['float64', [3], 'cpu']);
      }
    });
  });

  it('leaves logits, gradients and memory alone', () => {
    const before = memory();
    tidy(() => {
      const x = tensor([[1, 2, 3]], 'float64');
      x.requiresGrad = true;
      es(x).sum().backward();
      // d(Σ p ln p)/dz_j = p_j (ln p_j − Σ p ln p)
      const p = softmax([1, 2, 3]);
      const entropy = p.reduce((sum, pj) => sum + pj * Math.log(pj), 0);
      expect(x.grad!.tolist()).toEqual([p.map((pj) => expect.closeTo(pj * (Math.log(pj) - entropy), 12))]);
      expect(x.tolist()).toEqual([[1, 2, 3]]);
    });
    expect(memory().tensors).toBe(before.tensors);
  });
});

it('constructors give the names that results use', () => {
  expect([maxProbability(), entropic(), minDistance()].map(({ name }) => name)).toEqual(['mps', 'es', 'mds']);
  tidy(() =>
    expect(
      minDistance()
        .score(arrays({ logits: tensor([[-3, -1]]) }))
        .tolist(),
    ).toEqual([-1]),
  );
});

it.each([
  ['no tensor', () => mps([[1, 2]] as never), 'ERR_ARGUMENT'],
  ['one dimension', () => es(torch.zeros([3])), 'ERR_SHAPE'],
  ['no classes', () => mds(torch.zeros([3, 0])), 'ERR_SHAPE'],
  ['no images', () => mds(torch.zeros([0, 3])), 'ERR_SHAPE'],
  ['integers', () => mps(torch.zeros([2, 3], { dtype: 'int64' })), 'ERR_DTYPE'],
])('refuses %s', (_, call, code) => {
  expect(() => tidy(call)).toThrow(expect.objectContaining({ code }));
});
