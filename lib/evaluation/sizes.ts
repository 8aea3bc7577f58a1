// How many images the sets have that are known by name: for a plan, which is drawn up before anything is read.

import type { DatasetName } from '../data/index.js';
import type { DataReference } from './manifest/types.js';

const SIZES: Readonly<
  Record<DatasetName, { readonly train: number; readonly test: number; readonly classes: number }>
> = {
  'fashion-mnist': { train: 60_000, test: 10_000, classes: 10 },
  mnist: { train: 60_000, test: 10_000, classes: 10 },
  kmnist: { train: 60_000, test: 10_000, classes: 10 },
  notmnist: { train: 60_000, test: 10_000, classes: 10 },
  digits: { train: 1_437, test: 360, classes: 10 },
};
/** Splits in which every class has the same number of images. */
const BALANCED: readonly DatasetName[] = ['fashion-mnist', 'kmnist', 'notmnist'];

/** Images of a set; null where only its files can tell. */
export function knownSize({ source, classes, rows }: DataReference): number | null {
  const split = sizeOfSplit(source);
  if (split === null) return null;
  const [from, to] = rows ?? [0, split.images];
  const chosen = Math.max(0, Math.min(to, split.images) - from);
  if (classes === null) return chosen;
  return split.balanced && rows === null ? (chosen / split.classes) * classes.length : null;
}

/** How many classes a set has that is known by name. */
export const classesOf = (set: DatasetName): number => SIZES[set].classes;

function sizeOfSplit(source: DataReference['source']) {
  if (source.kind === 'cifar10' || source.kind === 'cifar100') {
    const images = source.split === 'train' ? 50_000 : 10_000;
    return { images, classes: source.kind === 'cifar10' ? 10 : 100, balanced: true };
  }
  if (source.kind !== 'set') return null;
  const { classes, [source.split]: images } = SIZES[source.set];
  return { images, classes, balanced: BALANCED.includes(source.set) };
}
