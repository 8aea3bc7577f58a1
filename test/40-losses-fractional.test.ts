// DisMax's regularisation by fractional probabilities: mosaics, targets, loss and gradients beside test/fixtures/make_losses.py,
// and what must hold whatever the batch. Its loss in half precision, in a captured step, and in the trainer.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { autocast } from '../lib/amp/index.js';
import * as data from '../lib/data/index.js';
import * as losses from '../lib/losses/index.js';
import * as models from '../lib/models/index.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import { capture, memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { fit } from '../lib/training/index.js';
import { numericalGradient } from './support/gradients.js';

interface Case {
  name: string;
  features: number[][];
  prototypes: number[][];
  scale: number[];
  labels: number[];
  parts: number[][];
  targets: number[][];
  alpha: number;
  regularized: boolean;
  training: boolean;
  results: Record<'logits' | 'loss' | 'd features' | 'd prototypes' | 'd scale', number | number[]>;
}

interface Mosaic {
  shape: [number, number, number, number];
  labels: number[];
  seed: number;
  images: number[][];
  parts: number[][];
}

const golden = JSON.parse(readFileSync(new URL('fixtures/losses.json', import.meta.url), 'utf8')) as {
  dismax: Case[];
  mosaics: Mosaic[];
};

const code = (value: string) => expect.objectContaining({ code: value });
const int64 = (values: readonly unknown[]) => torch.tensor(values as number[], { dtype: 'int64' });

/** Largest difference, relative to the largest element. */
function error(mine: Tensor, truth: number | number[]): number {
  const exact = torch.tensor(truth as number[], { dtype: 'float64' });
  const largest = exact.abs().max().item();
  return mine.detach().to('float64').sub(exact).abs().max().item() / (largest === 0 ? 1 : largest);
}

function compute(entry: Case, dtype: 'float64' | 'float32', sequential = false) {
  const { labels, parts, alpha, regularized, training } = entry;
  const prototypes = torch.tensor(entry.prototypes, { dtype });
  const head = new losses.DisMaxHead(prototypes.shape[1]!, prototypes.shape[0]!, { dtype });
  head.loadStateDict({ prototypes, distance_scale: torch.tensor(entry.scale, { dtype }) });
  const features = torch.tensor(entry.features, { dtype, requiresGrad: true });
  const criterion = new losses.DisMaxLoss({ alpha, sequential, regularization: regularized ? 'fpr' : null });
  const logits = head.forward(features);
  const loss = criterion.train(training).forward(logits, int64(regularized ? parts : labels));
  loss.backward();
  return {
    logits,
    loss,
    'd features': features.grad!,
    'd prototypes': head.prototypes.grad!,
    'd scale': head.distanceScale.grad!,
  };
}

describe('the loss is that of the paper', () => {
  for (const entry of golden.dismax)
    it(`${entry.name}: loss and gradients, to 1e-10 in float64 and 1e-6 in float32`, () => {
      for (const [dtype, limit] of [
        ['float64', 1e-10],
        ['float32', 1e-6],
      ] as const) {
        for (const [key, value] of Object.entries(compute(entry, dtype))) {
          const off = error(value, entry.results[key as keyof Case['results']]);
          expect([dtype, key, off <= limit || off]).toEqual([dtype, key, true]);
        }
      }
    });

  it('in its sequential form too, away from underflow; beyond it ours alone is finite', () => {
    for (const entry of golden.dismax) {
      const { loss, 'd features': gradient } = compute(entry, 'float64', true);
      expect(error(loss, entry.results.loss)).toBeLessThan(1e-10);
      expect(error(gradient, entry.results['d features'])).toBeLessThan(1e-10);
    }
    const entry = golden.dismax.find(({ name }) => name.includes('underflow'))!;
    expect(compute(entry, 'float32', true).loss.isfinite().item()).toBe(false);
  });

  it("has the slope that differences tell, and the logits' gradients in each row add up to 0", () => {
    torch.manualSeed(3);
    const parts = int64(golden.dismax[1]!.parts);
    const criterion = new losses.DisMaxLoss({ alpha: 0.7 });
    const logits = torch.randn([7, 3], { dtype: 'float64', requiresGrad: true });
    criterion.forward(logits, parts).backward();
    const slope = numericalGradient((z) => criterion.forward(z, parts), logits);
    expect(logits.grad!.sub(slope).abs().max().item()).toBeLessThan(1e-8);
    expect(logits.grad!.sum(1).abs().max().item()).toBeLessThan(1e-14);
  });

  it('is 0 where each probability is its target, whatever the targets', () => {
    const { parts, targets } = golden.dismax.find(({ name }) => name.startsWith('equal labels'))!;
    const logits = torch.tensor(targets, { dtype: 'float64' }).log().clampMin(-1e4).div(10);
    expect(Math.abs(new losses.DisMaxLoss().forward(logits, int64(parts)).item())).toBeLessThan(1e-14);
  });
});

describe('preprocess', () => {
  for (const { shape, labels, seed, images, parts } of golden.mosaics)
    it(`makes the mosaics of the paper of ${shape.join('×')} images`, () => {
      const count = shape.reduce((product, size) => product * size, 1);
      torch.manualSeed(seed);
      const made = new losses.DisMaxLoss().preprocess(torch.arange(count).view(shape), int64(labels));
      expect(made.images.shape).toEqual(shape);
      expect(made.images.view([shape[0], -1]).tolist()).toEqual(images);
      expect(made.labels.tolist()).toEqual(parts);
      expect(made.kept.tolist()).toEqual(parts.slice(0, shape[0] >> 1).map(([label]) => label));
    });

  it('loses no pixel and no label, keeps half, and leaves the batch alone', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 17 }),
        fc.integer({ min: 2, max: 7 }),
        fc.integer({ min: 2, max: 7 }),
        fc.nat(1e6),
        (n, height, width, seed) =>
          tidy(() => {
            torch.manualSeed(seed);
            const images = torch.arange(n * height * width, { dtype: 'float32' }).view([n, 1, height, width]);
            const before = images.clone();
            // A pixel's image is told by its number, and so is its label.
            const labels = torch.arange(n);
            const made = new losses.DisMaxLoss().preprocess(images, labels);
            expect(images.equal(before)).toBe(true);
            expect(labels.equal(torch.arange(n))).toBe(true);
            const pixels = made.images.flatten().toArraySync() as Float32Array;
            expect([...pixels].sort((a, b) => a - b)).toEqual(before.flatten().tolist());
            const from = made.images.div(height * width, { roundingMode: 'floor' });
            const corner = (y: number, x: number) => from.select(3, x).select(2, y).select(1, 0);
            const corners = [corner(0, 0), corner(height - 1, 0), corner(0, width - 1), corner(height - 1, width - 1)];
            expect(torch.stack(corners, 1).equal(made.labels.to('float32'))).toBe(true);
            const half = n >> 1;
            const kept = from.narrow(0, 0, half).view([half, -1]);
            expect(kept.eq(made.kept.unsqueeze(1)).all().item()).toBe(true);
            const targets = torch.zeros([n, n]).scatterAdd(1, made.labels, torch.full([n, 4], 0.25));
            expect(targets.sum(1).eq(1).all().item()).toBe(true);
          }),
      ),
      { numRuns: 60 },
    );
  });

  it('takes its order from the seed, leaks nothing, and does nothing without regularisation', () => {
    const [images, labels] = [torch.randn([9, 3, 4, 4]), torch.arange(9)];
    const criterion = new losses.DisMaxLoss();
    const order = (seed: number) =>
      tidy(() => {
        torch.manualSeed(seed);
        return criterion.preprocess(images, labels).labels.tolist();
      });
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
    const before = memory().tensors;
    const made = criterion.preprocess(images, labels);
    for (const tensor of Object.values(made)) tensor.dispose();
    expect(memory().tensors).toBe(before);
    const plain = new losses.DisMaxLoss({ regularization: null }).preprocess(images, labels);
    expect(plain.images).toBe(images);
    expect(plain.labels).toBe(labels);
    expect(plain.kept).toBe(labels);
  });

  it('refuses what it can make no mosaics of, and settings out of range', () => {
    const criterion = new losses.DisMaxLoss();
    const label = torch.tensor([0]);
    for (const shape of [
      [1, 3, 4, 4],
      [0, 3, 4, 4],
    ] as const) {
      const refusal = `with B, H and W of 2 or more, to make mosaics of half of them, and a label for each, but received images [${shape.join(', ')}]`;
      expect(() => criterion.preprocess(torch.zeros(shape), label.expand([shape[0]]))).toThrow(refusal);
    }
    for (const shape of [
      [2, 16],
      [2, 1, 1, 4],
      [2, 1, 4, 1],
    ])
      expect(() => criterion.preprocess(torch.zeros(shape), torch.tensor([0, 1]))).toThrow(code('ERR_SHAPE'));
    expect(() => criterion.preprocess(torch.zeros([2, 1, 4, 4]), label)).toThrow(code('ERR_SHAPE'));
    const logits = torch.zeros([4, 3]);
    for (const labels of [torch.zeros([4, 3]), torch.zeros([3, 4])])
      expect(() => criterion.forward(logits, labels.to('int64'))).toThrow(/\[B, 4\] that preprocess gives/);
    expect(() => criterion.forward(torch.zeros([1, 3]), torch.zeros([1, 4], { dtype: 'int64' }))).toThrow(
      code('ERR_SHAPE'),
    );
    expect(() => criterion.forward(logits, torch.zeros([4, 4]))).toThrow(code('ERR_DTYPE'));
    expect(() => criterion.forward(logits, torch.full([4, 4], 3, { dtype: 'int64' }))).toThrow(code('ERR_INDEX'));
    const plain = new losses.DisMaxLoss({ regularization: null });
    expect(() => plain.forward(logits, torch.zeros([4, 4], { dtype: 'int64' }))).toThrow(code('ERR_SHAPE'));
    for (const options of [{ alpha: -1 }, { alpha: Number.NaN }, { regularization: 'FPR' as never }])
      expect(() => new losses.DisMaxLoss(options)).toThrow(code('ERR_ARGUMENT'));
  });
});

class Net extends nn.Module {
  body = new nn.Sequential(new nn.Flatten(), new nn.Linear(64, 16), new nn.ReLU());
  classifier = new losses.DisMaxHead(16, 4);
  forward(images: Tensor): Tensor {
    return this.classifier.forward(this.body.forward(images));
  }
}

describe('a step', () => {
  async function train(captured: boolean, compute: (fn: () => Tensor) => Tensor = (fn) => fn()) {
    torch.manualSeed(11);
    const [net, criterion] = [new Net(), new losses.DisMaxLoss()];
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.05, momentum: 0.9, nesterov: true });
    const step = (x: Tensor, y: Tensor) => {
      const { images, labels } = criterion.preprocess(x, y);
      const loss = compute(() => criterion.forward(net.forward(images), labels));
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return { loss };
    };
    const y = torch.randint(4, [12]);
    const x = torch.randn([12, 1, 8, 8]).add(y.view([12, 1, 1, 1]));
    const recorded = capture(step);
    const seen: number[] = [];
    for (let i = 0; i < 60; i++) {
      const size = i % 4 === 3 ? 5 : 12; // the last batch of an epoch is smaller
      const batch = [x.narrow(0, 0, size), y.narrow(0, 0, size)] as const;
      if (captured) {
        const { loss } = await recorded(...batch);
        seen.push(loss.item());
      } else tidy(() => seen.push(step(...batch).loss.item()));
    }
    if (captured) expect(recorded.recordings).toBeLessThan(6);
    return { seen, weights: [...net.stateDict()].map(([key, value]) => [key, value.tolist()]) };
  }

  it('captured equals eager to the bit, mosaics and all, and lowers the loss', async () => {
    const eager = await train(false);
    expect(await train(true)).toEqual(eager);
    expect(eager.seen.at(-2)!).toBeLessThan(eager.seen[0]! * 0.7);
  });

  it('captured equals eager under autocast in bfloat16, near float32', async () => {
    const half = (fn: () => Tensor) => autocast('cpu', 'bfloat16', fn);
    const eager = await train(false, half);
    expect(await train(true, half)).toEqual(eager);
    const [first, exact] = [eager.seen[0]!, (await train(false)).seen[0]!];
    expect(Math.abs(first - exact)).toBeLessThan(0.02 * exact);
  });

  it('bfloat16 parameters give the loss and gradients within their rounding', () => {
    for (const entry of golden.dismax) {
      if (!entry.regularized) continue;
      torch.manualSeed(1);
      const logits = torch.randn([entry.parts.length, entry.prototypes.length]).mul(0.3).to('bfloat16');
      const [loss, gradient] = [logits, logits.to('float64')].map((z) => {
        const leaf = z.clone().requiresGrad_(true);
        const value = new losses.DisMaxLoss().forward(leaf, int64(entry.parts));
        value.backward();
        return [value.item(), leaf.grad!.to('float64')] as const;
      }) as unknown as [[number, Tensor], [number, Tensor]];
      expect(Math.abs(loss[0] - gradient[0])).toBeLessThanOrEqual(1e-6 * Math.max(1, gradient[0]));
      expect(loss[1].sub(gradient[1]).abs().max().item()).toBeLessThanOrEqual(
        2 ** -8 * gradient[1].abs().max().item() + 1e-6,
      );
    }
  });
});

describe('training.fit', () => {
  it('trains on mosaics, judges by whole images, captured as eager to the bit, with a last batch of one', async () => {
    const { train: all, test } = await data.digits();
    const train = all.subset((_, i) => i < 513);
    const run = async (capturing: boolean) => {
      torch.manualSeed(4);
      const model = models.convNet({ width: 4, head: losses.byName('dismax').head });
      const criterion = new losses.DisMaxLoss();
      const { epochs } = await fit({
        model,
        criterion,
        train,
        validation: test,
        epochs: 12,
        batchSize: 64,
        capture: capturing,
      });
      expect(criterion.training).toBe(true);
      return { epochs: epochs.map(({ loss, accuracy, validation }) => ({ loss, accuracy, validation })), model };
    };
    const [captured, eager] = [await run(true), await run(false)];
    expect(captured.epochs).toEqual(eager.epochs);
    const [first, last] = [captured.epochs[0]!, captured.epochs.at(-1)!];
    expect(last.loss).toBeLessThan(first.loss);
    expect(last.accuracy).toBeGreaterThan(0.75); // mosaics alone would allow no more than about a half
    // Held-out images are measured without E_s.
    const logits = torch.noGrad(() => captured.model.forward(data.normalize(test.images, train.statistics)));
    const negative = logits.to('float64').logSoftmax(1).gather(1, test.labels!.unsqueeze(1)).mean().neg().item();
    expect(last.validation!.loss).toBeCloseTo(negative, 4);
  });
});

describe("the authors' checkpoints", () => {
  it('load with their further keys: a calibrated temperature is taken over, notes of the training are not', () => {
    const net = new Net();
    const state = new Map<string, Tensor>(net.stateDict());
    state.set('classifier.temperature', torch.tensor([1.5], { dtype: 'float32' }));
    state.set('classifier.validationset_available', torch.tensor([1]).to('bool'));
    state.set('classifier.precomputed_thresholds', torch.full([2, 25], Number.NaN));
    const features = torch.randn([3, 16]);
    const before = net.classifier.forward(features);
    expect(net.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });
    expect(net.classifier.temperature).toBe(1.5);
    expect(net.classifier.forward(features).mul(1.5).sub(before).abs().max().item()).toBeLessThan(1e-5);
    expect([...net.classifier.stateDict().keys()]).toEqual(['prototypes', 'distance_scale']);
  });

  it('change nothing where they do not fit', () => {
    const net = new Net();
    const state = new Map<string, unknown>(net.stateDict());
    state.set('classifier.temperature', torch.tensor([2]));
    state.delete('classifier.prototypes');
    expect(() => net.loadStateDict(state)).toThrow(code('ERR_STATE_DICT'));
    expect(net.classifier.temperature).toBe(1);
    state.set('classifier.prototypes', torch.zeros([4, 16]));
    for (const [value, error] of [
      [torch.tensor([0]), 'ERR_ARGUMENT'],
      ['hot', 'ERR_STATE_DICT'],
    ] as const) {
      state.set('classifier.temperature', value);
      expect(() => net.loadStateDict(state)).toThrow(code(error));
      expect(net.classifier.prototypes.abs().max().item()).toBeGreaterThan(0);
    }
    state.delete('classifier.temperature');
    state.set('body.temperature', torch.tensor([1]));
    expect(() => net.loadStateDict(state)).toThrow(/unexpected: body\.temperature/);
  });
});
