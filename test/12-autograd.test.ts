// Gradients: against finite differences, through the modes, and the refusals that PyTorch makes too.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { numericalGradient } from './support/gradients.js';

const float64 = { dtype: 'float64' } as const;

describe('gradients', () => {
  const functions: Record<string, (x: Tensor) => Tensor> = {
    'tanh of a product': (x) => x.matmul(x.t()).tanh().sum(),
    'log-softmax': (x) => x.logSoftmax(1).mul(x).sum(),
    'mean of squares over a view': (x) => x.t().slice(0, 1).pow(2).mean(),
    convolution: (x) =>
      torch
        .conv2d(x.view([1, 1, 3, 4]), torch.ones([2, 1, 2, 2], float64), null, { padding: 1 })
        .sigmoid()
        .sum(),
    'in-place on a copy': (x) => x.clone().mul_(3).add_(x).exp().sum(),
    distances: (x) =>
      torch.ops.isomax
        .distanceLogits(x, torch.arange(8, float64).view([2, 4]))
        .pow(2)
        .sum(),
  };
  for (const [name, fn] of Object.entries(functions)) {
    it(`equal finite differences: ${name}`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) =>
          tidy(() => {
            torch.manualSeed(seed);
            const x = torch.randn([3, 4], { ...float64, requiresGrad: true });
            fn(x).backward();
            const numerical = numericalGradient(fn, x);
            const scale = Math.max(1, numerical.abs().max().item());
            const difference = x.grad!.sub(numerical).abs().max().item() / scale;
            expect(difference).toBeLessThan(1e-6);
          }),
        ),
        { numRuns: 5 },
      );
    });
  }

  it('add up in .grad, and setting it is checked', () => {
    const x = torch.ones([2], { requiresGrad: true });
    x.sum().backward();
    x.sum().backward();
    expect(x.grad?.tolist()).toEqual([2, 2]);
    x.grad = null;
    expect(x.grad).toBeNull();
    expect(() => {
      x.grad = torch.ones([3]);
    }).toThrow(/own shape \[2\]/);
    expect(() => {
      x.grad = torch.ones([2], { dtype: 'float64' });
    }).toThrow(/own dtype float32/);
  });

  it('come as values from autograd.grad, null where allowed and unused', () => {
    const x = torch.tensor([2], { dtype: 'float32', requiresGrad: true });
    const unused = torch.ones([1], { requiresGrad: true });
    const [dx, none] = torch.autograd.grad(x.pow(3), [x, unused], { allowUnused: true });
    expect(dx?.item()).toBe(12);
    expect(none).toBeNull();
    expect(() => torch.autograd.grad(x.pow(3), [unused])).toThrow(expect.objectContaining({ code: 'ERR_AUTOGRAD' }));
  });

  it('of gradients, where asked', () => {
    const x = torch.tensor([2], { dtype: 'float32', requiresGrad: true });
    const [first] = torch.autograd.grad(x.pow(3).sum(), [x], { createGraph: true });
    const [second] = torch.autograd.grad(first!.sum(), [x]);
    expect(second!.item()).toBe(12);
  });

  it('need a scalar or a gradient to start from', () => {
    const x = torch.ones([2], { requiresGrad: true });
    expect(() => x.mul(2).backward()).toThrow(/grad can be implicitly created only for scalar outputs/);
    x.mul(2).backward(torch.tensor([1, 10], { dtype: 'float32' }));
    expect(x.grad?.tolist()).toEqual([2, 20]);
  });

  it('refuse a freed graph by code', () => {
    const x = torch.ones([2], { requiresGrad: true });
    const y = x.exp().sum();
    y.backward(null, { retainGraph: true });
    y.backward();
    expect(() => y.backward()).toThrow(expect.objectContaining({ code: 'ERR_AUTOGRAD' }));
  });
});

describe('modes', () => {
  it('noGrad records nothing, enableGrad inside it does, and both end with their function', () => {
    const x = torch.ones([1], { requiresGrad: true });
    torch.noGrad(() => {
      expect(torch.isGradEnabled()).toBe(false);
      expect(x.mul(2).requiresGrad).toBe(false);
      expect(torch.enableGrad(() => x.mul(2)).requiresGrad).toBe(true);
    });
    expect(torch.isGradEnabled()).toBe(true);
    expect(() =>
      torch.noGrad(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(torch.isGradEnabled()).toBe(true);
  });

  it('inference mode makes tensors that no graph takes', () => {
    const x = torch.ones([1], { requiresGrad: true });
    const inside = torch.inferenceMode(() => x.mul(2));
    expect(inside.requiresGrad).toBe(false);
    expect(() => x.mul(inside).sum().backward()).toThrow(expect.objectContaining({ code: 'ERR_AUTOGRAD' }));
  });

  it('refuse async functions, which would run outside of them', () => {
    expect(() => torch.noGrad(async () => 1)).toThrow(/async/);
    expect(() => tidy(async () => 1)).toThrow(/async/);
  });
});
