// The sets of images that a manifest refers to, as data sets: read or made when they are first needed, made to fit the
// network's images, kept while there is room. What is known of a set, its hash above all, is remembered for good.

import * as data from '../../data/index.js';
import { syntheticLike } from '../../data/synthetic.js';
import { type Device, tidy, torch } from '../../tensor/index.js';
import type { DataReference, DataSource } from '../manifest/types.js';
import { Shelf } from './shelf.js';

/** A set of images as a network meets it. */
export interface ImageRequest {
  readonly from: DataReference;
  /** For synthetic images the known ones that they are made after, else null. */
  readonly after: DataReference | null;
  /** The set whose channels, height and width the images are to have. */
  readonly like: DataReference;
  /** Whether its labels mean something to the network. */
  readonly labelled: boolean;
}

/** What one wants to know of a set without having it in memory. */
export interface AboutImages {
  /** sha256, in hex, of pixels and labels. */
  readonly hash: string;
  readonly shape: data.ImageShape;
  readonly classes: readonly string[];
  readonly statistics: data.Statistics;
}

export interface ImageSetsOptions {
  readonly device: Device;
  /** Fetch what is not on this machine. @default true */
  readonly download?: boolean | undefined;
  /** Is told what is fetched. */
  readonly log?: ((message: string) => void) | undefined;
}

/** Bytes of pixels that may stay between two jobs. */
const BUDGET = 2 ** 30;

export class ImageSets implements Disposable {
  readonly #shelf = new Shelf<data.ImageDataset>(BUDGET, ({ images }) => images.numel());
  readonly #about = new Map<string, AboutImages>();
  readonly #options: ImageSetsOptions;

  constructor(options: ImageSetsOptions) {
    this.#options = options;
  }

  /** The set itself. It stays here, and in memory until `trim` at least. @throws what reading it throws */
  get(request: ImageRequest): Promise<data.ImageDataset> {
    return this.#shelf.get(JSON.stringify(request), () => this.#make(request));
  }

  async about(request: ImageRequest): Promise<AboutImages> {
    const key = JSON.stringify(request);
    const known = this.#about.get(key);
    if (known) return known;
    const set = await this.get(request);
    const { shape, classes, statistics } = set;
    const about = { hash: await set.hashContent(), shape, classes, statistics };
    this.#about.set(key, about);
    return about;
  }

  trim(): void {
    this.#shelf.trim();
  }

  [Symbol.dispose](): void {
    this.#shelf[Symbol.dispose]();
  }

  async #make({ from, after, like, labelled }: ImageRequest): Promise<data.ImageDataset> {
    if (from.source.kind === 'synthetic')
      return syntheticLike[from.source.set](await this.get({ from: after!, after: null, like, labelled: true }));
    const isModel = JSON.stringify(from) === JSON.stringify(like);
    const model = isModel ? null : await this.get({ from: like, after: null, like, labelled: true });
    let set = await read(from.source, from.name, this.#options);
    const become = (next: data.ImageDataset): void => {
      if (next !== set) set.dispose();
      set = next;
    };
    try {
      const { rows, classes, part } = from;
      if (rows) become(set.subset(range(rows[0], Math.min(rows[1], set.size))));
      if (classes) become(set.onlyClasses(classes));
      if (part) become(partOf(set, part));
      if (model?.shape.some((size, i) => size !== set.shape[i])) become(data.asLike(set, model));
      if (!labelled && set.labels) become(set.unlabelled());
      return set;
    } catch (error) {
      set.dispose();
      throw error;
    }
  }
}

async function read(
  source: Exclude<DataSource, { kind: 'synthetic' }>,
  name: string,
  { device, log, download = true }: ImageSetsOptions,
): Promise<data.ImageDataset> {
  switch (source.kind) {
    case 'set':
      return await named(source, { device, download, ...(log && { log }) });
    case 'idx':
    case 'npy': {
      const files = { images: source.path, ...(source.labels !== null && { labels: source.labels }), name, device };
      return await (source.kind === 'idx'
        ? data.fromIdx(files as data.IdxOptions & { labels: string })
        : data.fromNpy(files as data.NpyOptions & { labels: string }));
    }
    case 'folder':
    case 'tar':
      return await data.imageFolder(source.path, { device });
    case 'cifar10':
    case 'cifar100':
      return await data.load(source.kind, { root: source.path, split: source.split, device });
  }
}

async function named({ set, split }: Extract<DataSource, { kind: 'set' }>, options: data.SourceOptions) {
  if (split !== 'all') return await data.load(set, { split, ...options });
  const { train, test } = await data.load(set, options);
  const images = tidy(() => torch.cat([train.images, test.images], 0));
  train.dispose();
  test.dispose();
  return new data.ImageDataset({ images, labels: null, name: set });
}

/** As `trainExperiment` divides them. */
function partOf(set: data.ImageDataset, { which, share, seed }: NonNullable<DataReference['part']>): data.ImageDataset {
  const [held, trained] = set.split(share, { seed });
  const [wanted, other] = which === 'held' ? [held, trained] : [trained, held];
  other.dispose();
  return wanted;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
