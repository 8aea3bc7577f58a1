// A data set of your own: three members, of which `get` makes one example in JavaScript. Its batches are collated from examples
// where tensors of one length (dataset.ts) are gathered by one operator: slower, and free in everything.

import { wholeNumber } from '../arguments.js';
import { expected } from '../errors.js';
import { type Device, Tensor, tidy } from '../tensor/index.js';
import { type Collate, type CollatedBatch, collate as usual } from './collate.js';
import { SeededRandom } from './random.js';

/**
 * What PyTorch calls a map-style data set.
 * @example
 * const squares: data.ExampleSet<[Tensor, Tensor]> = {
 *   size: 100,
 *   device: 'cpu',
 *   get: (i) => [torch.tensor([i / 100]), torch.tensor([(i / 100) ** 2])],
 * };
 */
export interface ExampleSet<Example = unknown> {
  /** How many examples there are. */
  readonly size: number;
  /** Where batches are. */
  readonly device: Device;
  /** Example `index`, from 0 to size − 1. Tensors that it makes go with the batch; those that it keeps for later must be `keep()`ed. */
  get(index: number): Example;
}

export interface CollatedOptions<Example> {
  /** @default `data.collate` */
  collate?: Collate<Example> | undefined;
  /** A new random order each epoch, the one that `batches` of other sets have for the seed. @default false */
  shuffle?: boolean;
  /** @default 0 */
  seed?: number;
}

/** Batches of a data set of your own. The loop frees each when it asks for the next. */
export class CollatedLoader<Example> implements Iterable<CollatedBatch> {
  /** Batches in one pass. */
  readonly length: number;
  readonly batchSize: number;
  readonly #set: ExampleSet<Example>;
  readonly #collate: Collate<Example>;
  readonly #shuffle: boolean;
  readonly #seed: number;

  /** @throws ERR_ARGUMENT for what is no data set, a batch size below 1, a collate that is no function */
  constructor(set: ExampleSet<Example>, batchSize: number, options: CollatedOptions<Example> = {}) {
    if (typeof set?.get !== 'function') throw expected('a data set with size, device and get(index)', 'set', set);
    const { collate = usual as Collate<unknown> as Collate<Example>, shuffle = false, seed = 0 } = options;
    if (typeof collate !== 'function') throw expected('a function', 'collate', collate);
    this.batchSize = wholeNumber(batchSize, 'batchSize');
    this.length = Math.ceil(wholeNumber(set.size, 'set.size', 0) / batchSize);
    this.#set = set;
    this.#collate = collate;
    this.#shuffle = shuffle;
    this.#seed = wholeNumber(seed, 'seed', 0);
  }

  [Symbol.iterator](): Generator<CollatedBatch, void, undefined> {
    return this.pass();
  }

  /** One pass. @param options.from the first batch to give, to go on in the middle of a pass */
  *pass({ epoch = 0, from = 0 }: { epoch?: number; from?: number } = {}): Generator<CollatedBatch, void, undefined> {
    const { size } = this.#set;
    const order = this.#shuffle ? new SeededRandom('shuffle', this.#seed, epoch).permutation(size) : undefined;
    for (let start = from * this.batchSize; start < size; start += this.batchSize) {
      const count = Math.min(this.batchSize, size - start);
      const batch = tidy(() =>
        checked(
          this.#collate(Array.from({ length: count }, (_, i) => this.#set.get(order ? order[start + i]! : start + i))),
        ),
      );
      const tensors = [...[batch.inputs].flat(), ...(batch.labels ? [batch.labels] : [])] as Tensor[];
      for (const tensor of tensors) tensor.keep();
      try {
        yield batch;
      } finally {
        for (const tensor of tensors) if (!tensor.isDisposed) tensor.dispose();
      }
    }
  }
}

function checked(batch: CollatedBatch): CollatedBatch {
  const { inputs, labels = null } = (batch ?? {}) as Partial<CollatedBatch>;
  const all = [inputs].flat();
  if (!all.every((tensor) => tensor instanceof Tensor) || (labels !== null && !(labels instanceof Tensor)))
    throw expected('{ inputs, labels } of tensors', 'the result of collate', batch);
  return { inputs: inputs!, labels };
}
