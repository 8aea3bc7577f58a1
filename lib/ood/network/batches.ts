// A data set batch by batch, as every pass over images goes: stoppable, with progress, a turn of the event loop after each
// batch, the batch freed when the loop is left early, and the data set's name on every error.

import { setImmediate as turn } from 'node:timers/promises';
import { wholeNumber } from '../../arguments.js';
import { expected, IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';

export interface Batch {
  readonly images: Tensor;
  readonly labels: Tensor | null;
  dispose?(): void;
}

/** A data set as far as an evaluation needs it; `data.ImageDataset` fits. */
export interface EvaluatedDataset {
  readonly name: string;
  readonly size: number;
  /** Whoever makes the batches frees their tensors when the next one is asked for, if they need freeing. */
  batches(batchSize: number): Iterable<Batch>;
}

export interface BatchOptions {
  /** Images a batch. Results do not depend on it, up to rounding. @default 256 */
  batchSize?: number;
  /** Ends the work before the next batch. */
  signal?: AbortSignal;
  /** Called after each batch with the images done so far. */
  onProgress?: (progress: { dataset: string; done: number; total: number }) => void;
}

/**
 * Calls `use` with every batch and the number of images before it.
 * @param network for errors: raw images that come to the model as they are explain most of them
 * @returns how many images there were
 * @throws ERR_ABORTED when the signal says so; ERR_DATA for an empty data set; what `use` throws, with the data set's name
 */
export async function forBatches(
  dataset: EvaluatedDataset,
  { batchSize = 256, signal, onProgress }: BatchOptions,
  use: (batch: Batch, start: number) => Promise<void>,
  network: { readonly isPlain: boolean },
): Promise<number> {
  wholeNumber(batchSize, 'batchSize');
  checkAborted(signal);
  const { name, size: total } = dataset;
  let current: Batch | undefined; // ours to free when the loop is left early
  let done = 0;
  try {
    for (const batch of dataset.batches(batchSize)) {
      current = batch;
      const rows = batch.images.shape[0]!;
      try {
        await use(batch, done);
      } catch (error) {
        throw located(error, name, network.isPlain && isRaw(batch));
      }
      done += rows;
      onProgress?.({ dataset: name, done, total });
      await turn();
      checkAborted(signal);
    }
    current = undefined;
  } finally {
    current?.dispose?.();
  }
  if (done === 0) throw new IsotorchError('ERR_DATA', `Expected at least one image in ${name} but it gave none`);
  return done;
}

const isRaw = ({ images }: Batch): boolean => !images.isDisposed && images.dtype === 'uint8';

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
