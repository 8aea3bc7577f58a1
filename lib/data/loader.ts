// Batches of a data set. The pixels stay where they are; each batch is one gather by an index tensor, made when it is
// asked for. The order depends on the seed, the epoch and the size alone and touches no global generator, so a run can
// be resumed at any epoch and repeated on any machine.
//
// Who frees a batch: the loop. When it asks for the next batch, or comes to its end, the one before is disposed of;
// `batch.keep()` hands it to you instead. A batch in hand when a loop is left early (break, return, throw) is left
// alone too: an enclosing tidy, dispose() or the garbage collector frees it.
import { expected } from '../errors.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';
import { integer } from './arguments.js';
import type { ImageDataset } from './dataset.js';
import { SeededRandom } from './random.js';
import type { Statistics } from './statistics.js';
import { normalize } from './transforms.js';

/** Changes a batch of uint8 images; all its chance comes from `random`. See `randomCrop`, `randomHorizontalFlip`. */
export type Augmentation = (images: Tensor, random: SeededRandom) => Tensor;

export interface BatchOptions {
  /** A new random order each epoch. @default false: the set's own order */
  shuffle?: boolean;
  /** Chooses the orders and the augmentations. @default 0 */
  seed?: number;
  /**
   * Which of the seed's orders to take. Give it when a run may be resumed or compared. @default 0 for the first pass
   * that begins over this data set, 1 for the second, and so on, over all its loaders
   */
  epoch?: number;
  /** Leaves out a last batch that is smaller than the others. @default false, as in the papers' recipe */
  dropLast?: boolean;
  /** Applied in turn to the uint8 images of each batch. */
  augment?: readonly Augmentation[];
  /**
   * Gives float32 images, normalised after the augmentations: with these numbers, or with `true` the set's own. For a
   * set of unknown images, name the numbers of the set that the network was trained on. @default false: raw uint8
   */
  normalize?: boolean | Statistics;
}

/** Some images of a data set, with their labels and where in the set they come from. */
export class Batch<Labels extends Tensor | null = Tensor | null> {
  #kept = false;

  constructor(
    /** [B, channels, height, width]: uint8 0 … 255, or float32 with `normalize`. */
    readonly images: Tensor,
    /** int64 [B], or null for a set without labels. */
    readonly labels: Labels,
    /** int64 [B]: positions in the data set. */
    readonly indices: Tensor,
  ) {}

  get size(): number {
    return this.images.shape[0]!;
  }

  /** Takes the batch out of the loop's hands and of any tidy scope: it lives until dispose(). */
  keep(): this {
    this.#kept = true;
    for (const tensor of this.#tensors()) tensor.keep();
    return this;
  }

  get isKept(): boolean {
    return this.#kept;
  }

  dispose(): void {
    for (const tensor of this.#tensors()) if (!tensor.isDisposed) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #tensors(): Tensor[] {
    return this.labels ? [this.images, this.labels, this.indices] : [this.images, this.indices];
  }
}

/** What `dataset.batches(…)` returns: iterate it as often as you like. */
export class BatchLoader<Labels extends Tensor | null = Tensor | null> implements Iterable<Batch<Labels>> {
  /** Batches in one pass. */
  readonly length: number;
  readonly batchSize: number;
  readonly #dataset: ImageDataset<Labels>;
  readonly #options: BatchOptions;
  readonly #seed: number;
  readonly #nextPass: () => number;

  /** @throws ERR_ARGUMENT for a batch size below 1, a seed or epoch that is no non-negative integer */
  constructor(dataset: ImageDataset<Labels>, batchSize: number, options: BatchOptions, nextPass: () => number) {
    this.batchSize = integer(batchSize, 'batchSize', 1);
    this.#seed = integer(options.seed ?? 0, 'seed');
    if (options.epoch !== undefined) integer(options.epoch, 'epoch');
    if (options.augment?.some((step) => typeof step !== 'function')) {
      throw expected('an array of functions such as randomCrop(28, 4)', 'augment', options.augment);
    }
    this.#dataset = dataset;
    this.#options = options;
    this.#nextPass = nextPass;
    const round = options.dropLast ? Math.floor : Math.ceil;
    this.length = round(dataset.size / batchSize);
  }

  *[Symbol.iterator](): Generator<Batch<Labels>, void, undefined> {
    const { shuffle = false, augment = [], epoch: given } = this.#options;
    const epoch = given ?? (shuffle || augment.length > 0 ? this.#nextPass() : 0);
    const order = this.#order(shuffle, epoch);
    try {
      for (let number = 0; number < this.length; number++) {
        const batch = this.#gather(order, number, epoch);
        yield batch;
        if (!batch.isKept) batch.dispose();
      }
    } finally {
      order.dispose();
    }
  }

  /** The whole pass's positions as one tensor on the device, of which each batch takes a piece. */
  #order(shuffle: boolean, epoch: number): Tensor {
    const { size, device } = this.#dataset;
    if (!shuffle) return torch.arange(size, { dtype: 'int64', device }).keep();
    const positions = new SeededRandom('shuffle', this.#seed, epoch).permutation(size);
    return tidy(() => torch.fromBuffer(positions, { dtype: 'int32', shape: [size], device }).to('int64')).keep();
  }

  #gather(order: Tensor, number: number, epoch: number): Batch<Labels> {
    const { augment = [], normalize: wanted = false } = this.#options;
    const dataset = this.#dataset;
    const start = number * this.batchSize;
    const tensors = tidy(() => {
      const indices = order.narrow(0, start, Math.min(this.batchSize, dataset.size - start)).clone();
      const random = new SeededRandom('augment', this.#seed, epoch, number);
      let images = dataset.images.indexSelect(0, indices);
      for (const step of augment) images = step(images, random);
      if (wanted) images = normalize(images, wanted === true ? dataset.statistics : wanted);
      return { images, labels: dataset.labels?.indexSelect(0, indices) ?? null, indices };
    });
    return new Batch(tensors.images, tensors.labels as Labels, tensors.indices);
  }
}
