// First stage of an evaluation: a network and a data set in, logits and labels out. Runs batch by batch without recording,
// in evaluation mode, and gives the event loop a turn between batches. Models and data sets are taken by their shape, so
// that anything with a `forward` and anything with `batches` will do.

import { setImmediate as turn } from 'node:timers/promises';
import { expected, IsotorchError } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { Arrays } from '../arrays/arrays.js';
import { type EvaluatedModel, Forward, type ForwardOptions } from './forward.js';

/** A data set as far as an evaluation needs it; `data.ImageDataset` fits. */
export interface EvaluatedDataset {
  readonly name: string;
  readonly size: number;
  /** Whoever makes the batches frees their tensors when the next one is asked for, if they need freeing. */
  batches(batchSize: number): Iterable<{ readonly images: Tensor; readonly labels: Tensor | null; dispose?(): void }>;
}

export interface ExtractOptions extends ForwardOptions {
  /** Images a batch. Results do not depend on it, up to rounding. @default 256 */
  batchSize?: number;
  /** Ends the work before the next batch. */
  signal?: AbortSignal;
  /** Called after each batch with the images done so far. */
  onProgress?: (progress: { dataset: string; done: number; total: number }) => void;
}

/**
 * Its tensors stand outside of every tidy scope; whoever asked for them disposes of them. Logits are float32 [N, C] on the
 * CPU, labels int64 [N] on the CPU, null where the data set has none.
 */
export type Extracted = Arrays & { readonly logits: Tensor };

/**
 * The model's logits for every image of a data set, in order.
 *
 * The model is put into evaluation mode for each batch and back right after, so training that goes on meanwhile, an error
 * or an abort never leave it in the wrong mode. A module is captured, so that all but its first batch run off this thread.
 *
 * @throws ERR_ABORTED when the signal says so; ERR_SHAPE when the model's output is not [N, C]; ERR_DATA for an empty data
 *   set; ERR_ARGUMENT; and what model and transform throw, with the data set's name added
 * @example
 * const { logits } = await extract(model, test, { transform: (x) => data.normalize(x, train.statistics) });
 */
export async function extract(
  model: EvaluatedModel,
  dataset: EvaluatedDataset,
  options: ExtractOptions = {},
): Promise<Extracted> {
  using forward = new Forward(model, options);
  return await extractWith(forward, dataset, options);
}

/** The same with a network that serves several data sets. */
export async function extractWith(
  forward: Forward,
  dataset: EvaluatedDataset,
  { batchSize = 256, signal, onProgress }: Omit<ExtractOptions, keyof ForwardOptions> = {},
): Promise<Extracted> {
  checkDataset(dataset, 'dataset');
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) throw expected('a positive integer', 'batchSize', batchSize);
  checkAborted(signal);
  const { name } = dataset;
  const logits: Tensor[] = [];
  const labels: Tensor[] = [];
  let current: { dispose?(): void } | undefined; // ours to free when the loop is left early
  let done = 0;
  try {
    for (const batch of dataset.batches(batchSize)) {
      current = batch;
      const result = await oneBatch(forward, batch, name);
      logits.push(result.logits);
      if (result.labels) labels.push(result.labels);
      done += result.logits.shape[0]!;
      onProgress?.({ dataset: name, done, total: dataset.size });
      await turn();
      checkAborted(signal);
    }
    current = undefined;
    if (done === 0) throw new IsotorchError('ERR_DATA', `Expected at least one image in ${name} but it gave none`);
    if (labels.length > 0 && labels.length !== logits.length)
      throw new IsotorchError('ERR_DATA', `${name}: expected labels in every batch or in none, some batches have none`);
    return {
      name,
      logits: await toHost(tidy(() => joined(logits, name)).keep()),
      features: null,
      labels: labels.length > 0 ? await toHost(tidy(() => torch.cat(labels, 0)).keep()) : null,
      head: null,
    };
  } finally {
    current?.dispose?.();
    for (const tensor of [...logits, ...labels]) tensor.dispose();
  }
}

async function oneBatch(
  forward: Forward,
  { images, labels }: { images: Tensor; labels: Tensor | null },
  name: string,
): Promise<{ logits: Tensor; labels: Tensor | null }> {
  try {
    const logits = await forward.logits(images);
    // A copy, so that it stays when the loader frees its own.
    return { logits, labels: labels && tidy(() => labels.to({ dtype: 'int64', copy: true })).keep() };
  } catch (error) {
    throw located(error, name, forward.isPlain && !images.isDisposed && images.dtype === 'uint8');
  }
}

/** The tensor on the CPU, in place of itself; waits for an accelerator without blocking this thread. */
async function toHost(tensor: Tensor): Promise<Tensor> {
  if (tensor.device === 'cpu') return tensor;
  const { shape, dtype } = tensor;
  const values = await tensor.toArray();
  tensor.dispose();
  return torch.fromBuffer(values, { dtype, shape }).keep();
}

function joined(parts: readonly Tensor[], name: string): Tensor {
  const classes = new Set(parts.map((part) => part.shape[1]!));
  if (classes.size > 1)
    throw new IsotorchError(
      'ERR_SHAPE',
      `${name}: expected as many classes for every batch, received ${[...classes].join(' and ')}`,
    );
  return torch.cat([...parts], 0);
}

/** Says at which data set an error happened, and what is likely missing. */
function located(error: unknown, name: string, isRaw: boolean): unknown {
  if (!(error instanceof IsotorchError)) return error;
  const advice = isRaw
    ? '\n  The images are raw uint8 and no transform was given: normalise them as in training, for example ' +
      'transform: (images) => data.normalize(images, train.statistics)'
    : '';
  return new IsotorchError(error.code, `${error.message}\n  while evaluating the model on ${name}${advice}`, {
    cause: error,
  });
}

export function checkDataset(dataset: unknown, what: string): asserts dataset is EvaluatedDataset {
  const { name, size, batches } = (dataset ?? {}) as Partial<EvaluatedDataset>;
  if (typeof name !== 'string' || typeof size !== 'number' || typeof batches !== 'function')
    throw expected('a data set with name, size and batches', what, dataset);
}

export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new IsotorchError('ERR_ABORTED', 'The evaluation was aborted before it was complete', {
      cause: signal.reason,
    });
}
