// How exact isomax::distance_logits is where a matrix product is not: features at their prototypes, offsets, clusters,
// large and small numbers, long vectors. Against the definition in float64; and what is not a number goes as in cdist.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { agreesWithCdist, definition, errors, hard, odd, randomPair, withNumber } from './support/distances.js';
import { decode, encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const { distanceLogits } = torch.ops.isomax;
const library = new URL('../build/Release/libisomax.so', import.meta.url).pathname;

describe('in float32', () => {
  for (const [name, make] of Object.entries(hard)) {
    it(`distances are right to 1e-5 and gradients to 1e-6: ${name}`, () => {
      torch.manualSeed(3);
      for (const d of [1, 7, 128, 342, 2048, 4096]) {
        tidy(() => {
          const { forward, backward } = errors(make(24, 10, d));
          expect([d, forward < 1e-5, backward < 1e-6, forward, backward]).toEqual([d, true, true, forward, backward]);
        });
      }
    });
  }

  it('the same holds for any sizes, scales, offsets and nearness', () => {
    const exponent = (min: number, max: number) => fc.double({ min, max, noNaN: true }).map((x) => 10 ** x);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 600 }),
        exponent(-6, 6),
        exponent(-2, 3),
        exponent(-4, 2),
        fc.nat(),
        (n, c, d, scale, offset, nearness, seed) =>
          tidy(() => {
            torch.manualSeed(seed);
            const prototypes = torch
              .randn([c, d])
              .add(torch.randn([d]).mul(offset))
              .mul(scale);
            const own = prototypes.indexSelect(0, torch.randint(c, [n]));
            const { forward, backward } = errors([own.add(torch.randn([n, d]).mul(nearness * scale)), prototypes]);
            expect(forward).toBeLessThan(1e-5);
            expect(backward).toBeLessThan(1e-6);
          }),
      ),
      { numRuns: 200 },
    );
  });
});

describe('what is not a number, or too large or too small for a square', () => {
  for (const [name, make] of Object.entries(odd)) {
    it(`goes as in cdist: ${name}`, () => {
      expect(agreesWithCdist(make(randomPair()))).toEqual({ logits: true, features: true, prototypes: true });
    });
  }

  it('leaves rows without it as they are', () => {
    const [f, p] = randomPair();
    const before = distanceLogits(f, p);
    const after = distanceLogits(withNumber(f.clone(), Number.NaN), p);
    expect(after.select(0, 1).isnan().all().item()).toBe(true);
    expect(after.select(0, 0).equal(before.select(0, 0))).toBe(true);
  });

  it('counts as no gradient where it is below the smallest normal number', () => {
    const [f, p] = randomPair();
    f.requiresGrad_(true);
    distanceLogits(f, p).backward(torch.full([5, 4], 1e-39));
    expect(f.grad!.abs().max().item()).toBe(0);
  });
});

const { it: withPython } = needs(python, 'a Python that has torch');
withPython('the loops for older processors are as exact', () => {
  torch.manualSeed(6);
  const names = [
    'random numbers',
    'a common offset of 50',
    'two clusters far apart',
    'features at 1 from prototypes of norm 100',
  ];
  const inputs = names.map((name) => hard[name]!(33, 21, 131)).map(([f, p]) => [f, p, torch.randn([33, 21])] as const);
  const code = `
    torch.ops.load_library(input['library'])
    out = []
    for f, p, g in input['cases']:
        f, p = T(f).requires_grad_(), T(p).requires_grad_()
        z = torch.ops.isomax.distance_logits(f, p)
        z.backward(T(g))
        out.append([z, f.grad, p.grad])
    emit({'capability': torch.backends.cpu.get_cpu_capability(), 'cases': out})`;
  const cases = inputs.map((tensors) => tensors.map(encode));
  const given = process.env.ATEN_CPU_CAPABILITY;
  process.env.ATEN_CPU_CAPABILITY = 'default'; // LibTorch takes it for its own kernels, and we for ours
  try {
    const answer = runPython(code, { library, cases });
    expect(answer.capability).toMatch(/^(DEFAULT|NO AVX)$/);
    for (const [i, [features, prototypes, upstream]] of inputs.entries()) {
      const truth = definition(features, prototypes, upstream);
      const [logits, f, p] = answer.cases[i].map(decode) as [Tensor, Tensor, Tensor];
      expect(logits.sub(truth.logits).div(truth.logits).abs().max().item()).toBeLessThan(1e-5);
      const sums = [upstream.abs().sum(1), upstream.abs().sum(0)] as const;
      expect(f.sub(truth.features).norm(2, 1).div(sums[0]).max().item()).toBeLessThan(1e-6);
      expect(p.sub(truth.prototypes).norm(2, 1).div(sums[1]).max().item()).toBeLessThan(1e-6);
    }
  } finally {
    if (given === undefined) delete process.env.ATEN_CPU_CAPABILITY;
    else process.env.ATEN_CPU_CAPABILITY = given;
  }
});
