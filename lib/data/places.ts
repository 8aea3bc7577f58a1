// Where image sets may lie on this machine, in the order in which they are looked for: a folder that the caller names,
// the one in ISOTORCH_DATA, our cache (below ISOTORCH_HOME, else the platform's cache directory), Debian's system folder.
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ImageSource, Split } from '../known/dataSets.js';
import { cacheFolder as cacheHome } from '../libtorch.js';

export interface Place {
  readonly folder: string;
  /** Why it is looked at, for messages. */
  readonly why: 'root' | 'ISOTORCH_DATA' | 'cache' | 'system';
}

/** Paths of one split's files. */
export interface FoundFiles {
  readonly images: string;
  readonly labels: string;
}

/** Where fetched sets are kept, for all checkouts of a user. */
export const cacheBase = (): string => join(cacheHome(), 'data');

/** The cache folder of one set. */
export const cacheFolder = (source: ImageSource): string => join(cacheBase(), source.name);

/** Every folder in which the set's files may lie, first ones first. */
export function placesOf(source: ImageSource, root?: string): Place[] {
  const below = (base: string, why: Place['why']): Place[] =>
    [join(base, source.name), join(base, source.torchvision), base].map((folder) => ({ folder: resolve(folder), why }));
  return [
    ...(root === undefined ? [] : below(root, 'root')),
    ...(process.env.ISOTORCH_DATA ? below(process.env.ISOTORCH_DATA, 'ISOTORCH_DATA') : []),
    { folder: cacheFolder(source), why: 'cache' },
    ...(source.debian ? [{ folder: source.debian.folder, why: 'system' as const }] : []),
  ];
}

/** Paths of one split's two files in `folder`, each with `.gz` or without; undefined unless both are there. */
export async function filesIn(folder: string, source: ImageSource, split: Split): Promise<FoundFiles | undefined> {
  const { images, labels } = source.files[split];
  const [foundImages, foundLabels] = await Promise.all([
    present(join(folder, images.name)),
    present(join(folder, labels.name)),
  ]);
  return foundImages && foundLabels ? { images: foundImages, labels: foundLabels } : undefined;
}

async function present(path: string): Promise<string | undefined> {
  for (const candidate of [`${path}.gz`, path]) {
    const found = await access(candidate).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}
