// The shape that every function loading a set by its name has, and what a reader of one format of files gives it.
import { expected } from '../errors.js';
import type { Split } from '../known/dataSets.js';
import type { Device, Tensor } from '../tensor/index.js';
import type { ImageDataset } from './imageDataset.js';

export interface LocateOptions {
  /** A folder with the files, or with a folder `<name>/` (or torchvision's `<Name>/raw/`) that has them. */
  root?: string;
  /** Whether to fetch what is not on this machine. @default true */
  download?: boolean;
  /** Is told what is fetched and which files were passed over. @default silent */
  log?: (message: string) => void;
}

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

/** What reads the sets whose rows in lib/known/dataSets.ts have one format. */
export interface Reader<Row> {
  /** One split. @throws ERR_DATA when it is not on this machine and can't be fetched; ERR_FORMAT, ERR_ARGUMENT */
  read(row: Row, split: Split, options: SourceOptions): Promise<ImageDataset<Tensor>>;
  /** The folder of a split's files; undefined where they are not on this machine. Looks only. */
  find(row: Row, split: Split, root?: string): Promise<string | undefined>;
}

/** The function that loads the set of one row. @throws as the reader; ERR_ARGUMENT for another split than 'train' or 'test' */
export function loaderOf<Row>({ read }: Reader<Row>, row: Row): LoadSource {
  const load = async ({ split, ...options }: SourceOptions & { split?: Split | undefined } = {}) => {
    if (split !== undefined && split !== 'train' && split !== 'test')
      throw expected("'train' or 'test'", 'split', split);
    if (split !== undefined) return await read(row, split, options);
    const train = await read(row, 'train', options);
    return { train, test: await read(row, 'test', options) };
  };
  return load as LoadSource;
}
