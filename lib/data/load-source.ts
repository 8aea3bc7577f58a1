// The shape that every function loading a set by its name has, and the one that makes such a function from an entry of
// the catalogue: files to arrays (locate.ts), arrays to a data set on a device.
import { expected } from '../errors.js';
import { type Device, type Tensor, tidy, torch } from '../tensor/index.js';
import type { ImageSource, Split } from './catalog.js';
import { ImageDataset } from './dataset.js';
import { type LocateOptions, readSplit } from './locate.js';

export interface SourceOptions extends LocateOptions {
  /** Where the tensors go. @default 'cpu' */
  device?: Device;
}

export interface TrainAndTest {
  train: ImageDataset<Tensor>;
  test: ImageDataset<Tensor>;
}

/** A function that loads a named set: one split, or both. */
export interface LoadSource {
  (options: SourceOptions & { split: Split }): Promise<ImageDataset<Tensor>>;
  (options?: SourceOptions & { split?: undefined }): Promise<TrainAndTest>;
  (options?: SourceOptions & { split?: Split | undefined }): Promise<ImageDataset<Tensor> | TrainAndTest>;
}

/**
 * A loader for one entry of the catalogue.
 * @throws ERR_DATA when the set is not on this machine and can't be fetched, with every place and way tried;
 *   ERR_FORMAT for a file in `root` whose checksum is wrong; ERR_ARGUMENT for another split than 'train' or 'test'
 */
export function sourceLoader(source: ImageSource): LoadSource {
  const one = async (split: Split, { device = 'cpu', ...where }: SourceOptions): Promise<ImageDataset<Tensor>> => {
    const { pixels, labels, shape } = await readSplit(source, split, where);
    const [n, height, width] = shape;
    const tensors = tidy(() => ({
      images: torch.fromBuffer(pixels, { dtype: 'uint8', shape: [n, 1, height, width], device }),
      labels: torch.fromBuffer(labels, { dtype: 'uint8', shape: [n], device }).to('int64'),
    }));
    const { classes, name, statistics } = source;
    return new ImageDataset({ ...tensors, classes, name, ...(statistics && { statistics }) });
  };
  const load = async ({ split, ...options }: SourceOptions & { split?: Split | undefined } = {}) => {
    if (split !== undefined) return one(checkSplit(split), options);
    const train = await one('train', options);
    return { train, test: await one('test', options) };
  };
  return load as LoadSource;
}

/** 'train' or 'test', else ERR_ARGUMENT. */
export function checkSplit(split: unknown): Split {
  if (split === 'train' || split === 'test') return split;
  throw expected("'train' or 'test'", 'split', split);
}
