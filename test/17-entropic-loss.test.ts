// isomax::entropic_loss, log-softmax at the entropic scale and the mean loss in one operator: against its formula in
// float64, its gradients, which go on to any order, and what it refuses.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DType, type Tensor, tidy, torch } from '../lib/tensor/index.js';

const { entropicLoss } = torch.ops.isomax;

/** Loss and gradient by the formula, in float64. */
function definition(logits: Tensor, labels: Tensor, scale: number) {
  const z = logits.detach().to('float64').mul(scale);
  const onehot = torch.zeros(z.shape, { dtype: 'float64' }).scatter(1, labels.unsqueeze(1), 1);
  const loss = z.logsumexp(1).sub(z.mul(onehot).sum(1)).mean().item();
  return {
    loss,
    gradient: z
      .softmax(1)
      .sub(onehot)
      .mul(scale / z.shape[0]!),
  };
}

function ours(logits: Tensor, labels: Tensor, scale: number) {
  const leaf = logits.clone().requiresGrad_(true);
  const loss = entropicLoss(leaf, labels, scale);
  loss.backward();
  return { loss: loss.item(), dtype: loss.dtype, gradient: leaf.grad! };
}

describe('the loss and its gradient', () => {
  it('are those of the formula, for any sizes, spreads and scales', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 2500 }),
        fc.double({ min: -3, max: 3, noNaN: true }),
        fc.double({ min: -2, max: 2, noNaN: true }),
        fc.constantFrom<DType>('float32', 'float64'),
        fc.nat(),
        (n, c, spread, exponent, dtype, seed) =>
          tidy(() => {
            torch.manualSeed(seed);
            const scale = 10 ** exponent;
            const logits = torch
              .randn([n, c], { dtype })
              .mul(10 ** spread)
              .sub(5);
            const labels = torch.randint(c, [n]);
            const truth = definition(logits, labels, scale);
            const mine = ours(logits, labels, scale);
            const digits = dtype === 'float32' ? 1e-6 : 1e-13;
            expect(Math.abs(mine.loss - truth.loss)).toBeLessThanOrEqual(digits * Math.max(truth.loss, 1));
            expect(mine.gradient.sub(truth.gradient).abs().max().item()).toBeLessThanOrEqual((digits * scale) / n);
          }),
      ),
      { numRuns: 100 },
    );
  });

  it('are exact for logits far apart, and nothing is subnormal', () => {
    const logits = torch.tensor([[0, -8.9, -1e6, Number.NEGATIVE_INFINITY]], { dtype: 'float32' });
    const { loss, gradient } = ours(logits, torch.tensor([2]), 10);
    expect(loss).toBe(1e7);
    expect(gradient.tolist()).toEqual([[10, 0, -10, 0]]);
    expect(ours(logits, torch.tensor([3]), 10).loss).toBe(Number.POSITIVE_INFINITY);
  });

  it('are NaN where a logit is, in its row', () => {
    const logits = torch.tensor(
      [
        [0, Number.NaN],
        [0, 1],
      ],
      { dtype: 'float32' },
    );
    const { loss, gradient } = ours(logits, torch.tensor([0, 1]), 10);
    expect(loss).toBeNaN();
    expect(gradient.isnan().tolist()).toEqual([
      [true, true],
      [false, false],
    ]);
  });

  it('keep the dtype, and take any strides', () => {
    torch.manualSeed(2);
    const [logits, labels] = [torch.randn([6, 5]), torch.randint(5, [12])];
    for (const dtype of ['float32', 'float64', 'bfloat16', 'float16'] as const) {
      const given = logits.to(dtype).t().contiguous().t();
      const mine = ours(given, labels.view([6, 2]).select(1, 0), 10);
      const truth = definition(given, labels.view([6, 2]).select(1, 0), 10);
      expect([mine.dtype, mine.gradient.dtype]).toEqual([dtype, dtype]);
      const digits = { float32: 1e-6, float64: 1e-14, bfloat16: 2 ** -8, float16: 2 ** -11 }[dtype];
      expect(Math.abs(mine.loss - truth.loss)).toBeLessThan(digits * truth.loss);
    }
  });

  it('can be differentiated again', () => {
    torch.manualSeed(2);
    const logits = torch.randn([3, 4], { dtype: 'float64', requiresGrad: true });
    const labels = torch.tensor([0, 3, 1]);
    const direction = torch.randn([3, 4], { dtype: 'float64' });
    const slope = (z: Tensor, createGraph = false) =>
      torch.autograd
        .grad(entropicLoss(z, labels, 3), [z], { createGraph })[0]!
        .mul(direction)
        .sum();
    slope(logits, true).backward();
    for (const [i, row] of (logits.grad!.tolist() as number[][]).entries())
      for (const [j, value] of row.entries()) {
        const at = (sign: number) => {
          const moved = logits.detach().clone();
          moved
            .select(0, i)
            .select(0, j)
            .add_(sign * 1e-5);
          return slope(moved.requiresGrad_(true)).item();
        };
        expect(value).toBeCloseTo((at(1) - at(-1)) / 2e-5, 6);
      }
  });
});

describe('it refuses', () => {
  const [logits, labels] = [torch.zeros([3, 4]), torch.tensor([0, 1, 2])];
  it('wrong shapes, dtypes, scales, and labels that are no class', () => {
    expect(() => entropicLoss(logits.view([12]), labels, 10)).toThrow(/logits of shape \[N, C\]/);
    expect(() => entropicLoss(logits, torch.tensor([0, 1]), 10)).toThrow(/labels of shape \[N\]/);
    expect(() => entropicLoss(logits, labels.to('int32'), 10)).toThrow(/int64/);
    expect(() => entropicLoss(logits.to('int64'), labels, 10)).toThrow(/floating dtype/);
    for (const scale of [0, -1, Number.NaN]) expect(() => entropicLoss(logits, labels, scale)).toThrow(/above 0/);
    for (const wrong of [4, -1, -100])
      expect(() => entropicLoss(logits, torch.tensor([0, 1, wrong]), 10)).toThrow(
        expect.objectContaining({ code: 'ERR_INDEX', message: expect.stringMatching(/labels from 0 to 3/) }),
      );
  });
});
