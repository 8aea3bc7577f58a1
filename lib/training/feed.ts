// What a step is given. A data set of tensors gives places, and batches are gathered of them inside the captured step; a data
// set of one's own gives batches. Either way a step gets as many as are accumulated in it.

import { type Collate, CollatedLoader, type Dataset, type ExampleSet } from '../data/index.js';
import type { BatchOptions } from '../data/loader.js';
import { IsotorchError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';

/** Any data set that can be trained on. */
// biome-ignore lint/suspicious/noExplicitAny: what an example is stays between the set and its collate function
export type AnyDataset = Dataset | ExampleSet<any>;

type Ready = { readonly inputs: readonly Tensor[]; readonly labels: Tensor };

/** What decides a step: places in a set, or batches that are made already. */
export type Picks = Tensor | { readonly batches: readonly Ready[] };

export type StepBatch = Ready & {
  /** Which part of the step's examples it has. */
  readonly share: number;
  /** Whether the step's batches end with it. */
  readonly isLast: boolean;
};

export interface Feed {
  /** Steps in one pass. */
  readonly length: number;
  picks(at: { epoch: number; from?: number }): Generator<Picks, void, undefined>;
  /** The batches of a step, each made when it is asked for. */
  batches(picks: Picks): Iterable<StepBatch>;
}

export interface FeedOptions extends Pick<BatchOptions, 'shuffle' | 'seed' | 'augment' | 'normalize'> {
  batchSize: number;
  /** Batches a step. @default 1 */
  accumulate?: number;
  collate?: Collate<never> | undefined;
}

/** @throws ERR_ARGUMENT for options that the kind of data set can't have */
export function feedOf(set: AnyDataset, { batchSize, accumulate = 1, collate, ...options }: FeedOptions): Feed {
  if (!('get' in set)) {
    if (collate) throw misplaced('collate', 'a data set with get(index); batches of this one are gathered');
    return new Gathered(set, batchSize, accumulate, options);
  }
  for (const name of ['augment', 'normalize'] as const)
    if (options[name] && (options[name] as { length?: number }).length !== 0)
      throw misplaced(name, 'data sets of tensors: with get(index) it belongs into `get` or `collate`');
  const { shuffle = false, seed = 0 } = options;
  return new Collated(
    new CollatedLoader(set, batchSize, { collate: collate as Collate<unknown>, shuffle, seed }),
    accumulate,
  );
}

const misplaced = (name: string, where: string) => new IsotorchError('ERR_ARGUMENT', `${name} is for ${where}`);

/** Places of all batches of a step are picked at once; the order is the same whatever a batch's size. */
class Gathered implements Feed {
  readonly length: number;
  readonly #batchSize: number;
  readonly #loader: ReturnType<Dataset['batches']>;

  constructor(set: Dataset, batchSize: number, accumulate: number, options: BatchOptions) {
    this.#batchSize = batchSize;
    this.#loader = set.batches(batchSize * accumulate, options);
    this.length = this.#loader.length;
  }

  picks(at: { epoch: number; from?: number }): Generator<Tensor, void, undefined> {
    return this.#loader.picks(at);
  }

  *batches(picks: Tensor): Iterable<StepBatch> {
    const total = picks.shape[1]!;
    for (let from = 0; from < total; from += this.#batchSize) {
      const count = Math.min(this.#batchSize, total - from);
      const { inputs, labels } = this.#loader.gather(count === total ? picks : picks.narrow(1, from, count));
      yield { inputs: [inputs], labels: labels ?? inputs, share: count / total, isLast: from + count === total };
    }
  }
}

class Collated implements Feed {
  readonly length: number;
  readonly #accumulate: number;
  readonly #loader: CollatedLoader<unknown>;

  constructor(loader: CollatedLoader<unknown>, accumulate: number) {
    this.#loader = loader;
    this.#accumulate = accumulate;
    this.length = Math.ceil(loader.length / accumulate);
  }

  *picks({ epoch, from = 0 }: { epoch: number; from?: number }): Generator<Picks, void, undefined> {
    const pass = this.#loader.pass({ epoch, from: from * this.#accumulate });
    let held: Ready[] = [];
    const free = () => {
      for (const { inputs, labels } of held) for (const tensor of new Set([...inputs, labels])) tensor.dispose();
      held = [];
    };
    try {
      for (const { inputs: given, labels } of pass) {
        const inputs = [given].flat() as Tensor[];
        // Views of their own: the pass frees a batch when it is asked for the next, and a step holds several.
        held.push({
          inputs: inputs.map((tensor) => tensor.alias().keep()),
          labels: (labels ?? inputs[0]!).alias().keep(),
        });
        if (held.length < this.#accumulate) continue;
        yield { batches: held };
        free();
      }
      if (held.length > 0) yield { batches: held };
    } finally {
      free();
    }
  }

  *batches(picks: Picks): Iterable<StepBatch> {
    const { batches } = picks as Exclude<Picks, Tensor>;
    const total = batches.reduce((sum, { inputs }) => sum + inputs[0]!.shape[0]!, 0);
    for (const [i, batch] of batches.entries())
      yield { ...batch, share: batch.inputs[0]!.shape[0]! / total, isLast: i === batches.length - 1 };
  }
}
