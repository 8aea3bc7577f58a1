// First stage of an evaluation: a network and a data set in, logits and labels out. Runs batch by batch without recording,
// in evaluation mode, and gives the event loop a turn between batches. Models and data sets are taken by their shape, so
// that anything with a `forward` and anything with `batches` will do.

import { setImmediate as turn } from 'node:timers/promises';
import { expected, IsotorchError } from '../errors.js';
import { Tensor, tidy, torch } from '../tensor/index.js';

/** A network as far as an evaluation needs it; `nn.Module` fits. */
export interface EvaluatedModel {
  /** Images in, logits [N, C] out. */
  forward(images: Tensor): Tensor;
  readonly training: boolean;
  train(mode?: boolean): unknown;
  eval(): unknown;
  /** Itself and all modules within. With it each gets its own mode back, without it all get that of the model. */
  modules?(): Iterable<{ training: boolean }>;
}

/** A data set as far as an evaluation needs it; `data.ImageDataset` fits. */
export interface EvaluatedDataset {
  readonly name: string;
  readonly size: number;
  /** Whoever makes the batches frees their tensors when the next one is asked for, if they need freeing. */
  batches(batchSize: number): Iterable<{ readonly images: Tensor; readonly labels: Tensor | null; dispose?(): void }>;
}

export interface ExtractOptions {
  /** From a batch's images to the model's input: normalises, and moves to the model's device. @default as they are */
  transform?: (images: Tensor) => Tensor;
  /** Images a batch. Results do not depend on it, up to rounding. @default 256 */
  batchSize?: number;
  /** Ends the work before the next batch. */
  signal?: AbortSignal;
  /** Called after each batch with the images done so far. */
  onProgress?: (progress: { dataset: string; done: number; total: number }) => void;
}

/** Its tensors stand outside of every tidy scope; whoever asked for them disposes of them. */
export interface Extracted {
  readonly name: string;
  /** float32 [N, C] on the CPU. */
  readonly logits: Tensor;
  /** int64 [N] on the CPU; null where the data set has none. */
  readonly labels: Tensor | null;
}

/**
 * The model's logits for every image of a data set, in order.
 *
 * The model is put into evaluation mode for each batch and back right after, so training that goes on meanwhile, an error
 * or an abort never leave it in the wrong mode.
 *
 * @throws ERR_ABORTED when the signal says so; ERR_SHAPE when the model's output is not [N, C]; ERR_DATA for an empty data
 *   set; ERR_ARGUMENT; and what model and transform throw, with the data set's name added
 * @example
 * const { logits } = await extract(model, test, { transform: (x) => data.normalize(x, train.statistics) });
 */
export async function extract(
  model: EvaluatedModel,
  dataset: EvaluatedDataset,
  { transform, batchSize = 256, signal, onProgress }: ExtractOptions = {},
): Promise<Extracted> {
  checkModel(model);
  checkDataset(dataset, 'dataset');
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) throw expected('a positive integer', 'batchSize', batchSize);
  if (transform !== undefined && typeof transform !== 'function') throw expected('a function', 'transform', transform);
  checkAborted(signal);
  const { name } = dataset;
  const logits: Tensor[] = [];
  const labels: Tensor[] = [];
  let current: { dispose?(): void } | undefined; // ours to free when the loop is left early
  let done = 0;
  try {
    for (const batch of dataset.batches(batchSize)) {
      current = batch;
      const result = oneBatch(model, batch, transform, name);
      logits.push(result.logits.keep());
      if (result.labels) labels.push(result.labels.keep());
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
      logits: tidy(() => joined(logits, name)).keep(),
      labels: labels.length > 0 ? tidy(() => torch.cat(labels, 0)).keep() : null,
    };
  } finally {
    current?.dispose?.();
    for (const tensor of [...logits, ...labels]) tensor.dispose();
  }
}

function oneBatch(
  model: EvaluatedModel,
  { images, labels }: { images: Tensor; labels: Tensor | null },
  transform: ExtractOptions['transform'],
  name: string,
): { logits: Tensor; labels: Tensor | null } {
  const restore = toEvaluationMode(model);
  try {
    return tidy(() =>
      torch.inferenceMode(() => {
        const output = model.forward(transform ? transform(images) : images);
        checkOutput(output, images);
        // Copies, so that they stay when the model or the loader reuse or free what they gave.
        const logits = output.to({ device: 'cpu', dtype: 'float32', copy: true });
        return { logits, labels: labels ? labels.to({ device: 'cpu', dtype: 'int64', copy: true }) : null };
      }),
    );
  } catch (error) {
    throw located(error, name, !transform && !images.isDisposed && images.dtype === 'uint8');
  } finally {
    restore();
  }
}

/** Puts the model into evaluation mode; returns what puts it back. */
function toEvaluationMode(model: EvaluatedModel): () => void {
  const { training } = model;
  const modes = model.modules ? Array.from(model.modules(), (module) => ({ module, training: module.training })) : [];
  model.eval();
  return () => {
    if (training) model.train(true);
    for (const { module, training } of modes) if (module.training !== training) module.training = training;
  };
}

function checkOutput(output: unknown, images: Tensor): asserts output is Tensor {
  if (!(output instanceof Tensor)) throw expected('a Tensor', 'the result of model.forward', output);
  const { shape } = output;
  if (shape.length !== 2 || shape[0] !== images.shape[0] || shape[1]! < 1)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected logits of shape [${images.shape[0]}, classes] from model.forward but received [${shape.join(', ')}]`,
    );
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

export function checkModel(model: unknown): asserts model is EvaluatedModel {
  const { forward, train, eval: evaluation } = (model ?? {}) as Partial<EvaluatedModel>;
  if ([forward, train, evaluation].some((method) => typeof method !== 'function'))
    throw expected('a module with forward, train and eval', 'model', model);
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
