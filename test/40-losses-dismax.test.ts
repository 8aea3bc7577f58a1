// The DisMax head: against its formula in float64 and the authors' in Python, and what the mean distance does and does not
// change.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as losses from '../lib/losses/index.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import { type DType, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

/** The formula: −(δ_j + mean δ)/T with δ_j = |s|·‖f̂ − p̂_j‖/√2, from coordinate differences. */
function definition(features: Tensor, prototypes: Tensor, scale: number, temperature: number): Tensor {
  const unit = (x: Tensor) => x.to('float64').div(x.to('float64').pow(2).sum(1, { keepdim: true }).sqrt());
  const distance = unit(features).unsqueeze(1).sub(unit(prototypes).unsqueeze(0)).pow(2).sum(2).sqrt();
  const delta = distance.mul(Math.abs(scale) / Math.SQRT2);
  return delta.add(delta.sum(1, { keepdim: true }).div(prototypes.shape[0]!)).div(-temperature);
}

function make(d: number, c: number, scale: number, options: { dtype?: DType; temperature?: number } = {}) {
  const head = new losses.DisMaxHead(d, c, options);
  nn.init.constant_(head.distanceScale, scale);
  return head;
}

it('logits are those of the formula, in float32 and float64', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 40 }),
      fc.integer({ min: 1, max: 12 }),
      fc.double({ min: -5, max: 5, noNaN: true }),
      fc.constantFrom(1, 2.5),
      fc.constantFrom<DType>('float32', 'float64'),
      fc.nat(),
      (d, c, scale, temperature, dtype, seed) =>
        tidy(() => {
          torch.manualSeed(seed);
          const head = make(d, c, scale, { dtype, temperature });
          const features = torch.randn([7, d], { dtype });
          const truth = definition(features, head.prototypes.detach(), head.distanceScale.item(), temperature);
          const off = head.forward(features).sub(truth).abs().max().item();
          expect(off).toBeLessThan((dtype === 'float32' ? 1e-5 : 1e-12) * Math.max(1, Math.abs(scale)));
          head.dispose();
        }),
    ),
    { numRuns: 50 },
  );
});

it('orthogonal directions lie at distance |s|; the mean changes no probability', () => {
  const head = make(2, 2, -3, { dtype: 'float64' });
  head.loadStateDict({
    prototypes: torch.tensor([
      [0, 7],
      [2, 0],
    ]),
    distance_scale: torch.tensor([-3]),
  });
  const features = torch.tensor([[0, 0.1]], { dtype: 'float64' }); // at the first, orthogonal to the second
  const [row] = head.forward(features).tolist() as number[][];
  expect(row![0]).toBeCloseTo(-1.5, 12);
  expect(row![1]).toBeCloseTo(-4.5, 12);

  const plus = new losses.IsoMaxPlusHead(2, 2, { dtype: 'float64' });
  plus.loadStateDict(head.stateDict());
  const [dismax, isomaxplus] = [head.forward(features), plus.forward(features).mul(Math.SQRT1_2)];
  const difference = dismax.softmax(1).sub(isomaxplus.softmax(1));
  expect(difference.abs().max().item()).toBeLessThan(1e-12);
  expect(dismax.argmax(1).equal(isomaxplus.argmax(1))).toBe(true);
});

it('starts as IsoMax+ does, trains, and prints its sizes', () => {
  torch.manualSeed(5);
  const head = new losses.DisMaxHead(20, 4);
  torch.manualSeed(5);
  expect(head.prototypes.equal(new losses.IsoMaxPlusHead(20, 4).prototypes)).toBe(true);
  expect([...head.stateDict().keys()]).toEqual(['prototypes', 'distance_scale']);
  expect(String(head)).toBe('DisMaxHead(num_features=20, num_classes=4)');
  expect(String(new losses.DisMaxLoss())).toBe('DisMaxLoss(entropic_scale=10, regularization=fpr, alpha=1)');

  const [features, labels] = [torch.randn([16, 20]), torch.randint(4, [16])];
  const criterion = new losses.DisMaxLoss();
  const optimizer = new optim.SGD(head.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true });
  const values: number[] = [];
  for (let step = 0; step < 200; step++) {
    tidy(() => {
      const loss = criterion.forward(head.forward(features), labels);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      values.push(loss.item());
    });
  }
  expect(values.at(-1)!).toBeLessThan(values[0]! / 4);
});

const { it: withPython } = needs(python, 'a Python that has torch');
withPython("equals the authors' formulation in PyTorch: logits, loss and every gradient", () => {
  torch.manualSeed(9);
  const cases = [
    { d: 64, c: 10, temperature: 1 },
    { d: 342, c: 100, temperature: 2.5 },
  ].map(({ d, c, temperature }) => ({
    features: torch.randn([33, d], { dtype: 'float64' }),
    prototypes: torch.randn([c, d], { dtype: 'float64' }),
    labels: torch.randint(c, [33]),
    temperature,
  }));
  const code = `
    import torch.nn.functional as F
    out = []
    for case in input:
        f, p, y = (T(case[key]) for key in ('features', 'prototypes', 'labels'))
        s = torch.tensor([-1.7], dtype=f.dtype)
        for t in (f, p, s): t.requires_grad_()
        unit = torch.cdist(F.normalize(f), F.normalize(p), p=2.0, compute_mode='donot_use_mm_for_euclid_dist')
        isometric = torch.abs(s) * unit / math.sqrt(2.0)
        z = -(isometric + isometric.mean(dim=1, keepdim=True)) / case['temperature']
        loss = -torch.log(torch.softmax(10.0 * z, dim=1)[range(len(y)), y]).mean()
        loss.backward()
        out.append([z, loss, f.grad, p.grad, s.grad])
    emit(out)`;
  const results = runPython(
    code,
    cases.map(({ features, prototypes, labels, temperature }) => ({
      features: encode(features),
      prototypes: encode(prototypes),
      labels: encode(labels),
      temperature,
    })),
  );
  for (const [i, { features, prototypes, labels, temperature }] of cases.entries()) {
    const head = make(prototypes.shape[1]!, prototypes.shape[0]!, -1.7, { dtype: 'float64', temperature });
    head.loadStateDict({ prototypes, distance_scale: torch.tensor([-1.7], { dtype: 'float64' }) });
    features.requiresGrad_(true);
    const logits = head.forward(features);
    const loss = new losses.DisMaxLoss().forward(logits, labels);
    loss.backward();
    const ours = [logits.detach(), loss.detach(), features.grad!, head.prototypes.grad!, head.distanceScale.grad!];
    for (const [k, theirs] of (results[i] as TensorJson[]).map(decode).entries()) {
      const off = ours[k]!.sub(theirs).abs().max().item();
      expect([i, k, off <= 1e-12 * theirs.abs().max().item()]).toEqual([i, k, true]);
    }
  }
});
