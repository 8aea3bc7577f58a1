// What must hold of the losses by their definition, without any reference: values at the start, bounds, limits, where the
// published two-step form breaks and ours does not, and what is refused.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as losses from '../lib/losses/index.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import { type Tensor, tidy, torch } from '../lib/tensor/index.js';

const float64 = { dtype: 'float64' } as const;
const code = (value: string) => expect.objectContaining({ code: value });
const classes = fc.integer({ min: 2, max: 12 });
const length = fc.integer({ min: 1, max: 20 });

function problem(n: number, d: number, c: number, seed: number): { features: Tensor; labels: Tensor } {
  torch.manualSeed(seed);
  return { features: torch.randn([n, d], { ...float64, requiresGrad: true }), labels: torch.randint(0, c, [n]) };
}

describe('IsoMax at its start, all prototypes zero', () => {
  it('has the loss ln C exactly, and gives the features no gradient', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), length, classes, fc.nat(1e6), (n, d, c, seed) =>
        tidy(() => {
          const { features, labels } = problem(n, d, c, seed);
          const head = new losses.IsoMaxHead(d, c, float64);
          const loss = new losses.IsoMaxLoss().forward(head.forward(features), labels);
          expect(loss.item()).toBeCloseTo(Math.log(c), 12);
          loss.backward();
          expect(features.grad!.abs().max().item()).toBeLessThan(1e-13); // rounding of Σ E_s(y_j − 1/C)
          head.dispose();
        }),
      ),
      { numRuns: 50 },
    );
  });

  it("moves the true class's prototype towards the feature and the others away, by E_s(y − 1/C)·f/‖f‖", () => {
    const features = torch.tensor([[3, 4]], float64);
    const head = new losses.IsoMaxHead(2, 4, float64);
    new losses.IsoMaxLoss().forward(head.forward(features), torch.tensor([1])).backward();
    const descent = head.prototypes.grad!.neg().tolist() as number[][];
    for (const [j, row] of descent.entries()) {
      const factor = 10 * ((j === 1 ? 1 : 0) - 1 / 4);
      expect(row[0]).toBeCloseTo(factor * 0.6, 12);
      expect(row[1]).toBeCloseTo(factor * 0.8, 12);
    }
  });

  it('has finite gradients for a feature that is zero itself', () => {
    const head = new losses.IsoMaxHead(3, 5);
    const features = torch.zeros([2, 3], { requiresGrad: true });
    new losses.IsoMaxLoss().forward(head.forward(features), torch.tensor([0, 1])).backward();
    expect(features.grad!.abs().max().item()).toBe(0);
    expect(head.prototypes.grad!.abs().max().item()).toBe(0);
  });
});

describe('logits', () => {
  it('of IsoMax are minus the distances, over T', () => {
    const head = new losses.IsoMaxHead(2, 2, { temperature: 2 });
    head.loadStateDict({
      prototypes: torch.tensor([
        [3, 4],
        [1, 0],
      ]),
    });
    expect(head.forward(torch.zeros([1, 2])).tolist()).toEqual([[-2.5, -0.5]]);
    head.temperature = 1;
    expect(head.forward(torch.zeros([1, 2])).tolist()).toEqual([[-5, -1]]);
  });

  it('of IsoMax+ lie between −2|s| and 0, whatever the lengths; only the direction counts', () => {
    fc.assert(
      fc.property(
        length,
        classes,
        fc.double({ min: -5, max: 5, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        fc.nat(1e6),
        (d, c, s, stretch, seed) =>
          tidy(() => {
            const { features } = problem(5, d, c, seed);
            const head = new losses.IsoMaxPlusHead(d, c, float64);
            nn.init.constant_(head.distanceScale, s);
            const logits = head.forward(features);
            expect(logits.max().item()).toBeLessThanOrEqual(0);
            expect(logits.min().item()).toBeGreaterThanOrEqual(-2 * Math.abs(s) - 1e-12);
            const stretched = head.forward(features.mul(stretch));
            expect(stretched.sub(logits).abs().max().item()).toBeLessThan(1e-6);
            head.dispose();
          }),
      ),
      { numRuns: 50 },
    );
  });

  it('of IsoMax+ for opposite and equal directions are −2|s| and 0', () => {
    const head = new losses.IsoMaxPlusHead(2, 3, float64);
    head.loadStateDict({
      prototypes: torch.tensor([
        [0, 7],
        [0, -2],
        [5, 0],
      ]),
      distance_scale: torch.tensor([-3]),
    });
    const [row] = head.forward(torch.tensor([[0, 0.1]], float64)).tolist() as number[][];
    expect(row![0]).toBeCloseTo(0, 12);
    expect(row![1]).toBeCloseTo(-6, 12);
    expect(row![2]).toBeCloseTo(-3 * Math.SQRT2, 12);
  });

  it('of IsoMax+ stay finite for a feature of zeros, as do the gradients', () => {
    const head = new losses.IsoMaxPlusHead(4, 3);
    const features = torch.zeros([2, 4], { requiresGrad: true });
    const loss = new losses.IsoMaxPlusLoss().forward(head.forward(features), torch.tensor([0, 1]));
    loss.backward();
    expect(Number.isFinite(loss.item())).toBe(true);
    for (const { grad } of [features, ...head.parameters()]) expect(grad!.isfinite().all().item()).toBe(true);
  });
});

describe('the two forms of the loss', () => {
  it('agree, in value and gradient, away from underflow', () => {
    fc.assert(
      fc.property(length, classes, fc.nat(1e6), (n, c, seed) =>
        tidy(() => {
          torch.manualSeed(seed);
          const labels = torch.randint(0, c, [n]);
          const z = torch.rand([n, c], float64).mul(-4);
          const [stable, sequential] = [false, true].map((form) => {
            const logits = z.clone().requiresGrad_(true);
            const loss = new losses.IsoMaxLoss({ sequential: form }).forward(logits, labels);
            loss.backward();
            return { loss: loss.item(), gradient: logits.grad! };
          });
          expect(sequential!.loss).toBeCloseTo(stable!.loss, 10);
          expect(sequential!.gradient.sub(stable!.gradient).abs().max().item()).toBeLessThan(1e-12);
        }),
      ),
      { numRuns: 50 },
    );
  });

  it('part where the probability underflows: the published one is infinite with NaN gradients, ours is exact', () => {
    const labels = torch.tensor([0]);
    const at = (distance: number, sequential: boolean) => {
      const logits = torch.tensor([[-distance, 0]], { dtype: 'float32', requiresGrad: true });
      const loss = new losses.IsoMaxLoss({ sequential }).forward(logits, labels);
      loss.backward();
      return { loss: loss.item(), gradient: (logits.grad!.tolist() as number[][])[0]! };
    };
    expect(at(11, true).loss).toBe(Number.POSITIVE_INFINITY);
    expect(at(11, true).gradient.some(Number.isNaN)).toBe(true);
    expect(at(11, false).loss).toBe(110);
    expect(at(11, false).gradient).toEqual([-10, 10]);
    expect(at(1e6, false).loss).toBe(1e7);
  });

  it('are the SoftMax loss at the entropic scale', () => {
    torch.manualSeed(1);
    const [logits, labels] = [torch.randn([6, 4], float64), torch.randint(0, 4, [6])];
    const isomax = new losses.IsoMaxLoss({ entropicScale: 3 }).forward(logits, labels).item();
    expect(isomax).toBeCloseTo(new losses.SoftMaxLoss().forward(logits.mul(3), labels).item(), 12);
    expect(new losses.IsoMaxLoss({ entropicScale: 1 }).forward(logits, labels).item()).toBe(
      new losses.SoftMaxLoss().forward(logits, labels).item(),
    );
  });
});

describe('docs/losses.md', () => {
  it('tells the truth: the example trains from ln 10 on, the two forms part as the table says', () => {
    torch.manualSeed(0);
    const body = new nn.Sequential(new nn.Linear(20, 64), new nn.ReLU());
    const net = new nn.Sequential(body, new losses.IsoMaxHead(64, 10));
    const criterion = new losses.IsoMaxLoss();
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 });
    const x = torch.randn([128, 20]);
    const labels = torch.randint(0, 10, [128]);
    const seen: string[] = [];
    for (let step = 0; step < 100; step++) {
      tidy(() => {
        const loss = criterion.forward(net.forward(x), labels);
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
        if (step % 33 === 0) seen.push(loss.item().toFixed(3));
      });
    }
    expect(seen[0]).toBe('2.303');
    expect(Number(seen.at(-1))).toBeLessThan(1);
    for (const sequential of [false, true]) {
      const logits = torch.tensor([[-5, 0]], { dtype: 'float32', requiresGrad: true });
      const loss = new losses.IsoMaxLoss({ sequential }).forward(logits, torch.tensor([0]));
      loss.backward();
      expect(loss.item()).toBeCloseTo(50, 5);
      expect((logits.grad!.tolist() as number[][])[0]!.map(Math.round)).toEqual([-10, 10]);
    }
  });
});

describe('half precision', () => {
  it('gives logits of its own dtype and finite gradients', () => {
    for (const name of losses.lossNames) {
      const { head, criterion } = losses.byName(name);
      const layer = head(8, 3, { dtype: 'bfloat16' });
      const features = torch.randn([4, 8]).to('bfloat16').requiresGrad_(true);
      const logits = layer.forward(features);
      expect(logits.dtype).toBe('bfloat16');
      criterion()
        .forward(logits, torch.tensor([0, 1, 2, 0]))
        .backward();
      expect(features.grad!.isfinite().all().item()).toBe(true);
    }
  });
});

describe('by name', () => {
  it('a family has head, criterion and score; other names are refused', () => {
    expect(losses.lossNames.map((name) => losses.byName(name).score)).toEqual([
      'mps',
      'es',
      'mds',
      'mmles',
      'mps',
      'mps',
    ]);
    const { head, criterion } = losses.byName('isomaxplus');
    expect(head(4, 2)).toBeInstanceOf(losses.IsoMaxPlusHead);
    expect(criterion({ sequential: true })).toMatchObject({ entropicScale: 10, sequential: true });
    expect(() => losses.byName('arcface' as never)).toThrow(
      'Expected one of softmax, isomax, isomaxplus, dismax, logitnorm, godin for loss but received string "arcface"',
    );
  });

  it("heads print their sizes, and the authors' SoftMax checkpoint loads", () => {
    expect(String(losses.byName('isomax').head(64, 10))).toBe('IsoMaxHead(num_features=64, num_classes=10)');
    expect(String(new losses.IsoMaxLoss())).toBe('IsoMaxLoss(entropic_scale=10)');
    const head = new losses.SoftMaxHead(2, 1);
    head.loadStateDict({ weights: torch.tensor([[1, 2]]), bias: torch.tensor([3]) });
    expect(head.forward(torch.tensor([[10, 100]], { dtype: 'float32' })).item()).toBe(213);
    head.loadStateDict(new nn.Linear(2, 1).stateDict());
  });
});

describe('losses refuse', () => {
  const [logits, labels] = [torch.randn([3, 4]), torch.tensor([0, 1, 2])];
  for (const [name, criterion] of Object.entries({
    SoftMaxLoss: new losses.SoftMaxLoss(),
    IsoMaxLoss: new losses.IsoMaxLoss(),
    'IsoMaxLoss, sequential': new losses.IsoMaxLoss({ sequential: true }),
    'DisMaxLoss, without regularisation': new losses.DisMaxLoss({ regularization: null }),
    LogitNormLoss: new losses.LogitNormLoss(),
  })) {
    it(`${name}: labels of another dtype or shape, and labels that are no class, saying which`, () => {
      expect(() => criterion.forward(logits, labels.to('int32'))).toThrow(
        /dtype int64 but received int32: labels\.to\('int64'\)/,
      );
      expect(() => criterion.forward(logits, torch.ones([3, 4]))).toThrow(code('ERR_SHAPE'));
      expect(() => criterion.forward(logits, torch.tensor([0, 1]))).toThrow(
        /shape \[3\], but received labels of shape \[2\]/,
      );
      expect(() => criterion.forward(logits.view([12]), labels)).toThrow(/\[N, classes\] but received \[12\]/);
      expect(() => criterion.forward(torch.ones([0, 4]), torch.tensor([], { dtype: 'int64' }))).toThrow(
        code('ERR_SHAPE'),
      );
      for (const wrong of [4, -1, -100]) {
        const message = `Expected labels from 0 to 3, for the 4 classes of the logits, but received labels from ${Math.min(0, wrong)} to ${Math.max(1, wrong)}`;
        expect(() => criterion.forward(logits, torch.tensor([0, 1, wrong]))).toThrow(message);
        expect(() => criterion.forward(logits, torch.tensor([0, 1, wrong]))).toThrow(code('ERR_INDEX'));
      }
    });
  }

  it('settings out of range, and features that do not fit', () => {
    for (const entropicScale of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '10' as never])
      expect(() => new losses.IsoMaxLoss({ entropicScale })).toThrow(code('ERR_ARGUMENT'));
    expect(() => new losses.IsoMaxLoss({ sequential: 1 as never })).toThrow(code('ERR_ARGUMENT'));
    for (const head of [losses.SoftMaxHead, losses.IsoMaxHead, losses.IsoMaxPlusHead, losses.GodinHead]) {
      expect(() => new head(0, 10)).toThrow(/numFeatures/);
      expect(() => new head(4, 1.5)).toThrow(/numClasses/);
      expect(() => new head(4, 2, { temperature: 0 })).toThrow(code('ERR_ARGUMENT'));
      expect(() => new head(4, 2).forward(torch.ones([3, 5]))).toThrow(code('ERR_SHAPE'));
      expect(() => new head(4, 2).forward(torch.ones([3, 5]))).toThrow(`in ${head.name} 4 → 2`);
    }
  });
});
