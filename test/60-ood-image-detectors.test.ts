// Detectors that need the network itself, held to test/fixtures/make_image_detectors.py: every score image by image in Python,
// float64, from the papers' formulas. Then the rules of the contract: modes, memory, capture, state, edge cases.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as losses from '../lib/losses/index.js';
import * as nn from '../lib/nn/index.js';
import * as ood from '../lib/ood/index.js';
import { capture, memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';

type Images = number[][][][];
const golden = JSON.parse(readFileSync(new URL('fixtures/imageDetectors.json', import.meta.url), 'utf8')) as {
  mean: number;
  std: number[];
  weights: Record<string, number[]>;
  train: { images: Images; labels: number[] };
  known: Images;
  unknown: Images;
  test: Images;
  logits: number[][];
  features: number[][];
  odin: { temperature: number; epsilon: number; scores: number[] }[];
  mahalanobis: { layer: string | null; epsilon: number; scores: number[] }[];
  ensemble: { epsilon: number; weights: number[]; bias: number; scores: number[]; equal: number[] }[];
  gradnorm: number[];
  gram: { powers: number[]; validation: number; normalisers: number[]; scores: number[] }[];
  rankfeat: { stages: string[]; scores: number[] }[];
  regression: { x: number[][]; y: number[]; C: number; weights: number[]; bias: number }[];
};
const { std } = golden;

type Float = 'float32' | 'float64';

/** The fixture's network. Its ReLU writes in place, into what the convolution gave. */
function tiny(dtype: Float = 'float64'): nn.Sequential {
  const model = new nn.Sequential({
    block1: new nn.Sequential(new nn.Conv2d(2, 4, 3, { padding: 1 }), new nn.ReLU({ inplace: true })),
    block2: new nn.Sequential(new nn.Conv2d(4, 5, 3, { stride: 2, padding: 1 }), new nn.BatchNorm2d(5), new nn.Tanh()),
    pool: new nn.AdaptiveAvgPool2d(1),
    flatten: new nn.Flatten(),
    fc: new nn.Linear(5, 4),
  });
  model.to(dtype);
  tidy(() => {
    const state = Object.entries(golden.weights).map(
      ([key, values]) => [key, torch.tensor(values, { dtype })] as const,
    );
    model.loadStateDict({
      ...Object.fromEntries(state),
      'block2.1.num_batches_tracked': torch.tensor(0, { dtype: 'int64' } as const),
    } as never);
  });
  return model;
}

/** A data set whose batches live as long as it; float64, as it is given. */
class Pictures implements ood.EvaluatedDataset {
  readonly #images: Tensor;
  readonly #labels: Tensor | null;
  passes = 0;

  constructor(
    readonly name: string,
    images: Images,
    labels: number[] | null = null,
    dtype: Float = 'float64',
  ) {
    this.#images = torch.tensor(images, { dtype }).keep();
    this.#labels = labels && torch.tensor(labels, { dtype: 'int64' }).keep();
  }

  get size(): number {
    return this.#images.shape[0]!;
  }

  *batches(batchSize: number): Generator<{ images: Tensor; labels: Tensor | null; dispose(): void }> {
    this.passes++;
    for (let start = 0; start < this.size; start += batchSize) {
      const rows = Math.min(batchSize, this.size - start);
      const images = this.#images.narrow(0, start, rows).keep();
      const labels = this.#labels?.narrow(0, start, rows).keep() ?? null;
      const dispose = (): void => {
        images.dispose();
        labels?.dispose();
      };
      yield { images, labels, dispose };
      dispose();
    }
  }

  dispose(): void {
    this.#images.dispose();
    this.#labels?.dispose();
  }
}

const transformOf = (dtype: Float) => (images: Tensor) =>
  images.sub(golden.mean).div(torch.tensor(std, { dtype }).view([-1, 1, 1]));
const transform = transformOf('float64');

let model: nn.Sequential;
let network: ood.Network;
let train: Pictures;
let test: Pictures;
let validation: { known: Pictures; unknown: Pictures };
beforeAll(() => {
  model = tiny();
  network = new ood.Network(model, { transform });
  train = new Pictures('train', golden.train.images, golden.train.labels);
  test = new Pictures('test', golden.test);
  validation = { known: new Pictures('known', golden.known), unknown: new Pictures('unknown', golden.unknown) };
});
afterAll(() => {
  for (const each of [model, train, test, validation.known, validation.unknown]) each.dispose();
});

/** Each within `bound` of the wanted, relative to its size. */
function close(found: ArrayLike<number>, wanted: readonly number[], bound = 1e-10): void {
  expect(found.length).toBe(wanted.length);
  const worst = wanted.map((value, i) => Math.abs(found[i]! - value) / Math.max(1, Math.abs(value)));
  expect(Math.max(...worst)).toBeLessThanOrEqual(bound);
}

const named = (detector: ood.ImageDetector) => `${detector.name} ${JSON.stringify(detector.settings)}`;

/** Every golden case: the detector and its scores of the test images. */
const cases: { detector: ood.ImageDetector; wanted: number[] }[] = [
  ...golden.odin.map(({ scores, ...settings }) => ({ detector: ood.odin({ ...settings, std }), wanted: scores })),
  ...golden.mahalanobis.map(({ scores, ...settings }) => ({
    detector: ood.inputMahalanobis({ ...settings, std }),
    wanted: scores,
  })),
  ...golden.ensemble.map(({ scores, epsilon }) => ({
    detector: ood.mahalanobisEnsemble({ epsilon, std }),
    wanted: scores,
  })),
  ...golden.gram.map(({ scores, powers, validation }) => ({
    detector: ood.gram({ powers, validation }),
    wanted: scores,
  })),
  ...golden.rankfeat.map(({ stages, scores }) => ({ detector: ood.rankFeat({ stages }), wanted: scores })),
  ...golden.rankfeat.map(({ stages, scores }) => ({
    detector: ood.rankFeat({ stages, iterations: 400 }),
    wanted: scores,
  })),
  { detector: ood.autogradNorm(), wanted: golden.gradnorm },
];

describe('equal to Python', () => {
  it('the network itself', () => {
    tidy(() => {
      const { logits, features } = network.outputs(network.input(torch.tensor(golden.test, { dtype: 'float64' })));
      close(logits.flatten().toArraySync() as Float64Array, golden.logits.flat());
      close(features.flatten().toArraySync() as Float64Array, golden.features.flat());
    });
  });

  it.each(cases.map((each) => [named(each.detector), each] as const))(
    '%s, in batches, captured and not',
    async (_, each) => {
      const { detector, wanted } = each;
      if ('fit' in detector)
        await (detector as ood.FittedImageDetector).fit(network, train, { validation, batchSize: 7 });
      close(await ood.scoreImages(detector, network, test, { batchSize: 4 }), wanted);
      close(await ood.scoreImages(detector, network, test, { capture: false }), wanted);
      if ('fit' in detector) (detector as ood.FittedImageDetector).dispose();
    },
  );
});
