// CIFAR-10 from its publisher's binary files (A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html, "binary version"):
// 10,000 records a file, each a label and 3 × 32 × 32 pixels, colour plane by colour plane.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { expected, IsotorchError } from '../errors.js';
import { type Device, type Tensor, tidy, torch } from '../tensor/index.js';
import type { Split } from './catalog.js';
import { ImageDataset } from './dataset.js';
import { readFileBytes } from './idx.js';
import { checkSplit, type TrainAndTest } from './load-source.js';
import { cacheBase } from './places.js';
import { statistics } from './statistics.js';

export interface CifarOptions {
  /** The folder of the files, or one that has them in `cifar-10/` or `cifar-10-batches-bin/`. @default ISOTORCH_DATA, then our cache */
  root?: string;
  /** @default both */
  split?: Split;
  /** @default 'cpu' */
  device?: Device;
}

const files: Readonly<Record<Split, readonly string[]>> = {
  train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
  test: ['test_batch.bin'],
};
const classes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const records = 10_000;
const recordBytes = 1 + 3 * 32 * 32;

/**
 * CIFAR-10: 50,000 + 10,000 coloured 32×32 pictures in ten classes (Krizhevsky 2009), from the files of
 * `cifar-10-binary.tar.gz`. It is not fetched: unpack it yourself.
 *
 * @throws ERR_DATA when the files are in none of the places, naming them; ERR_FORMAT for a file of another size or with a label
 *   that is no class; ERR_ARGUMENT for another split
 * @example const test = await data.cifar10({ root: 'downloads', split: 'test' });
 */
export function cifar10(options: CifarOptions & { split: Split }): Promise<ImageDataset<Tensor>>;
export function cifar10(options?: CifarOptions & { split?: undefined }): Promise<TrainAndTest>;
export async function cifar10({
  root,
  split,
  device = 'cpu',
}: CifarOptions = {}): Promise<ImageDataset<Tensor> | TrainAndTest> {
  if (root !== undefined && typeof root !== 'string') throw expected('a path', 'root', root);
  if (split !== undefined) return await load(checkSplit(split), root, device);
  const train = await load('train', root, device);
  return { train, test: await load('test', root, device) };
}

async function load(split: Split, root: string | undefined, device: Device): Promise<ImageDataset<Tensor>> {
  const folder = await find(split, root);
  const batches: Tensor[] = [];
  try {
    for (const name of files[split]) batches.push(await readBatch(join(folder, name)));
    const tensors = tidy(() => {
      const all = torch.cat(batches, 0);
      const images = all.narrow(1, 1, recordBytes - 1).reshape([-1, 3, 32, 32]);
      return { images: images.to(device), labels: all.select(1, 0).to('int64').to(device) };
    });
    return new ImageDataset({ ...tensors, classes, name: 'cifar-10', statistics: statistics.cifar10 });
  } finally {
    for (const batch of batches) batch.dispose();
  }
}

async function readBatch(path: string): Promise<Tensor> {
  const bytes = await readFileBytes(path);
  const bad = (problem: string) => new IsotorchError('ERR_FORMAT', `${path}: ${problem}. Fetch the file anew`);
  if (bytes.length !== records * recordBytes)
    throw bad(`expected ${records} records of ${recordBytes} bytes, received ${bytes.length} bytes`);
  for (let i = 0; i < records; i++) {
    const label = bytes[i * recordBytes] as number;
    if (label >= classes.length) throw bad(`expected labels from 0 to 9, received ${label} in record ${i}`);
  }
  return torch.fromBuffer(bytes, { dtype: 'uint8', shape: [records, recordBytes] });
}

/** The first folder that has a split's files. */
async function find(split: Split, root: string | undefined): Promise<string> {
  const bases =
    root !== undefined ? [root] : [process.env.ISOTORCH_DATA, cacheBase()].filter((base) => base !== undefined);
  const folders = bases.flatMap((base) => ['cifar-10', 'cifar-10-batches-bin', ''].map((name) => join(base, name)));
  const has = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  let packed: string | undefined;
  for (const folder of folders) {
    const paths = files[split].map((name) => join(folder, name));
    if ((await Promise.all(paths.map(has))).every(Boolean)) return folder;
    if (await has(`${paths[0]}.xz`)) packed ??= folder;
  }
  throw new IsotorchError(
    'ERR_DATA',
    [
      `CIFAR-10 (${split}) is not on this machine: ${files[split].join(', ')} are in none of`,
      ...folders.map((folder) => `  - ${folder}`),
      packed === undefined
        ? 'Unpack cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html, and give its folder as `root`.'
        : `In ${packed} they are compressed: unpack them with xz -dk *.bin.xz`,
    ].join('\n'),
  );
}
