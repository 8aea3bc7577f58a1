// Which images stand for the unknown beside a run's: other data sets, the classes that were held out of its training, synthetic
// images. Named data sets give their test split; the optical digits, which are few, both.

import { available } from '../data/index.js';
import { expected, IsotorchError } from '../errors.js';
import { type DataSetEntry, type DatasetName, dataSets } from '../known/dataSets.js';
import { isNameOf } from '../known/table.js';
import { syntheticNames, type UnknownName, unknownNames } from '../known/unknownSets.js';
import type { DataReference } from './manifest/types.js';

/** What a run knows. */
export interface KnownImages {
  readonly data: DatasetName;
  /** The classes that were trained on; null for all. */
  readonly classes: readonly number[] | null;
}

/**
 * One set of unknown images.
 * @throws ERR_ARGUMENT for an unknown name, for the known data set itself, and for `held-out` when no classes are
 */
export function unknownSet(name: UnknownName, { data, classes }: KnownImages): DataReference {
  const synthetic = syntheticNames.find((each) => each === name);
  if (synthetic !== undefined)
    return { name, source: { kind: 'synthetic', set: synthetic }, classes: null, rows: null };
  if (name === 'held-out') {
    if (classes === null)
      throw new IsotorchError('ERR_ARGUMENT', 'No classes were held out of this training, so there is no set held-out');
    const others = dataSets[data].classes.map((_, label) => label).filter((label) => !classes.includes(label));
    return { name, source: { kind: 'set', set: data, split: 'test' }, classes: others, rows: null };
  }
  if (!isNameOf(dataSets, name)) throw expected(`one of ${unknownNames.join(', ')}`, 'ood', name);
  if (name === data)
    throw new IsotorchError('ERR_ARGUMENT', `${name} is the known data set, so it cannot stand for the unknown`);
  const split = name === 'digits' ? 'all' : 'test';
  return { name, source: { kind: 'set', set: name, split }, classes: null, rows: null };
}

/** The sets that can be had without fetching anything and show something else than the known ones, in a fixed order. */
export async function setsAtHand({ data, classes }: KnownImages): Promise<UnknownName[]> {
  const shows = (name: DatasetName): string => (dataSets[name] as DataSetEntry).shows ?? name;
  const here = (await available()).filter(({ name, test }) => test !== null && shows(name) !== shows(data));
  return [...here.map(({ name }) => name), ...(classes === null ? [] : (['held-out'] as const)), ...syntheticNames];
}
