// Sets that no network was trained on, made rather than found: noise, and real images with their pixels shuffled. All
// are drawn from seeded streams of their own, the same on every machine.

import { finite, positive, wholeNumber } from '../arguments.js';
import { expected } from '../errors.js';
import type { SyntheticName } from '../known/unknownSets.js';
import { type Device, type Tensor, torch } from '../tensor/index.js';
import { pixelDistribution } from './gaussian.js';
import { ImageDataset } from './imageDataset.js';
import { type ImageShape, imageShape } from './imageShape.js';
import { SeededRandom } from './random.js';

export interface NoiseOptions {
  /** [channels, height, width]. @default that of `like`, else [1, 28, 28] */
  shape?: ImageShape;
  /** Takes shape, device and the statistics to normalise with from this set. */
  like?: ImageDataset;
  /** @default 0 */
  seed?: number;
  /** @default that of `like`, else 'cpu' */
  device?: Device;
}

export interface GaussianOptions extends NoiseOptions {
  /** In units of full scale. @default 0.5 */
  mean?: number;
  /** In units of full scale. @default 1 */
  std?: number;
}

/**
 * Images whose every value is drawn evenly from 0 … 255.
 * @throws ERR_ARGUMENT, ERR_SHAPE
 * @example ood.evaluate(model, { id: test, ood: { noise: uniformNoise(10_000, { like: test }) } })
 */
export function uniformNoise(n: number, options: NoiseOptions = {}): ImageDataset<null> {
  const { pixels, seed, make } = blank(n, options, 'uniform-noise');
  new SeededRandom('uniform noise', seed).fill(pixels);
  return make();
}

/**
 * Images whose every value is drawn from a normal distribution, rounded and clamped to 0 … 255. With the default mean
 * and deviation, the Gaussian noise of ODIN (Liang, Li & Srikant 2018, appendix): about 31 % of the values are 0 and as many 255.
 * @throws ERR_ARGUMENT, ERR_SHAPE
 */
export function gaussianNoise(
  n: number,
  { mean = 0.5, std = 1, ...options }: GaussianOptions = {},
): ImageDataset<null> {
  const draw = pixelDistribution(finite(mean, 'mean') * 255, positive(std, 'std') * 255);
  const { pixels, seed, make } = blank(n, options, 'gaussian-noise');
  const random = new SeededRandom('gaussian noise', seed);
  for (let i = 0; i < pixels.length; i++) pixels[i] = draw(random.uint32());
  return make();
}

/**
 * Each image with its pixels in a random order of its own; a pixel's channels stay together. So every image keeps its
 * histogram and loses what it shows. Without labels, and normalised with the same statistics by default.
 * @throws ERR_ARGUMENT
 */
export function pixelShuffled(dataset: ImageDataset, { seed = 0 }: { seed?: number } = {}): ImageDataset<null> {
  if (!(dataset instanceof ImageDataset)) throw expected('an ImageDataset', 'dataset', dataset);
  const { size, device, name } = dataset;
  const [channels, height, width] = dataset.shape;
  const area = height * width;
  const random = new SeededRandom('pixel shuffle', seed);
  const source = dataset.images.toArraySync() as Uint8Array;
  const shuffled = new Uint8Array(source.length);
  const order = random.permutation(area);
  for (let i = 0; i < size; i++) {
    random.shuffle(order);
    for (let c = 0; c < channels; c++) {
      const start = (i * channels + c) * area;
      for (let k = 0; k < area; k++) shuffled[start + k] = source[start + order[k]!]!;
    }
  }
  return unknown(shuffled, size, dataset.shape, `${name}-shuffled`, device, dataset);
}

function blank(n: number, { shape, like, seed = 0, device }: NoiseOptions, name: string) {
  if (like !== undefined && !(like instanceof ImageDataset)) throw expected('an ImageDataset', 'like', like);
  const size = wholeNumber(n, 'n');
  const sizes = imageShape(shape ?? like?.shape ?? [1, 28, 28], 'shape');
  const bytes = wholeNumber(size * sizes[0] * sizes[1] * sizes[2], 'number of pixels', 1, 2 ** 32);
  const pixels = new Uint8Array(bytes);
  return { pixels, seed, make: () => unknown(pixels, size, sizes, name, device ?? like?.device ?? 'cpu', like) };
}

function unknown(
  pixels: Uint8Array,
  n: number,
  shape: ImageShape,
  name: string,
  device: Device,
  like: ImageDataset | undefined,
): ImageDataset<null> {
  const images: Tensor = torch.fromBuffer(pixels, { dtype: 'uint8', shape: [n, ...shape], device });
  const comparable = like && like.shape[0] === shape[0];
  return new ImageDataset({ images, labels: null, name, ...(comparable && { statistics: like.statistics }) });
}

/** Synthetic sets by name, each in the number and the shape of known images. */
export const syntheticLike: { readonly [N in SyntheticName]: (known: ImageDataset) => ImageDataset<null> } = {
  'uniform-noise': (like) => uniformNoise(like.size, { like }),
  'gaussian-noise': (like) => gaussianNoise(like.size, { like }),
  'pixel-shuffled': (like) => pixelShuffled(like),
};
