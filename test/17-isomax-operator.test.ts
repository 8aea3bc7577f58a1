// isomax::distance_logits, the head of the family: its values, its gradient in closed form, what it refuses, and the same
// library in Python. How exact it is where that is hard: 17-isomax-accuracy.test.ts.

import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DType, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const { distanceLogits } = torch.ops.isomax;
const library = fileURLToPath(new URL('../build/Release/libisomax.so', import.meta.url));

/** The definition, in float64: −‖f_i − p_j‖₂. */
const definition = (features: Tensor, prototypes: Tensor) =>
  features.to('float64').unsqueeze(1).sub(prototypes.to('float64').unsqueeze(0)).pow(2).sum(2).sqrt().neg();

const relativeError = (ours: Tensor, exact: Tensor) =>
  ours.to('float64').sub(exact).abs().div(exact.abs().clampMin(1e-30)).max().item();

describe('distances', () => {
  it('are those of the definition', () => {
    torch.manualSeed(3);
    const [features, prototypes] = [torch.randn([64, 128]), torch.randn([10, 128])];
    expect(relativeError(distanceLogits(features, prototypes), definition(features, prototypes))).toBeLessThan(1e-6);
  });

  it('do not depend on strides, and are the same each time, gradients included', () => {
    torch.manualSeed(8);
    const [f, p, g] = [torch.randn([70, 90]).add(1), torch.randn([130, 90]).add(1), torch.randn([70, 130])];
    const run = (features: Tensor, prototypes: Tensor, upstream: Tensor) => {
      const leaves = [features, prototypes].map((tensor) => tensor.detach().requiresGrad_(true)) as [Tensor, Tensor];
      const logits = distanceLogits(...leaves);
      return [logits, ...torch.autograd.grad(logits, leaves, { gradOutputs: [upstream] })].map((t) =>
        encode(t.detach()),
      );
    };
    const plain = run(f, p, g);
    const strided = (tensor: Tensor) => torch.cat([tensor.t(), tensor.t()], 1).t().narrow(0, 0, tensor.shape[0]!);
    expect(strided(f).isContiguous()).toBe(false);
    expect(run(f.t().contiguous().t(), strided(p), g.t().contiguous().t())).toEqual(plain);
    for (let i = 0; i < 5; i++) expect(run(f, p, g)).toEqual(plain);
  });

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

// Ours rounds otherwise than cdist, which takes every pair from coordinate differences: the same numbers but for the last
// digits, so to 1e-6 (and 1e-14 in float64) of the largest one.
withPython("equals the authors' formulation in Python, and Python loads the same library", () => {
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
    const ours = [logits.detach(), features.grad!, prototypes.grad!].map((tensor) => tensor.contiguous());
    const [authors, inPython] = results[i].map((tensors: TensorJson[]) => tensors.map(decode)) as [Tensor[], Tensor[]];
    for (const [k, mine] of ours.entries()) {
      const largest = authors[k]!.abs().max().item();
      const tolerance = (features.dtype === 'float32' ? 1e-6 : 1e-14) * largest;
      expect(authors[k]!.shape).toEqual(mine.shape);
      expect(mine.sub(authors[k]!).abs().max().item()).toBeLessThan(tolerance);
      // The same library on, perhaps, another number of threads.
      expect(mine.sub(inPython[k]!).abs().max().item()).toBeLessThan(tolerance);
    }
  }
});

withPython("Python's tools take it as one of their own: opcheck, meta tensors, autocast, compiled graphs", () => {
  const code = `
    torch.ops.load_library(input)
    head, loss = torch.ops.isomax.distance_logits, torch.ops.isomax.entropic_loss
    f, p, y = torch.randn(6, 5, requires_grad=True), torch.randn(4, 5, requires_grad=True), torch.randint(4, (6,))
    checks = {}
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        leaves = [t.detach().to(dtype).requires_grad_() for t in (f, p)]
        checks[f'head {dtype}'] = torch.library.opcheck(head.default, leaves)
        checks[f'loss {dtype}'] = torch.library.opcheck(loss.default, (leaves[0], y.clamp(max=4), 10.0))
    meta = head(f.to('meta'), p.to('meta'))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half = f @ torch.eye(5)
        mixed = [half, head(half, p), loss(head(half, p).bfloat16(), y, 10.0)]
    full = head(half.float(), p)
    def step(f, p): return torch.autograd.grad(loss(head(f, p), y, 10.0), [f, p])
    compiled = torch.compile(step, backend='aot_eager', dynamic=True)
    exact = head(f, p)
    torch.set_float32_matmul_precision('medium')  # products of bfloat16 where the machine has them
    medium = head(f, p)
    emit({'checks': checks, 'meta': [str(meta.device), meta.shape], 'dtypes': [str(t.dtype) for t in mixed],
          'mixed': (mixed[1] - full).abs().max(), 'medium': ((medium - exact) / exact).abs().max(),
          'compiled': max((a - b).abs().max().item() for a, b in zip(step(f, p), compiled(f, p)))})`;
  const answer = runPython(code, library);
  for (const [name, check] of Object.entries(answer.checks))
    expect([name, new Set(Object.values(check as Record<string, string>))]).toEqual([name, new Set(['SUCCESS'])]);
  expect(answer.meta).toEqual(['meta', [6, 4]]);
  expect(answer.dtypes).toEqual(['torch.bfloat16', 'torch.float32', 'torch.float32']);
  expect(decode(answer.mixed).item()).toBe(0);
  expect(decode(answer.medium).item()).toBeLessThan(1e-6);
  expect(answer.compiled).toBeLessThan(1e-6);
});
