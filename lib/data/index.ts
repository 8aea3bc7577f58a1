// Real images and made-up ones, resident on a device, in batches. See docs/data.md.
export type { ImageShape } from './arguments.js';
export type { NestedImages } from './arrays.js';
export { asLike } from './as-like.js';
export { type Augmentation, randomCrop, randomHorizontalFlip } from './augment.js';
export type { SourceName, Split } from './catalog.js';
export { type CifarOptions, cifar10, cifar100 } from './cifar.js';
export { type ArraysInit, type DatasetInit, ImageDataset } from './dataset.js';
export { digits } from './digits.js';
export { fromIdx, type IdxOptions } from './from-idx.js';
export { fromNpy, type NpyOptions } from './from-npy.js';
export { type IdxArray, type IdxType, parseIdx, readIdx } from './idx.js';
export { type ImageFolderOptions, imageFolder } from './image-folder.js';
export type { LoadSource, SourceOptions, TrainAndTest } from './load-source.js';
export { Batch, BatchLoader, type BatchOptions, type StreamedBatch } from './loader.js';
export { decodePng, type Picture, readPng } from './png.js';
export type { PlainAugmentation } from './preparation.js';
export { SeededRandom } from './random.js';
export {
  type Availability,
  available,
  type DatasetName,
  fashionMnist,
  kmnist,
  load,
  mnist,
  names,
  notMnist,
} from './sources.js';
export type { SplitOptions } from './split.js';
export { type Statistics, statistics } from './statistics.js';
export { type GaussianOptions, gaussianNoise, type NoiseOptions, pixelShuffled, uniformNoise } from './synthetic.js';
export { normalize } from './transforms.js';
