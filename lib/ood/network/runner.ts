// A function of a network and one batch, run in evaluation mode. Where the network is an `nn.Module` it is captured: its first
// batch of each size runs here, the others on the compute thread, and the event loop stays free. Anything else is called for
// every batch.

import { IsotorchError } from '../../errors.js';
import { Module } from '../../nn/index.js';
import { type CapturedStep, capture, Tensor, type TensorTree, tidy } from '../../tensor/index.js';
import { type EvaluatedModel, inEvaluationMode } from './model.js';

export class Runner<Result extends TensorTree> {
  readonly #model: EvaluatedModel;
  readonly #fn: (images: Tensor) => Result;
  #captured: CapturedStep<[Tensor], Result> | undefined;

  /**
   * @param fn depends on the images, the network and settings that do not change
   * @param options.capture whether an `nn.Module` is captured
   * @param options.name for messages
   */
  constructor(
    model: EvaluatedModel,
    fn: (images: Tensor) => Result,
    { capture: wanted, name }: { capture: boolean; name: string },
  ) {
    this.#model = model;
    this.#fn = fn;
    if (wanted && model instanceof Module) this.#captured = capture(fn, { name });
  }

  /**
   * The function's result, outside of every scope. The model is in evaluation mode while it is called and has its own mode
   * back when this returns, before the promise settles.
   */
  async run(images: Tensor): Promise<Result> {
    const pending = inEvaluationMode(this.#model, () => this.#captured?.(images));
    try {
      if (pending) return await pending;
    } catch (error) {
      // A model that reads values can't be captured; nothing was changed by the attempt.
      if (!(error instanceof IsotorchError && error.code === 'ERR_CAPTURE') || this.#captured!.recordings > 1)
        throw error;
      this.#captured = undefined;
    }
    return inEvaluationMode(this.#model, () => kept(tidy(() => this.#fn(images))));
  }

  dispose(): void {
    this.#captured?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Takes every tensor of a tree out of the scopes around. */
function kept<T extends TensorTree>(tree: T): T {
  if (tree instanceof Tensor) tree.keep();
  else if (typeof tree === 'object' && tree !== null) for (const item of Object.values(tree)) kept(item as TensorTree);
  return tree;
}
