// The network and the images of fixtures/make_image_detectors.py, for tests of what looks into a network.

import { readFileSync } from 'node:fs';
import * as nn from '../../lib/nn/index.js';
import type * as ood from '../../lib/ood/index.js';
import { type Tensor, tidy, torch } from '../../lib/tensor/index.js';

export type Images = number[][][][];
export const golden = JSON.parse(readFileSync(new URL('../fixtures/imageDetectors.json', import.meta.url), 'utf8')) as {
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
export type Float = 'float32' | 'float64';

/** The fixture's network. Its ReLU writes in place, into what the convolution gave. */
export function tiny(dtype: Float = 'float64'): nn.Sequential {
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
export class Pictures implements ood.EvaluatedDataset {
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

export const transformOf = (dtype: Float) => (images: Tensor) =>
  images.sub(golden.mean).div(torch.tensor(golden.std, { dtype }).view([-1, 1, 1]));
