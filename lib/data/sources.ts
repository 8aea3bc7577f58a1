// Image sets by name. Each is found on this machine or fetched, verified and put on a device; see docs/data.md for the
// places and their order.
import { expected } from '../errors.js';
import { type DataSetEntry, type DatasetName, dataSetNames, dataSets, type Split } from '../known/dataSets.js';
import type { Tensor } from '../tensor/index.js';
import { cifarReader } from './cifar.js';
import { digitsReader } from './digits.js';
import { idxReader } from './idxReader.js';
import type { ImageDataset } from './imageDataset.js';
import { type LoadSource, loaderOf, type Reader, type SourceOptions, type TrainAndTest } from './loadSource.js';

export { type DatasetName, dataSetNames as names } from '../known/dataSets.js';

const readers: { readonly [Row in DataSetEntry as Row['format']]: Reader<Row> } = {
  idx: idxReader,
  cifar: cifarReader,
  digits: digitsReader,
};

const readerOf = <Row extends DataSetEntry>({ format }: Row) => readers[format] as unknown as Reader<DataSetEntry>;
const loader = (name: DatasetName): LoadSource => loaderOf(readerOf(dataSets[name]), dataSets[name]);

/**
 * Fashion-MNIST: 60,000 + 10,000 grey 28×28 pictures of clothes in ten classes (Xiao, Rasul & Vollgraf 2017).
 * @example
 * const { train, test } = await fashionMnist({ device });
 * const test = await fashionMnist({ split: 'test' });
 */
export const fashionMnist = loader('fashion-mnist');

/** MNIST: 60,000 + 10,000 grey 28×28 handwritten digits (LeCun, Cortes & Burges). */
export const mnist = loader('mnist');

/** Kuzushiji-MNIST: 60,000 + 10,000 grey 28×28 cursive Japanese characters in ten classes (Clanuwat et al. 2018). */
export const kmnist = loader('kmnist');

/** notMNIST: 60,000 + 10,000 grey 28×28 letters A to J in many fonts (Bulatov 2011), as D. Flanagan repacked them. */
export const notMnist = loader('notmnist');

/**
 * CIFAR-10: 50,000 + 10,000 coloured 32×32 pictures in ten classes (Krizhevsky 2009), from the files of
 * `cifar-10-binary.tar.gz`. It is not fetched: unpack it yourself. `root` is the folder of the files, or one that has them in
 * `cifar-10/` or `cifar-10-batches-bin/`.
 *
 * @throws ERR_DATA when the files are in none of the places, naming them; ERR_FORMAT for a file of another size or with a label
 *   that is no class; ERR_ARGUMENT for another split
 * @example const test = await data.cifar10({ root: 'downloads', split: 'test' });
 */
export const cifar10 = loader('cifar10');

/**
 * CIFAR-100: as CIFAR-10, in a hundred classes, from the files of `cifar-100-binary.tar.gz`; its twenty coarse labels are left
 * out.
 *
 * @throws as `cifar10`
 * @example const test = await data.cifar100({ root: 'downloads', split: 'test' });
 */
export const cifar100 = loader('cifar100');

/**
 * The optical digits, grey 8×8, their 17 levels spread over 0 … 255: 1,437 to train and 360 to test on, divided at
 * random with a fixed seed and every digit in proportion. Of `options` only `split` and `device` matter.
 * @throws ERR_FILE or ERR_FORMAT when the package's own file is missing or damaged
 * @example const unknown = (await digits({ split: 'test' })).resize(28, 28);
 */
export const digits = loader('digits');

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
  if (!Object.hasOwn(dataSets, name)) throw expected(`one of ${dataSetNames.join(', ')}`, 'name', name);
  return loader(name)(options);
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
  return await Promise.all(
    dataSetNames.map(async (name): Promise<Availability> => {
      const row: DataSetEntry = dataSets[name];
      const { find } = readerOf(row);
      const [train, test] = await Promise.all([find(row, 'train', root), find(row, 'test', root)]);
      const { title, licence, homepage } = row;
      return { name, title, licence, homepage, train: train ?? null, test: test ?? null };
    }),
  );
}
