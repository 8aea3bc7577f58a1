// How many images a set has that is known by name: for a plan, which is drawn up before anything is read.

import { type DataSetEntry, dataSets } from '../known/dataSets.js';
import type { DataReference } from './manifest/types.js';

/** Images of a set; null where only its files can tell. */
export function knownSize({ source, classes, rows, part }: DataReference): number | null {
  if (part) return null;
  if (source.kind !== 'set' && source.kind !== 'cifar10' && source.kind !== 'cifar100') return null;
  const set: DataSetEntry = dataSets[source.kind === 'set' ? source.set : source.kind];
  const images = source.split === 'all' ? set.images.train + set.images.test : set.images[source.split];
  const [from, to] = rows ?? [0, images];
  const chosen = Math.max(0, Math.min(to, images) - from);
  if (classes === null) return chosen;
  return set.balanced && rows === null ? (chosen / set.classes.length) * classes.length : null;
}
