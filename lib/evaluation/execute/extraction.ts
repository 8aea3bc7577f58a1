// The arrays of a network that sees images: each set passes through it once, and what came out is kept. The network is in
// memory from the first job that runs it to the last.

import type { ImageDataset } from '../../data/index.js';
import { packageVersion } from '../../libtorch.js';
import { type ArrayCache, arraysKey, type Network, type ReadArrays } from '../../ood/index.js';
import type { BatchOptions } from '../../ood/network/batches.js';
import { disposeOf, extractWith } from '../../ood/network/extract.js';
import type { Device } from '../../tensor/index.js';
import type { DataReference } from '../manifest/types.js';
import type { PlannedKnown, PlannedNetwork, PlannedSet } from '../plan.js';
import type { ImageRequest, ImageSets } from './images.js';
import { type AboutNetwork, aboutNetwork, type LoadedNetwork, loadNetwork } from './loadNetwork.js';

/** Where the arrays of a network come from. */
export interface NetworkArrays {
  /** Of everything that decides them. @throws what reading the set throws */
  key(set: PlannedSet): Promise<string>;
  /** Null where they have yet to be made. */
  find(key: string, set: PlannedSet): Promise<ReadArrays | null>;
  make(key: string, set: PlannedSet, options: BatchOptions): Promise<void>;
}

export interface ExtractionOptions {
  readonly images: ImageSets;
  readonly cache: ArrayCache;
  readonly device: Device;
  /** The folder of the results. */
  readonly out: string;
}

export class Extraction implements NetworkArrays {
  readonly #planned: PlannedNetwork;
  readonly #options: ExtractionOptions;
  readonly #requests: ReadonlyMap<string, ImageRequest>;
  // Promises, so that what failed once isn't tried again for every set.
  #about: Promise<AboutNetwork> | undefined;
  #loaded: Promise<LoadedNetwork> | undefined;

  constructor(planned: PlannedNetwork, options: ExtractionOptions) {
    this.#planned = planned;
    this.#options = options;
    this.#requests = requestsOf(planned.known);
  }

  /** @throws what reading the run, the weights or the known images throws */
  about(): Promise<AboutNetwork> {
    const { network, known } = this.#planned;
    const { out, images } = this.#options;
    const [{ test, train }] = known as [PlannedKnown];
    this.#about ??= aboutNetwork(network, { out, images, test: this.#of(test), train: train && this.#of(train) });
    return this.#about;
  }

  async key(set: PlannedSet): Promise<string> {
    const { hash: weights, model, loss, prefix, classes, normalize } = await this.about();
    const { hash: data } = await this.#options.images.about(this.#of(set));
    const device = this.#options.device.split(':')[0];
    const transform = { model, loss, prefix, classes, normalize, device, isotorch: packageVersion() };
    return await arraysKey({ weights, data, transform });
  }

  find(key: string): Promise<ReadArrays | null> {
    return this.#options.cache.get(key);
  }

  async make(key: string, set: PlannedSet, options: BatchOptions): Promise<void> {
    const { forward } = await this.#load();
    const extracted = await extractWith(forward, await this.images(set), options);
    try {
      // A head that no file can hold is left out; a detector that needs one says so.
      await this.#options.cache.put(key, extracted.head?.kind === 'other' ? { ...extracted, head: null } : extracted);
    } finally {
      disposeOf(extracted);
    }
  }

  images(set: PlannedSet): Promise<ImageDataset> {
    return this.#options.images.get(this.#of(set));
  }

  /** For detectors that run it themselves. */
  async network(): Promise<Network> {
    return (await this.#load()).forward.network;
  }

  /** Frees the network. */
  async release(): Promise<void> {
    const loaded = await this.#loaded?.catch(() => undefined);
    loaded?.[Symbol.dispose]();
    this.#loaded = undefined;
  }

  #load(): Promise<LoadedNetwork> {
    this.#loaded ??= this.about().then((about) => loadNetwork(about, this.#options.device));
    return this.#loaded;
  }

  #of(set: PlannedSet): ImageRequest {
    return this.#requests.get(set.id)!;
  }
}

/** The images behind the sets of a network; all are as large as those of its first known set. */
function requestsOf(known: readonly PlannedKnown[]): ReadonlyMap<string, ImageRequest> {
  const imagesOf = (set: PlannedSet): DataReference => set.from as DataReference;
  const like = imagesOf(known[0]!.test);
  const requests = known.flatMap(({ train, validation, test, ood }) => {
    const own = [train, validation, test].filter((set) => set !== null);
    const requestOf = (set: PlannedSet, labelled: boolean): [string, ImageRequest] => {
      const from = imagesOf(set);
      const after = from.source.kind === 'synthetic' ? imagesOf(test) : null;
      return [set.id, { from, after, like, labelled }];
    };
    return [
      ...own.map((set) => requestOf(set, true)),
      ...[...ood.near, ...ood.far].map((set) => requestOf(set, false)),
    ];
  });
  return new Map(requests);
}
