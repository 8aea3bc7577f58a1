// isomax::distance_logits, the head of the family: exact where distances are hard, its gradient in closed form, and
// the same library in Python.

import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DType, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { decode, encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const { distanceLogits } = torch.ops.isomax;
const library = fileURLToPath(new URL('../build/Release/libisomax.so', import.meta.url));

/** The definition, in float64: −‖f_i − p_j‖₂. */
const definition = (features: Tensor, prototypes: Tensor) =>
  features.to('float64').unsqueeze(1).sub(prototypes.to('float64').unsqueeze(0)).pow(2).sum(2).sqrt().neg();

const relativeError = (ours: Tensor, exact: Tensor) =>
  ours.to('float64').sub(exact).abs().div(exact.abs().clampMin(1e-30)).max().item();

describe('distances', () => {
  const hard: Record<string, () => [Tensor, Tensor]> = {
    'random features': () => [torch.randn([64, 128]), torch.randn([10, 128])],
    'features at 1e-3 from a prototype of norm 100': () => {
      const prototypes = torch.randn([10, 128]).mul(10);
      return [prototypes.repeat([6, 1]).add(torch.randn([60, 128]).mul(1e-4)), prototypes];
    },
    'a common offset of 50': () => [torch.randn([64, 32]).add(50), torch.randn([10, 32]).add(50)],
    'a scale of 1e4': () => [torch.randn([64, 32]).mul(1e4), torch.randn([10, 32]).mul(1e4)],
    'a scale of 1e-4': () => [torch.randn([64, 32]).mul(1e-4), torch.randn([10, 32]).mul(1e-4)],
    'one dimension': () => [torch.randn([5, 1]), torch.randn([3, 1])],
  };
  for (const [name, make] of Object.entries(hard)) {
    it(`are exact to 1e-5 in float32: ${name}`, () => {
      torch.manualSeed(3);
      const [features, prototypes] = make();
      expect(relativeError(distanceLogits(features, prototypes), definition(features, prototypes))).toBeLessThan(1e-5);
    });
  }

  it('are exactly 0 for duplicates and zeros, with gradient 0', () => {
    const features = torch.randn([4, 8], { requiresGrad: true });
    const prototypes = features.detach().clone().requiresGrad_(true);
    const logits = distanceLogits(features, prototypes);
    expect(logits.diagonal().tolist()).toEqual([0, 0, 0, 0].map(() => expect.closeTo(0, 12)));
    logits.diagonal().sum().backward();
    expect(features.grad!.abs().max().item()).toBe(0);
    expect(prototypes.grad!.abs().max().item()).toBe(0);
  });

  it('keep dtype and shape: float64, bfloat16, float16, empty batches, no classes', () => {
    for (const [dtype, tolerance] of [
      ['float64', 1e-14],
      ['bfloat16', 2 ** -8],
      ['float16', 2 ** -10],
    ] as [DType, number][]) {
      const [features, prototypes] = [torch.randn([9, 16]).to(dtype), torch.randn([5, 16]).to(dtype)];
      const logits = distanceLogits(features, prototypes);
      expect(logits.dtype).toBe(dtype);
      expect(relativeError(logits, definition(features, prototypes))).toBeLessThan(tolerance);
    }
    expect(distanceLogits(torch.zeros([0, 3]), torch.zeros([5, 3])).shape).toEqual([0, 5]);
    expect(distanceLogits(torch.zeros([2, 3]), torch.zeros([0, 3])).shape).toEqual([2, 0]);
  });
});

describe('its gradient', () => {
  it('equals the closed form −(f − p)/d in float64, for any sizes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(),
        (n, c, d, seed) =>
          tidy(() => {
            torch.manualSeed(seed);
            const options = { dtype: 'float64', requiresGrad: true } as const;
            const [features, prototypes, upstream] = [
              torch.randn([n, d], options),
              torch.randn([c, d], options),
              torch.randn([n, c], { dtype: 'float64' }),
            ];
            distanceLogits(features, prototypes).backward(upstream);
            const difference = features.detach().unsqueeze(1).sub(prototypes.detach().unsqueeze(0));
            const direction = difference
              .div(difference.pow(2).sum(2, { keepdim: true }).sqrt())
              .mul(upstream.unsqueeze(2))
              .neg();
            expect(features.grad!.sub(direction.sum(1)).abs().max().item()).toBeLessThan(1e-12);
            expect(prototypes.grad!.add(direction.sum(0)).abs().max().item()).toBeLessThan(1e-12);
          }),
      ),
      { numRuns: 50 },
    );
  });

  it('comes in the inputs’ dtype, and only where asked', () => {
    const features = torch.randn([4, 8]).to('bfloat16').requiresGrad_(true);
    const prototypes = torch.randn([3, 8]).to('bfloat16');
    distanceLogits(features, prototypes).sum().backward();
    expect(features.grad!.dtype).toBe('bfloat16');
    expect(prototypes.grad).toBeNull();
  });

  it('has no derivative of its own, and says so', () => {
    const features = torch.randn([4, 8], { requiresGrad: true });
    const prototypes = torch.randn([3, 8], { requiresGrad: true });
    const [first] = torch.autograd.grad(distanceLogits(features, prototypes).sum(), [features], { createGraph: true });
    expect(() => first!.sum().backward()).toThrow(/differentiable once/);
  });
});

describe('what it refuses', () => {
  it('wrong shapes, dtypes and devices, in words', () => {
    const f = torch.zeros([2, 3]);
    expect(() => distanceLogits(f, torch.zeros([4, 5]))).toThrow(/same size of their last dimension/);
    expect(() => distanceLogits(torch.zeros([3]), f)).toThrow(/features of shape \[N, d\]/);
    expect(() => distanceLogits(f, torch.zeros([4, 3], { dtype: 'float64' }))).toThrow(/same dtype/);
    expect(() =>
      distanceLogits(torch.zeros([2, 3], { dtype: 'int64' }), torch.zeros([2, 3], { dtype: 'int64' })),
    ).toThrow(/floating dtype/);
  });
});

const { it: withPython } = needs(python, 'a Python that has torch');
withPython("equals the authors' formulation in Python bit for bit, and Python loads the same library", () => {
  torch.manualSeed(5);
  const cases = (['float32', 'float64'] as const).map((dtype) => ({
    features: torch.randn([33, 20], { dtype, requiresGrad: true }),
    prototypes: torch.randn([10, 20], { dtype, requiresGrad: true }),
    upstream: torch.randn([33, 10], { dtype }),
  }));
  const code = `
    torch.ops.load_library(input['library'])
    def grads(head, case):
        f, p = T(case['features']).requires_grad_(), T(case['prototypes']).requires_grad_()
        z = head(f, p)
        z.backward(T(case['upstream']))
        return [z, f.grad, p.grad]
    authors = lambda f, p: -torch.cdist(f, p, p=2.0, compute_mode='donot_use_mm_for_euclid_dist')
    emit([[grads(authors, c), grads(torch.ops.isomax.distance_logits, c)] for c in input['cases']])`;
  const results = runPython(code, {
    library,
    cases: cases.map((tensors) =>
      Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, encode(tensor.detach())])),
    ),
  });
  for (const [i, { features, prototypes, upstream }] of cases.entries()) {
    const logits = distanceLogits(features, prototypes);
    logits.backward(upstream);
    const ours = [logits.detach(), features.grad!, prototypes.grad!].map((tensor) => encode(tensor.contiguous()));
    expect(ours).toEqual(results[i][0]);
    expect(ours).toEqual(results[i][1]);
    expect(decode(results[i][0][0]).shape).toEqual([33, 10]);
  }
});
