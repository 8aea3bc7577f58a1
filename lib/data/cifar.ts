// CIFAR-10 and CIFAR-100 from their publisher's binary files (A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html,
// "binary version"): records of a label, of CIFAR-100 two of them, and 3 × 32 × 32 pixels, colour plane by colour plane.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { expected, IsotorchError } from '../errors.js';
import { type Device, type Tensor, tidy, torch } from '../tensor/index.js';
import type { Split } from './catalog.js';
import { ImageDataset } from './dataset.js';
import { readFileBytes } from './idx.js';
import { checkSplit, type TrainAndTest } from './load-source.js';
import { cacheBase } from './places.js';
import { type Statistics, statistics } from './statistics.js';

export interface CifarOptions {
  /** The folder of the files, or one that has them in `cifar-10/` or `cifar-10-batches-bin/` (or 100). @default ISOTORCH_DATA, then our cache */
  root?: string;
  /** @default both */
  split?: Split;
  /** @default 'cpu' */
  device?: Device;
}

const pixels = 3 * 32 * 32;

interface Cifar {
  readonly title: string;
  readonly name: string;
  /** Folders that the files may be in, as the archive has them or we do. */
  readonly folders: readonly string[];
  readonly archive: string;
  readonly files: Readonly<Record<Split, readonly string[]>>;
  /** In one file of a split. */
  readonly records: Readonly<Record<Split, number>>;
  /** Bytes before the pixels; the last of them is the label. */
  readonly labels: number;
  readonly classes: readonly string[];
  readonly statistics: Statistics;
}

const ten: Cifar = {
  title: 'CIFAR-10',
  name: 'cifar-10',
  folders: ['cifar-10', 'cifar-10-batches-bin', ''],
  archive: 'cifar-10-binary.tar.gz',
  files: { train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`), test: ['test_batch.bin'] },
  records: { train: 10_000, test: 10_000 },
  labels: 1,
  classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  statistics: statistics.cifar10,
};

const hundred: Cifar = {
  title: 'CIFAR-100',
  name: 'cifar-100',
  folders: ['cifar-100', 'cifar-100-binary', ''],
  archive: 'cifar-100-binary.tar.gz',
  files: { train: ['train.bin'], test: ['test.bin'] },
  records: { train: 50_000, test: 10_000 },
  labels: 2,
  classes: (
    'apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle ' +
    'caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish ' +
    'forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle ' +
    'mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine ' +
    'possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar ' +
    'sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale ' +
    'willow_tree wolf woman worm'
  ).split(' '),
  statistics: statistics.cifar100,
};

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
export function cifar10(options: CifarOptions = {}): Promise<ImageDataset<Tensor> | TrainAndTest> {
  return loadSplits(ten, options);
}

/**
 * CIFAR-100: as CIFAR-10, in a hundred classes, from the files of `cifar-100-binary.tar.gz`; its twenty coarse labels are left
 * out.
 *
 * @throws as `cifar10`
 * @example const test = await data.cifar100({ root: 'downloads', split: 'test' });
 */
export function cifar100(options: CifarOptions & { split: Split }): Promise<ImageDataset<Tensor>>;
export function cifar100(options?: CifarOptions & { split?: undefined }): Promise<TrainAndTest>;
export function cifar100(options: CifarOptions = {}): Promise<ImageDataset<Tensor> | TrainAndTest> {
  return loadSplits(hundred, options);
}

async function loadSplits(cifar: Cifar, { root, split, device = 'cpu' }: CifarOptions) {
  if (root !== undefined && typeof root !== 'string') throw expected('a path', 'root', root);
  if (split !== undefined) return await load(cifar, checkSplit(split), root, device);
  const train = await load(cifar, 'train', root, device);
  return { train, test: await load(cifar, 'test', root, device) };
}

async function load(
  cifar: Cifar,
  split: Split,
  root: string | undefined,
  device: Device,
): Promise<ImageDataset<Tensor>> {
  const folder = await find(cifar, split, root);
  const { classes, name, labels } = cifar;
  const batches: Tensor[] = [];
  try {
    for (const file of cifar.files[split])
      batches.push(await readBatch(cifar, cifar.records[split], join(folder, file)));
    const tensors = tidy(() => {
      const all = torch.cat(batches, 0);
      const images = all.narrow(1, labels, pixels).reshape([-1, 3, 32, 32]);
      return {
        images: images.to(device),
        labels: all
          .select(1, labels - 1)
          .to('int64')
          .to(device),
      };
    });
    return new ImageDataset({ ...tensors, classes, name, statistics: cifar.statistics });
  } finally {
    for (const batch of batches) batch.dispose();
  }
}

async function readBatch({ labels, classes }: Cifar, records: number, path: string): Promise<Tensor> {
  const bytes = await readFileBytes(path);
  const size = labels + pixels;
  const bad = (problem: string) => new IsotorchError('ERR_FORMAT', `${path}: ${problem}. Fetch the file anew`);
  if (bytes.length !== records * size)
    throw bad(`expected ${records} records of ${size} bytes, received ${bytes.length} bytes`);
  for (let i = 0; i < records; i++) {
    const label = bytes[i * size + labels - 1] as number;
    if (label >= classes.length)
      throw bad(`expected labels from 0 to ${classes.length - 1}, received ${label} in record ${i}`);
  }
  return torch.fromBuffer(bytes, { dtype: 'uint8', shape: [records, size] });
}

/** The first folder that has a split's files. */
async function find(
  { title, files, folders: names, archive }: Cifar,
  split: Split,
  root: string | undefined,
): Promise<string> {
  const bases =
    root !== undefined ? [root] : [process.env.ISOTORCH_DATA, cacheBase()].filter((base) => base !== undefined);
  const folders = bases.flatMap((base) => names.map((name) => join(base, name)));
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
      `${title} (${split}) is not on this machine: ${files[split].join(', ')} are in none of`,
      ...folders.map((folder) => `  - ${folder}`),
      packed === undefined
        ? `Unpack ${archive} from https://www.cs.toronto.edu/~kriz/cifar.html, and give its folder as \`root\`.`
        : `In ${packed} they are compressed: unpack them with xz -dk *.bin.xz`,
    ].join('\n'),
  );
}
