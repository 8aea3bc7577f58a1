// Batches of a data set. The pixels stay where they are; each batch is one gather by an index tensor, made when it is
// asked for. The order depends on the seed, the epoch and the size alone and touches no global generator, so a run can
// be resumed at any epoch and repeated on any machine.
//
// Who frees a batch: the loop. When it asks for the next batch, or comes to its end, the one before is disposed of;
// `batch.keep()` hands it to you instead. A batch in hand when a loop is left early (break, return, throw) is left
// alone too: an enclosing tidy, dispose() or the garbage collector frees it.

import { wholeNumber } from '../arguments.js';
import { IsotorchError } from '../errors.js';
import { type Device, Feed, type Tensor, tidy, torch } from '../tensor/index.js';
import type { Augmentation } from './augment.js';
import { type PlainAugmentation, Preparation } from './preparation.js';
import { SeededRandom } from './random.js';
import type { Statistics } from './statistics.js';

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
  /** Applied in turn to the uint8 images of each batch: `randomCrop(28, 4)`, `randomHorizontalFlip()`, functions of your own. */
  augment?: readonly (Augmentation | PlainAugmentation)[];
  /**
   * Gives float32 images, normalised after the augmentations: with these numbers, or with `true` the set's own. For a
   * set of unknown images, name the numbers of the set that the network was trained on. @default false: raw uint8
   */
  normalize?: boolean | Statistics;
}

/** What a loader gathers from: examples on a device. */
export interface Examples<Labels extends Tensor | null> {
  readonly name: string;
  readonly size: number;
  readonly device: Device;
  readonly inputs: Tensor;
  readonly labels: Labels;
  /** Of one example. */
  readonly shape: readonly number[];
  readonly statistics?: Statistics | undefined;
}

/** What is gathered of some examples. A plain object, so that a captured step can give it. */
export type Gathered<Labels extends Tensor | null> = {
  /** [B, …], augmented and normalised. */
  readonly inputs: Tensor;
  /** The inputs, as one calls them in a set of images. */
  readonly images: Tensor;
  readonly labels: Labels;
  readonly indices: Tensor;
};

/** Some examples of a data set, with their labels and where in the set they come from. */
export class Batch<Labels extends Tensor | null = Tensor | null> {
  #kept = false;

  constructor(
    /** [B, …]; of images uint8 0 … 255, or float32 with `normalize`. */
    readonly inputs: Tensor,
    /** int64 [B], or null for a set without labels. */
    readonly labels: Labels,
    /** int64 [B]: positions in the data set. */
    readonly indices: Tensor,
  ) {}

  /** The inputs, as one calls them in a set of images: [B, channels, height, width]. */
  get images(): Tensor {
    return this.inputs;
  }

  get size(): number {
    return this.inputs.shape[0]!;
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
    return this.labels ? [this.inputs, this.labels, this.indices] : [this.inputs, this.indices];
  }
}

/** One batch of a stream: raw pixels on the device they are wanted on. A plain object, so that a captured step can take it. */
export type StreamedBatch<Labels extends Tensor | null = Tensor | null> = {
  /** uint8 [B, channels, height, width]. */
  images: Tensor;
  /** int64 [B], or null. */
  labels: Labels;
  /** int64 [1 + parameters, B], as `picks` gives it. */
  picks: Tensor;
};

/** What `dataset.batches(…)` returns: iterate it as often as you like. */
export class BatchLoader<Labels extends Tensor | null = Tensor | null> implements Iterable<Batch<Labels>> {
  /** Batches in one pass. */
  readonly length: number;
  readonly batchSize: number;
  readonly #dataset: Examples<Labels>;
  readonly #shuffle: boolean;
  readonly #seed: number;
  readonly #epoch: number | undefined;
  readonly #preparation: Preparation;
  readonly #nextPass: () => number;

  /** @throws ERR_ARGUMENT for a batch size below 1, a seed or epoch that is no non-negative integer */
  constructor(dataset: Examples<Labels>, batchSize: number, options: BatchOptions, nextPass: () => number) {
    this.batchSize = wholeNumber(batchSize, 'batchSize');
    this.#seed = wholeNumber(options.seed ?? 0, 'seed', 0);
    this.#epoch = options.epoch === undefined ? undefined : wholeNumber(options.epoch, 'epoch', 0);
    this.#shuffle = options.shuffle ?? false;
    this.#dataset = dataset;
    this.#preparation = new Preparation(options.augment ?? [], options.normalize ?? false, dataset);
    this.#nextPass = nextPass;
    const round = options.dropLast ? Math.floor : Math.ceil;
    this.length = round(dataset.size / batchSize);
  }

  *[Symbol.iterator](): Generator<Batch<Labels>, void, undefined> {
    for (const picks of this.picks()) {
      const { inputs, labels, indices } = tidy(() => {
        const gathered = this.gather(picks);
        return { ...gathered, indices: gathered.indices.clone() }; // the pass's own go with it
      });
      picks.dispose();
      const batch = new Batch(inputs, labels, indices);
      yield batch;
      if (!batch.isKept) batch.dispose();
    }
  }

  /**
   * One pass as what decides each batch, instead of the batches: an int64 tensor [1 + parameters, B] with the images' places
   * in the set and what the augmentations drew for them, on the set's device. `gather` makes the batch of it, best inside of
   * a captured step. The loop frees each when it asks for the next, and the last when it ends.
   * @param options.epoch instead of the loader's own
   * @param options.from the first batch to give, to go on in the middle of a pass
   * @example
   * const step = capture((picks: Tensor) => {
   *   const { images, labels } = loader.gather(picks);
   *   …
   * });
   * await step.repeat(loader.picks({ epoch }));
   */
  *picks({
    epoch: given = this.#epoch,
    from = 0,
  }: {
    epoch?: number;
    from?: number;
  } = {}): Generator<Tensor, void, undefined> {
    const plan = this.#plan(this.#epochOf(given));
    let picks: Tensor | undefined;
    try {
      for (let number = wholeNumber(from, 'from', 0); number < this.length; number++) {
        const start = number * this.batchSize;
        picks = plan.narrow(1, start, Math.min(this.batchSize, this.#dataset.size - start));
        yield picks;
        picks.dispose();
      }
    } finally {
      picks?.dispose();
      plan.dispose();
    }
  }

  /**
   * One pass over a set that is too large for the device: its images stay in host memory, and a thread of its own gathers
   * batches ahead of their use into page-locked memory and copies them to `device` on a side stream. Each comes with its
   * picks, for `prepare`. They are the caller's; the loop frees each when it asks for the next.
   * @param options.device where the batches are wanted. @default the set's own, 'cpu'
   * @param options.ahead how many batches to have ready. @default 2
   * @throws ERR_DEVICE for a set that is on an accelerator: it needs no stream
   * @example
   * const step = capture(({ images, labels, picks }: StreamedBatch) => {
   *   const x = loader.prepare(images, picks);
   *   …
   * });
   * await step.repeat(loader.stream({ device: 'cuda' }));
   */
  async *stream({
    epoch: given = this.#epoch,
    from = 0,
    device = 'cpu',
    ahead = 2,
  }: {
    epoch?: number;
    from?: number;
    device?: Device;
    ahead?: number;
  } = {}): AsyncGenerator<StreamedBatch<Labels>, void, undefined> {
    const { inputs, labels, device: home, name } = this.#dataset;
    if (home !== 'cpu')
      throw new IsotorchError(
        'ERR_DEVICE',
        `${name}.stream: expected a set on the CPU but it is on ${home}: use picks()`,
      );
    const plan = this.#plan(this.#epochOf(given));
    const feed = new Feed(labels ? [inputs, labels] : [inputs], plan, {
      batch: this.batchSize,
      from: wholeNumber(from, 'from', 0),
      count: this.length,
      ahead: wholeNumber(ahead, 'ahead'),
      device,
    });
    let batch: Tensor[] | undefined;
    const free = () => batch?.forEach((tensor) => void tensor.dispose());
    try {
      for (batch = await feed.next(); batch !== undefined; free(), batch = await feed.next()) {
        yield { images: batch[0]!, labels: (labels ? batch[1]! : null) as Labels, picks: batch.at(-1)! };
      }
    } finally {
      free();
      feed.end();
      plan.dispose();
    }
  }

  #epochOf(given: number | undefined): number {
    return wholeNumber(given ?? (this.#shuffle || this.#preparation.isRandom ? this.#nextPass() : 0), 'epoch', 0);
  }

  /** The inputs and labels of some `picks`, augmented and normalised. Operators only: a captured step can contain it. */
  gather(picks: Tensor): Gathered<Labels> {
    return tidy(() => {
      const indices = picks.select(0, 0);
      const inputs = this.prepare(this.#dataset.inputs.indexSelect(0, indices), picks);
      return {
        inputs,
        images: inputs,
        labels: (this.#dataset.labels?.indexSelect(0, indices) ?? null) as Labels,
        indices,
      };
    });
  }

  /** Augments and normalises images that have been gathered already: uint8 [B, channels, height, width]. */
  prepare(images: Tensor, picks: Tensor): Tensor {
    return tidy(() => this.#preparation.apply(images, picks));
  }

  /** The whole pass's places and parameters as one tensor on the device, [1 + parameters, N], of which each batch takes a piece. */
  #plan(epoch: number): Tensor {
    const { size, device } = this.#dataset;
    const drawn = this.#preparation.draw(size, (number) => new SeededRandom('augment', this.#seed, epoch, number));
    if (!this.#shuffle && drawn.length === 0)
      return tidy(() => torch.arange(size, { dtype: 'int64', device }).unsqueeze(0)).keep();
    const rows = new Int32Array((1 + drawn.length) * size);
    if (this.#shuffle) rows.set(new SeededRandom('shuffle', this.#seed, epoch).permutation(size));
    else for (let i = 0; i < size; i++) rows[i] = i;
    for (const [i, row] of drawn.entries()) rows.set(row, (1 + i) * size);
    return tidy(() =>
      torch.fromBuffer(rows, { dtype: 'int32', shape: [1 + drawn.length, size], device }).to('int64'),
    ).keep();
  }
}
