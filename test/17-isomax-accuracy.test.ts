// How exact isomax::distance_logits is where a matrix product is not: features at their prototypes, offsets, clusters,
// large and small numbers, long vectors. Against the definition in float64; and what is not a number goes as in cdist.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { functional } from '../lib/nn/index.js';
import { type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { decode, encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const { distanceLogits } = torch.ops.isomax;
const library = new URL('../build/Release/libisomax.so', import.meta.url).pathname;

type Pair = [features: Tensor, prototypes: Tensor];

/** Logits and gradients of both sides by the definition, in float64. */
function definition(features: Tensor, prototypes: Tensor, upstream: Tensor) {
  const difference = features.to('float64').unsqueeze(1).sub(prototypes.to('float64').unsqueeze(0));
  const distance = difference.pow(2).sum(2).sqrt();
  const coefficient = upstream.to('float64').div(distance).maskedFill(distance.eq(0), 0);
  const directions = difference.mul(coefficient.unsqueeze(2));
  return { logits: distance.neg(), features: directions.sum(1).neg(), prototypes: directions.sum(0) };
}

function ours(features: Tensor, prototypes: Tensor, upstream: Tensor) {
  const [f, p] = [features.clone().requiresGrad_(true), prototypes.clone().requiresGrad_(true)];
  const logits = distanceLogits(f, p);
  logits.backward(upstream);
  return { logits: logits.detach(), features: f.grad!, prototypes: p.grad! };
}

/**
 * The largest relative error of a distance, and the largest error of a row of the gradients relative to Σ|g| of that row:
 * each pair adds a vector of length |g| to it.
 */
function errors([features, prototypes]: Pair) {
  const upstream = torch.randn([features.shape[0]!, prototypes.shape[0]!]);
  const truth = definition(features, prototypes, upstream);
  const mine = ours(features, prototypes, upstream);
  const distance = truth.logits.abs();
  const error = mine.logits.sub(truth.logits).abs();
  const forward = error.div(torch.where(distance.eq(0), 1, distance));
  const row = (side: 'features' | 'prototypes', dim: number) =>
    mine[side].sub(truth[side]).norm(2, 1).div(upstream.abs().sum(dim)).max().item();
  return { forward: forward.max().item(), backward: Math.max(row('features', 1), row('prototypes', 0)) };
}

/** Rows of length 1. */
const directions = (n: number, d: number) => functional.normalize(torch.randn([n, d]));

const hard: Record<string, (n: number, c: number, d: number) => Pair> = {
  'random numbers': (n, c, d) => [torch.randn([n, d]), torch.randn([c, d])],
  ...Object.fromEntries(
    [1e-3, 1, 25].map((distance) => [
      `features at ${distance} from prototypes of norm 100`,
      (n: number, c: number, d: number): Pair => {
        const prototypes = directions(c, d).mul(100);
        const own = prototypes.indexSelect(0, torch.arange(n).remainder(c));
        return [own.add(directions(n, d).mul(distance)), prototypes];
      },
    ]),
  ),
  duplicates: (n, c, d) => {
    const prototypes = torch.randn([c, d]);
    return [prototypes.indexSelect(0, torch.arange(n).remainder(c)), prototypes];
  },
  'prototypes of zeros': (n, c, d) => [torch.randn([n, d]), torch.zeros([c, d])],
  zeros: (n, c, d) => [torch.zeros([n, d]), torch.zeros([c, d])],
  'a common offset of 50': (n, c, d) => [torch.randn([n, d]).add(50), torch.randn([c, d]).add(50)],
  'an offset of one side': (n, c, d) => [torch.randn([n, d]).add(5), torch.randn([c, d])],
  // No one centre serves: the first makes half of the pairs near ones, the second puts them just beside the bound.
  'two clusters far apart': (n, c, d) => clusters(n, c, d, 50),
  'two clusters at the bound': (n, c, d) => clusters(n, c, d, 3),
  'positive numbers': (n, c, d) => [torch.rand([n, d]), torch.rand([c, d])],
  'unit vectors': (n, c, d) => [directions(n, d), directions(c, d)],
  'a scale of 1e4': (n, c, d) => [torch.randn([n, d]).mul(1e4), torch.randn([c, d]).mul(1e4)],
  'a scale of 1e-4': (n, c, d) => [torch.randn([n, d]).mul(1e-4), torch.randn([c, d]).mul(1e-4)],
  'a scale of 1e15': (n, c, d) => [torch.randn([n, d]).mul(1e15), torch.randn([c, d]).mul(1e15)],
  'a scale of 1e-15': (n, c, d) => [torch.randn([n, d]).mul(1e-15), torch.randn([c, d]).mul(1e-15)],
};

/** Two opposed clusters that both sides are in. */
function clusters(n: number, c: number, d: number, offset: number): Pair {
  const centre = torch.randn([d]).abs().mul(offset);
  const sign = (rows: number) => torch.arange(rows).remainder(2).mul(2).sub(1).unsqueeze(1);
  return [torch.randn([n, d]).add(sign(n).mul(centre)), torch.randn([c, d]).add(sign(c).mul(centre))];
}

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
  const cdist = (f: Tensor, p: Tensor) => torch.cdist(f, p, 2, 2).neg(); // mode 2: from coordinate differences
  const results = (head: typeof cdist, features: Tensor, prototypes: Tensor) => {
    const [f, p] = [features.clone().requiresGrad_(true), prototypes.clone().requiresGrad_(true)];
    const logits = head(f, p);
    logits.sum().backward();
    return [logits.detach(), f.grad!, p.grad!];
  };
  const at = (tensor: Tensor, value: number) => {
    tensor.select(0, 1).select(0, 2).fill_(value);
    return tensor;
  };
  const random = (): Pair => {
    torch.manualSeed(4);
    return [torch.randn([5, 40]), torch.randn([4, 40])];
  };
  const cases: Record<string, (pair: Pair) => Pair> = {
    'NaN in a feature': ([f, p]) => [at(f, Number.NaN), p],
    'NaN in a prototype': ([f, p]) => [f, at(p, Number.NaN)],
    'infinity in a feature': ([f, p]) => [at(f, Number.POSITIVE_INFINITY), p],
    'minus infinity in a prototype': ([f, p]) => [f, at(p, Number.NEGATIVE_INFINITY)],
    'infinity in both': ([f, p]) => [at(f, Number.POSITIVE_INFINITY), at(p, Number.POSITIVE_INFINITY)],
    'a scale of 1e18': ([f, p]) => [f.mul(1e18), p.mul(1e18)],
    'a scale of 1e20, where squares are infinite': ([f, p]) => [f.mul(1e20), p.mul(1e20)],
    'close to prototypes at 1e20': ([f, p]) => [
      p
        .narrow(0, 0, 3)
        .add(f.narrow(0, 0, 3).mul(1e-4))
        .mul(1e20),
      p.mul(1e20),
    ],
    'a scale of 1e-18': ([f, p]) => [f.mul(1e-18), p.mul(1e-18)],
    'a scale of 1e-25, where squares are 0': ([f, p]) => [f.mul(1e-25), p.mul(1e-25)],
  };
  for (const [name, make] of Object.entries(cases)) {
    it(`goes as in cdist: ${name}`, () => {
      const pair = make(random());
      const [mine, theirs] = [results(distanceLogits, ...pair), results(cdist, ...pair)];
      for (const [i, value] of mine.entries()) {
        const largest = theirs[i]!.nanToNum(0, 0, 0).abs().max().item();
        expect([i, value.allclose(theirs[i]!, 1e-5, largest * 1e-5, { equalNan: true })]).toEqual([i, true]);
      }
    });
  }

  it('leaves rows without it as they are', () => {
    const [f, p] = random();
    const before = distanceLogits(f, p);
    const after = distanceLogits(at(f.clone(), Number.NaN), p);
    expect(after.select(0, 1).isnan().all().item()).toBe(true);
    expect(after.select(0, 0).equal(before.select(0, 0))).toBe(true);
  });

  it('counts as no gradient where it is below the smallest normal number', () => {
    const [f, p] = random();
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
