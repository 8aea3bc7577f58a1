// Real images and synthetic ones, resident on a device, in batches. See docs/data.md.
export type { SourceName, Split } from '../known/dataSets.js';
export type { NestedImages } from './arrays.js';
export { asLike } from './asLike.js';
export { type Augmentation, randomCrop, randomHorizontalFlip } from './augment.js';
export { type Collate, type CollatedBatch, collate, type PadOptions, type Pair, padCollate } from './collate.js';
export { type Dataset, TensorDataset, type TensorDatasetInit } from './dataset.js';
export { CollatedLoader, type CollatedOptions, type ExampleSet } from './examples.js';
export { fromIdx, type IdxOptions } from './fromIdx.js';
export { fromNpy, type NpyOptions } from './fromNpy.js';
export { type IdxArray, type IdxType, parseIdx, readIdx } from './idx.js';
export { type ArraysInit, type DatasetInit, ImageDataset } from './imageDataset.js';
export { type ImageFolderOptions, imageFolder } from './imageFolder.js';
export type { ImageShape } from './imageShape.js';
export { Batch, BatchLoader, type BatchOptions, type Gathered, type StreamedBatch } from './loader.js';
export type { LoadSource, SourceOptions, TrainAndTest } from './loadSource.js';
export { decodePng, type Picture, readPng } from './png.js';
export type { PlainAugmentation } from './preparation.js';
export { SeededRandom } from './random.js';
export {
  type Availability,
  available,
  cifar10,
  cifar100,
  type DatasetName,
  digits,
  fashionMnist,
  kmnist,
  load,
  mnist,
  names,
  notMnist,
} from './sources.js';
export type { SplitOptions } from './split.js';
export { type Statistics, statistics } from './statistics.js';
export {
  type GaussianOptions,
  gaussianNoise,
  type NoiseOptions,
  pixelShuffled,
  uniformNoise,
} from './synthetic.js';
export { type CsvOptions, fromCsv, TableDataset, type TableInit, tableFromNpy } from './table.js';
export { normalize } from './transforms.js';
