// A network in evaluation mode, one batch at a time. A module is captured: its first batch of each size runs here, the others
// on the compute thread, and the event loop stays free. Anything else that has a `forward` is called for every batch.

import { expected, IsotorchError } from '../../errors.js';
import { Module } from '../../nn/index.js';
import { type CapturedStep, capture, Tensor, tidy, torch } from '../../tensor/index.js';

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

export interface ForwardOptions {
  /**
   * From a batch's images to the model's input: normalises, and moves to the model's device. Where the model is captured it
   * must depend on the images alone. @default as they are
   */
  transform?: ((images: Tensor) => Tensor) | undefined;
  /**
   * Whether an `nn.Module` is captured. One that can't be, since it reads values, is run batch by batch without being told.
   * @default true
   */
  capture?: boolean | undefined;
}

/** @throws ERR_ARGUMENT unless it has what an evaluation needs. */
export function checkModel(model: unknown): asserts model is EvaluatedModel {
  const { forward, train, eval: evaluation } = (model ?? {}) as Partial<EvaluatedModel>;
  if ([forward, train, evaluation].some((method) => typeof method !== 'function'))
    throw expected('a module with forward, train and eval', 'model', model);
}

export class Forward {
  readonly #model: EvaluatedModel;
  readonly #transform: ForwardOptions['transform'];
  #captured: CapturedStep<[Tensor], Tensor> | undefined;

  constructor(model: EvaluatedModel, { transform, capture: wanted = true }: ForwardOptions = {}) {
    checkModel(model);
    if (transform !== undefined && typeof transform !== 'function')
      throw expected('a function', 'transform', transform);
    this.#model = model;
    this.#transform = transform;
    if (wanted && model instanceof Module)
      this.#captured = capture((images: Tensor) => this.#logits(images), { name: 'the evaluated model' });
  }

  /** Whether images come to the model as they are. */
  get isPlain(): boolean {
    return this.#transform === undefined;
  }

  /**
   * float32 logits [N, C] on the model's device, outside of every scope. The model is in evaluation mode while it is called
   * and has its own mode back when this returns, before the promise settles.
   */
  async logits(images: Tensor): Promise<Tensor> {
    const restore = toEvaluationMode(this.#model);
    let pending: Promise<Tensor> | undefined;
    try {
      pending = this.#captured?.(images);
    } finally {
      restore();
    }
    try {
      if (pending) return await pending;
    } catch (error) {
      // A model that reads values can't be captured; nothing was changed by the attempt.
      if (!(error instanceof IsotorchError && error.code === 'ERR_CAPTURE') || this.#captured!.recordings > 1)
        throw error;
      this.#captured = undefined;
    }
    return this.#eagerly(images);
  }

  #eagerly(images: Tensor): Tensor {
    const restore = toEvaluationMode(this.#model);
    try {
      return tidy(() => this.#logits(images)).keep();
    } finally {
      restore();
    }
  }

  #logits(images: Tensor): Tensor {
    return torch.inferenceMode(() => {
      const output = this.#model.forward(this.#transform ? this.#transform(images) : images);
      checkOutput(output, images);
      // A copy, so that it stays when the model reuses what it gave.
      return output.to({ dtype: 'float32', copy: true });
    });
  }

  dispose(): void {
    this.#captured?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
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
