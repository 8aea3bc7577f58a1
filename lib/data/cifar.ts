// CIFAR-10 and CIFAR-100 from their publisher's binary files (A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html,
// "binary version"): records of a label, of CIFAR-100 two of them, and 3 × 32 × 32 pixels, colour plane by colour plane.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { expected, IsotorchError } from '../errors.js';
import type { CifarEntry, Split } from '../known/dataSets.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';
import { readFileBytes } from './idx.js';
import { ImageDataset } from './imageDataset.js';
import type { Reader } from './loadSource.js';
import { cacheBase } from './places.js';

const pixels = 3 * 32 * 32;

export const cifarReader: Reader<CifarEntry> = {
  find: async (cifar, split, root) => (await look(cifar, split, root)).folder,
  async read(cifar, split, { root, device = 'cpu' }) {
    if (root !== undefined && typeof root !== 'string') throw expected('a path', 'root', root);
    const { folder, folders, packed } = await look(cifar, split, root);
    if (folder === undefined) throw notHere(cifar, split, folders, packed);
    const { classes, name, labels, files, statistics, images: counts } = cifar;
    const batches: Tensor[] = [];
    try {
      for (const file of files[split])
        batches.push(await readBatch(cifar, counts[split] / files[split].length, join(folder, file)));
      const tensors = tidy(() => {
        const all = torch.cat(batches, 0);
        const images = all.narrow(1, labels, pixels).reshape([-1, 3, 32, 32]);
        const of = all.select(1, labels - 1).to('int64');
        return { images: images.to(device), labels: of.to(device) };
      });
      return new ImageDataset({ ...tensors, classes, name, ...(statistics && { statistics }) });
    } finally {
      for (const batch of batches) batch.dispose();
    }
  },
};

async function readBatch({ labels, classes }: CifarEntry, records: number, path: string): Promise<Tensor> {
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

/** The first folder that has a split's files, those that were looked at, and one with the files still compressed. */
async function look({ files, folders: names }: CifarEntry, split: Split, root: string | undefined) {
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
    if ((await Promise.all(paths.map(has))).every(Boolean)) return { folder, folders, packed };
    if (await has(`${paths[0]}.xz`)) packed ??= folder;
  }
  return { folder: undefined, folders, packed };
}

function notHere(
  { title, files, archive, homepage }: CifarEntry,
  split: Split,
  folders: readonly string[],
  packed: string | undefined,
): IsotorchError {
  return new IsotorchError(
    'ERR_DATA',
    [
      `${title} (${split}) is not on this machine: ${files[split].join(', ')} are in none of`,
      ...folders.map((folder) => `  - ${folder}`),
      packed === undefined
        ? `Unpack ${archive} from ${homepage}, and give its folder as \`root\`, or its parent as ISOTORCH_DATA.`
        : `In ${packed} they are compressed: unpack them with xz -dk *.bin.xz`,
    ].join('\n'),
  );
}
