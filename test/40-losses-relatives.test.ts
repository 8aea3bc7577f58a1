// LogitNorm and the head of G-ODIN beside test/fixtures/make_losses.py, their first values, what holds of them by their
// definition, in half precision and in a captured step.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { autocast } from '../lib/amp/index.js';
import * as losses from '../lib/losses/index.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import { capture, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { numericalGradient } from './support/gradients.js';

type Values = number | number[] | number[][];

interface LogitNormCase {
  name: string;
  logits: number[][];
  labels: number[];
  tau: number;
  results: Record<'loss' | 'd logits', Values>;
}

interface GodinCase {
  name: string;
  similarity: losses.Similarity;
  temperature: number;
  labels: number[];
  inputs: Record<'features' | 'weight' | 'v' | 'c' | 'gamma' | 'beta', Values> & { bias?: number[] };
  results: Record<string, Values>;
  after: { mean: number; var: number; logits: number[][] };
}

const golden = JSON.parse(readFileSync(new URL('fixtures/losses.json', import.meta.url), 'utf8')) as {
  logitnorm: LogitNormCase[];
  godin: GodinCase[];
};

const code = (value: string) => expect.objectContaining({ code: value });
const tensor = (values: Values, dtype: 'float64' | 'float32' = 'float64') =>
  torch.tensor(values as number[], { dtype });
const precisions = [
  ['float64', 1e-10],
  ['float32', 1e-6],
] as const;

/** Largest difference, relative to the largest element of the truth or to `scale`. */
function error(mine: Tensor, truth: Values, scale = tensor(truth).abs().max().item()): number {
  return mine.detach().to('float64').sub(tensor(truth)).abs().max().item() / (scale === 0 ? 1 : scale);
}

describe('LogitNorm', () => {
  for (const { name, logits, labels, tau, results } of golden.logitnorm)
    it(`${name}: loss and gradient are the formula's, to 1e-10 in float64 and 1e-6 in float32`, () => {
      for (const [dtype, limit] of precisions) {
        const z = tensor(logits, dtype).requiresGrad_(true);
        const loss = new losses.LogitNormLoss({ tau }).forward(z, torch.tensor(labels));
        loss.backward();
        expect(loss.dtype).toBe(dtype);
        expect(error(loss, results.loss)).toBeLessThanOrEqual(limit);
        expect(error(z.grad!, results['d logits'])).toBeLessThanOrEqual(limit);
      }
    });

  it('sees the direction alone: the length of the logits changes nothing, and the gradient is orthogonal to them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 2, max: 9 }),
        fc.double({ min: -3, max: 3, noNaN: true }),
        fc.nat(1e6),
        (n, c, exponent, seed) =>
          tidy(() => {
            torch.manualSeed(seed);
            const logits = torch.randn([n, c], { dtype: 'float64', requiresGrad: true });
            const labels = torch.randint(c, [n]);
            const criterion = new losses.LogitNormLoss();
            const loss = criterion.forward(logits, labels);
            const stretched = criterion.forward(logits.detach().mul(10 ** exponent), labels).item();
            // 1e-7 beside the length of the logits is what is left of it.
            const limit = 25 * 1e-7 * Math.max(1, 10 ** -exponent) * 10;
            expect(Math.abs(stretched - loss.item())).toBeLessThan(limit / logits.norm(2, [1]).min().item());
            loss.backward();
            const along = logits.grad!.mul(logits).sum(1).abs().max().item();
            expect(along).toBeLessThan(1e-4 * logits.grad!.norm().item() + 1e-12);
            expect(loss.item()).toBeLessThanOrEqual(2 / 0.04 + Math.log(c));
          }),
      ),
      { numRuns: 60 },
    );
  });

  it('has the slope that differences tell', () => {
    torch.manualSeed(2);
    const [logits, labels] = [torch.randn([5, 4], { dtype: 'float64', requiresGrad: true }), torch.randint(4, [5])];
    const criterion = new losses.LogitNormLoss({ tau: 0.1 });
    criterion.forward(logits, labels).backward();
    const slope = numericalGradient((z) => criterion.forward(z, labels), logits);
    expect(logits.grad!.sub(slope).abs().max().item()).toBeLessThan(1e-8);
  });

  it('refuses a temperature out of range, and prints it', () => {
    for (const tau of [0, -1, Number.NaN, '1' as never])
      expect(() => new losses.LogitNormLoss({ tau })).toThrow(code('ERR_ARGUMENT'));
    expect(String(new losses.LogitNormLoss())).toBe('LogitNormLoss(tau=0.04)');
    const head = losses.byName('logitnorm').head(4, 3);
    expect(head).toBeInstanceOf(losses.SoftMaxHead);
  });
});

/** The head of a case, with its weights. */
function headOf({ similarity, temperature, inputs }: GodinCase, dtype: 'float64' | 'float32') {
  const weight = tensor(inputs.weight, dtype);
  const head = new losses.GodinHead(weight.shape[1]!, weight.shape[0]!, { similarity, temperature, dtype });
  head.loadStateDict({
    ...Object.fromEntries(head.stateDict()),
    weight,
    ...(inputs.bias && { bias: tensor(inputs.bias, dtype) }),
    'g.0.weight': tensor(inputs.v, dtype),
    'g.0.bias': tensor(inputs.c, dtype),
    'g.1.weight': tensor(inputs.gamma, dtype),
    'g.1.bias': tensor(inputs.beta, dtype),
  });
  return head;
}

describe('G-ODIN', () => {
  for (const entry of golden.godin)
    it(`${entry.name}: h, g, logits, loss and gradients are the formula's, to 1e-10 in float64 and 1e-6 in float32`, () => {
      for (const [dtype, limit] of precisions) {
        const head = headOf(entry, dtype);
        const features = tensor(entry.inputs.features, dtype).requiresGrad_(true);
        const logits = head.forward(features);
        const loss = new losses.SoftMaxLoss().forward(logits, torch.tensor(entry.labels));
        loss.backward();
        const gradients = head.namedParameters();
        const names = {
          weight: 'weight',
          bias: 'bias',
          v: 'g.0.weight',
          c: 'g.0.bias',
          gamma: 'g.1.weight',
          beta: 'g.1.bias',
        };
        const values: Record<string, Tensor> = { logits, loss, 'd features': features.grad! };
        for (const [name, key] of Object.entries(names))
          if (gradients.has(key)) values[`d ${name}`] = gradients.get(key)!.grad!;
        values.h = head.numerator(features);
        const largest = tensor(entry.results['d v']!).abs().max().item();
        for (const [key, truth] of Object.entries(entry.results)) {
          if (key === 'g') continue;
          // The norm takes the bias away again: its gradient is 0 but for the rounding of what adds up to it.
          const off = error(values[key]!, truth, key === 'd c' ? largest : undefined);
          expect([dtype, key, off <= limit || off]).toEqual([dtype, key, true]);
        }
        const { runningMean, runningVar } = head.g.at(1) as nn.BatchNorm1d;
        expect(error(runningMean!, [entry.after.mean])).toBeLessThanOrEqual(limit);
        expect(error(runningVar!, [entry.after.var])).toBeLessThanOrEqual(limit);
        head.eval();
        expect(error(head.forward(features), entry.after.logits)).toBeLessThanOrEqual(limit);
        expect(
          error(head.numerator(features).div(head.denominator(features)).div(entry.temperature), entry.after.logits),
        ).toBeLessThanOrEqual(limit);
        const again = headOf(entry, dtype);
        expect(error(again.denominator(features), entry.results.g!)).toBeLessThanOrEqual(limit);
      }
    });

  it('starts as the paper has it: h by He, no bias but in the inner product, g as PyTorch makes it', () => {
    torch.manualSeed(6);
    for (const similarity of ['inner', 'euclidean', 'cosine'] as const) {
      const head = new losses.GodinHead(512, 100, { similarity });
      const state = head.stateDict();
      const g = [
        '0.weight',
        '0.bias',
        '1.weight',
        '1.bias',
        '1.running_mean',
        '1.running_var',
        '1.num_batches_tracked',
      ];
      const own = similarity === 'inner' ? ['weight', 'bias'] : ['weight'];
      expect([...state.keys()]).toEqual([...own, ...g.map((key) => `g.${key}`)]);
      const weight = state.get('weight')!;
      expect(weight.std().item()).toBeGreaterThan(0.99 * Math.sqrt(2 / 512));
      expect(weight.std().item()).toBeLessThan(1.01 * Math.sqrt(2 / 512));
      expect(Math.abs(weight.mean().item())).toBeLessThan(1e-3);
      if (similarity === 'inner') expect(state.get('bias')!.abs().max().item()).toBe(0);
      const largest = state.get('g.0.weight')!.abs().max().item() * Math.sqrt(512);
      expect(largest).toBeGreaterThan(0.98);
      expect(largest).toBeLessThanOrEqual(1);
      expect(String(head)).toContain(`num_features=512, num_classes=100, similarity=${similarity}`);
    }
    expect((losses.byName('godin').head(4, 2) as losses.GodinHead).similarity).toBe('cosine');
    expect(() => new losses.GodinHead(4, 2, { similarity: 'dot' as never })).toThrow(code('ERR_ARGUMENT'));
  });

  it("decides as h does, its cosines lie between −1 and 1 whatever the lengths, and OpenOOD's keys load", () => {
    torch.manualSeed(8);
    const head = new losses.GodinHead(6, 5).eval();
    const features = torch.randn([40, 6]);
    const [logits, h] = [head.forward(features), head.numerator(features)];
    expect(logits.argmax(1).equal(h.argmax(1))).toBe(true);
    expect(h.abs().max().item()).toBeLessThanOrEqual(1 + 1e-6);
    expect(head.numerator(features.mul(1e3)).sub(h).abs().max().item()).toBeLessThan(1e-6);
    const theirs = new Map([...head.stateDict()].map(([key, value]) => [key === 'weight' ? 'h.h.weight' : key, value]));
    const copy = new losses.GodinHead(6, 5).eval();
    copy.loadStateDict(theirs);
    expect(copy.forward(features).equal(logits)).toBe(true);
  });

  it('stays finite for features of zeros, and where g underflows', () => {
    for (const similarity of ['inner', 'euclidean', 'cosine'] as const) {
      const head = new losses.GodinHead(4, 3, { similarity });
      const features = torch.cat([torch.zeros([2, 4]), torch.randn([2, 4])]).requiresGrad_(true);
      new losses.SoftMaxLoss().forward(head.forward(features), torch.tensor([0, 1, 2, 0])).backward();
      for (const { grad } of [features, ...head.parameters()]) {
        expect(grad === null || grad.isfinite().all().item()).toBe(true);
      }
      head.eval();
      nn.init.constant_((head.g.at(1) as nn.BatchNorm1d).bias!, -200);
      expect(head.denominator(features).max().item()).toBe(0);
      expect(head.forward(features).isfinite().all().item()).toBe(true);
    }
  });

  it('refuses a single row in training, for it has no variance', () => {
    const head = new losses.GodinHead(4, 3);
    expect(() => head.forward(torch.ones([1, 4]))).toThrow(/more than one value a channel/);
    expect(head.eval().forward(torch.ones([1, 4])).shape).toEqual([1, 3]);
  });
});

describe('both train', () => {
  async function train(name: 'logitnorm' | 'godin', captured: boolean, half: boolean) {
    torch.manualSeed(12);
    const { head, criterion: make } = losses.byName(name);
    const net = new nn.Sequential(new nn.Linear(12, 16), new nn.ReLU(), head(16, 4));
    const criterion = make();
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.02, momentum: 0.9, nesterov: true });
    const forward = (x: Tensor, y: Tensor) => criterion.forward(net.forward(x), y);
    const step = (x: Tensor, y: Tensor) => {
      const loss = half ? autocast('cpu', 'bfloat16', () => forward(x, y)) : forward(x, y);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return { loss };
    };
    const labels = torch.randint(4, [24]);
    const features = torch.randn([24, 12]).add(labels.unsqueeze(1));
    const recorded = capture(step);
    const seen: number[] = [];
    for (let i = 0; i < 80; i++) {
      if (captured) seen.push((await recorded(features, labels)).loss.item());
      else tidy(() => seen.push(step(features, labels).loss.item()));
    }
    return { seen, weights: [...net.stateDict()].map(([key, value]) => [key, value.tolist()]) };
  }

  for (const name of ['logitnorm', 'godin'] as const)
    it(`${name}: a captured step equals an eager one to the bit, in float32 and autocast, and lowers the loss`, async () => {
      const [single, half] = [await train(name, false, false), await train(name, false, true)];
      expect(await train(name, true, false)).toEqual(single);
      expect(await train(name, true, true)).toEqual(half);
      expect(single.seen.at(-1)!).toBeLessThan(single.seen[0]! / 2);
      expect(half.seen.at(-1)!).toBeLessThan(half.seen[0]! / 2);
      expect(Math.abs(half.seen[0]! - single.seen[0]!)).toBeLessThan(0.02 * single.seen[0]!);
    });

  it('bfloat16 parameters give what float32 gives, within their rounding', () => {
    for (const similarity of ['inner', 'euclidean', 'cosine'] as const) {
      torch.manualSeed(13);
      const head = new losses.GodinHead(16, 5, { similarity, dtype: 'bfloat16' });
      const wide = new losses.GodinHead(16, 5, { similarity });
      wide.loadStateDict(head.stateDict());
      const features = torch.randn([32, 16]).to('bfloat16');
      const [low, high] = [head.forward(features), wide.forward(features.to('float32'))];
      expect(low.dtype).toBe('bfloat16');
      expect(low.sub(high).abs().max().item()).toBeLessThan(0.03 * high.abs().max().item());
    }
    const [logits, labels] = [torch.randn([32, 5]).to('bfloat16'), torch.randint(5, [32])];
    const criterion = new losses.LogitNormLoss();
    const exact = criterion.forward(logits.to('float64'), labels).item();
    expect(Math.abs(criterion.forward(logits, labels).item() - exact)).toBeLessThan(1e-6 * exact);
  });
});
