// Image sets by name. Each is found on this machine or fetched, verified and put on a device; see docs/data.md for the
// places and their order.
import { expected } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { catalog, type SourceName, type Split } from './catalog.js';
import type { ImageDataset } from './dataset.js';
import { aboutDigits, digits } from './digits.js';
import { type LoadSource, type SourceOptions, sourceLoader, type TrainAndTest } from './load-source.js';
import { findSplit } from './locate.js';

/**
 * Fashion-MNIST: 60,000 + 10,000 grey 28×28 pictures of clothes in ten classes (Xiao, Rasul & Vollgraf 2017).
 * @example
 * const { train, test } = await fashionMnist({ device });
 * const test = await fashionMnist({ split: 'test' });
 */
export const fashionMnist: LoadSource = sourceLoader(catalog['fashion-mnist']);

/** MNIST: 60,000 + 10,000 grey 28×28 handwritten digits (LeCun, Cortes & Burges). */
export const mnist: LoadSource = sourceLoader(catalog.mnist);

/** Kuzushiji-MNIST: 60,000 + 10,000 grey 28×28 cursive Japanese characters in ten classes (Clanuwat et al. 2018). */
export const kmnist: LoadSource = sourceLoader(catalog.kmnist);

/** notMNIST: 60,000 + 10,000 grey 28×28 letters A to J in many fonts (Bulatov 2011), as D. Flanagan repacked them. */
export const notMnist: LoadSource = sourceLoader(catalog.notmnist);

/** Every set that `load` knows. */
export const names = ['fashion-mnist', 'mnist', 'kmnist', 'notmnist', 'digits'] as const;
export type DatasetName = (typeof names)[number];

/**
 * A set by its name, for programs that are told it: `load('mnist', { split: 'test' })`.
 * @throws ERR_ARGUMENT for an unknown name, listing the known ones; otherwise as the set's own function
 */
export function load(name: DatasetName, options: SourceOptions & { split: Split }): Promise<ImageDataset<Tensor>>;
export function load(name: DatasetName, options?: SourceOptions & { split?: undefined }): Promise<TrainAndTest>;
export function load(
  name: DatasetName,
  options?: SourceOptions & { split?: Split | undefined },
): Promise<ImageDataset<Tensor> | TrainAndTest> {
  const loaders: Record<DatasetName, LoadSource> = {
    'fashion-mnist': fashionMnist,
    mnist,
    kmnist,
    notmnist: notMnist,
    digits,
  };
  if (!Object.hasOwn(loaders, name)) throw expected(`one of ${names.join(', ')}`, 'name', name);
  return loaders[name](options);
}

/** One set of `available`. */
export interface Availability {
  name: DatasetName;
  title: string;
  licence: string;
  homepage: string;
  /** Folder of each split's files; null where it is not on this machine. The digits are inside the package. */
  train: string | null;
  test: string | null;
}

/** What is on this machine, and where. Looks only; fetches nothing. */
export async function available({ root }: { root?: string } = {}): Promise<Availability[]> {
  const rows: Availability[] = await Promise.all(
    (Object.keys(catalog) as SourceName[]).map(async (name) => {
      const source = catalog[name];
      const [train, test] = await Promise.all([findSplit(source, 'train', root), findSplit(source, 'test', root)]);
      const { title, licence, homepage } = source;
      return { name, title, licence, homepage, train: train ?? null, test: test ?? null };
    }),
  );
  return [...rows, { name: 'digits', ...aboutDigits }];
}
