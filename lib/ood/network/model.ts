// What an evaluation takes for a network, and the mode in which it looks at one: evaluation mode for the length of a call,
// and afterwards each module's own mode again, whatever happened in between.

import { expected } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';

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

/** @throws ERR_ARGUMENT unless it has what an evaluation needs. */
export function checkModel(model: unknown): asserts model is EvaluatedModel {
  const { forward, train, eval: evaluation } = (model ?? {}) as Partial<EvaluatedModel>;
  if ([forward, train, evaluation].some((method) => typeof method !== 'function'))
    throw expected('a module with forward, train and eval', 'model', model);
}

/** What `fn` gives with the model in evaluation mode. The modes are back when this returns or throws. */
export function inEvaluationMode<T>(model: EvaluatedModel, fn: () => T): T {
  const { training } = model;
  const modes = model.modules ? Array.from(model.modules(), (module) => ({ module, training: module.training })) : [];
  try {
    model.eval();
    return fn();
  } finally {
    if (training) model.train(true);
    for (const { module, training } of modes) if (module.training !== training) module.training = training;
  }
}
