// First stage of an evaluation: a network and a data set in, logits, labels and, where they are wanted, features and last layer
// out. Runs batch by batch without recording, in evaluation mode, and gives the event loop a turn between batches. Models and
// data sets are taken by their shape, so that anything with a `forward` and anything with `batches` will do.

import { IsotorchError } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { Arrays } from '../arrays/arrays.js';
import { type BatchOptions, checkDataset, type EvaluatedDataset, forBatches } from './batches.js';
import { Forward, type ForwardOptions } from './forward.js';
import type { EvaluatedModel } from './model.js';
import { Rows } from './rows.js';

export type { EvaluatedDataset } from './batches.js';

export interface ExtractOptions extends ForwardOptions, BatchOptions {}

/**
 * Its tensors stand outside of every tidy scope; whoever asked for them disposes of them, but for those of the head, which are
 * the model's. Logits [N, C] and features [N, D] are on the CPU in float32, or float64 where the model computes in it, labels
 * int64 [N] on the CPU, null where the data set has none.
 */
export type Extracted = Arrays & { readonly logits: Tensor };

/**
 * The model's logits for every image of a data set, in order; with `features: true` also what its last layer is given, and
 * the last layer itself as `head`.
 *
 * The model is put into evaluation mode for each batch and back right after, so training that goes on meanwhile, an error
 * or an abort never leave it in the wrong mode. A module is captured, so that all but its first batch run off this thread.
 *
 * @throws ERR_ABORTED when the signal says so; ERR_SHAPE when the model's output is not [N, C]; ERR_DATA for an empty data
 *   set; ERR_ARGUMENT, also where features are wanted and the last layer can't be told; and what model and transform throw,
 *   with the data set's name added
 * @example
 * const transform = (x: Tensor) => data.normalize(x, train.statistics);
 * const { logits, features, labels, head } = await extract(model, test, { features: true, transform });
 */
export async function extract(
  model: EvaluatedModel,
  dataset: EvaluatedDataset,
  options: ExtractOptions = {},
): Promise<Extracted> {
  using forward = new Forward(model, options);
  return await extractWith(forward, dataset, options);
}

/**
 * The same with a network that serves several data sets.
 * @param also what else each batch is for: the same pass serves it
 */
export async function extractWith(
  forward: Forward,
  dataset: EvaluatedDataset,
  options: BatchOptions = {},
  also?: (images: Tensor, start: number) => Promise<void>,
): Promise<Extracted> {
  checkDataset(dataset, 'dataset');
  const { name, size } = dataset;
  const rows = {
    logits: new Rows(`the logits of ${name}`, size),
    features: new Rows(`the features of ${name}`, size),
    labels: new Rows(`the labels of ${name}`, size),
  };
  try {
    const count = await forBatches(
      dataset,
      options,
      async (batch, start) => {
        const { logits, features } = await forward.outputs(batch.images);
        try {
          rows.logits.append(logits);
          if (features) rows.features.append(features);
        } finally {
          logits.dispose();
          features?.dispose();
        }
        if (batch.labels) {
          const { labels } = batch;
          tidy(() => rows.labels.append(labels.to('int64')));
        }
        await also?.(batch.images, start);
      },
      forward.network,
    );
    if (rows.labels.filled > 0 && rows.labels.filled !== count)
      throw new IsotorchError(
        'ERR_DATA',
        `${name}: expected a label for every image or for none, received ${rows.labels.filled} labels for ${count} images`,
      );
    return {
      name,
      logits: await toHost(rows.logits.finish()),
      features: rows.features.filled > 0 ? await toHost(rows.features.finish()) : null,
      labels: rows.labels.filled > 0 ? await toHost(rows.labels.finish()) : null,
      head: forward.head,
    };
  } finally {
    for (const part of Object.values(rows)) part.dispose();
  }
}

/** Frees what `extract` gave. */
export function disposeOf({ logits, features, labels }: Arrays): void {
  for (const tensor of [logits, features, labels]) tensor?.dispose();
}

/** The tensor on the CPU, in place of itself; waits for an accelerator without blocking this thread. */
async function toHost(tensor: Tensor): Promise<Tensor> {
  if (tensor.device === 'cpu') return tensor;
  const { shape, dtype } = tensor;
  const values = await tensor.toArray();
  tensor.dispose();
  return torch.fromBuffer(values, { dtype, shape }).keep();
}
