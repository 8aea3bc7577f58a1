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
export function knownSize({ source, classes }: DataReference): number | null {
  if (source.kind === 'cifar10' || source.kind === 'cifar100') {
    const whole = source.split === 'train' ? 50_000 : 10_000;
    return classes === null ? whole : (whole / (source.kind === 'cifar10' ? 10 : 100)) * classes.length;
  }
  if (source.kind !== 'set') return null;
  const size = SIZES[source.set][source.split];
  if (classes === null) return size;
  return BALANCED.includes(source.set) ? (size / SIZES[source.set].classes) * classes.length : null;
}
