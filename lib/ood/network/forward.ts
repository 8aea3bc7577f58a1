// The first stage's way through a network, batch by batch: images in, logits and, where they are asked for, features out.

import { type Tensor, torch } from '../../tensor/index.js';
import type { ClassifierHead } from '../arrays/head.js';
import type { EvaluatedModel } from './model.js';
import { Network, type NetworkOptions } from './network.js';
import { Runner } from './runner.js';

export type { EvaluatedModel } from './model.js';

export interface ForwardOptions extends NetworkOptions {
  /**
   * Whether an `nn.Module` is captured. One that can't be, since it reads values, is run batch by batch without being told.
   * @default true
   */
  capture?: boolean | undefined;
  /** Whether features are wanted beside the logits. @default false */
  features?: boolean | undefined;
}

/** Of one batch, on the model's device; the caller's. */
export interface Outputs {
  readonly logits: Tensor;
  readonly features: Tensor | null;
}

export class Forward {
  readonly network: Network;
  readonly #runner: Runner<{ logits: Tensor; features: Tensor | null }>;
  readonly #wantsFeatures: boolean;

  constructor(model: EvaluatedModel, options: ForwardOptions = {}) {
    const { capture = true, features = false } = options;
    this.network = new Network(model, options);
    this.#wantsFeatures = features;
    this.#runner = new Runner(model, (images) => this.#outputs(images), { capture, name: 'the evaluated model' });
  }

  /** The network's last layer, once a batch has passed; null without features. */
  get head(): ClassifierHead | null {
    return this.#wantsFeatures ? this.network.head : null;
  }

  /**
   * Logits [N, C] and features [N, D] outside of every scope: float32, or float64 where the model computes in it.
   * @throws ERR_SHAPE, ERR_ARGUMENT, and what model and transform throw
   */
  outputs(images: Tensor): Promise<Outputs> {
    return this.#runner.run(images);
  }

  #outputs(images: Tensor): { logits: Tensor; features: Tensor | null } {
    return torch.inferenceMode(() => {
      const input = this.network.input(images);
      if (!this.#wantsFeatures) return { logits: lasting(this.network.logits(input)), features: null };
      const { logits, features } = this.network.outputs(input);
      return { logits: lasting(logits), features: lasting(features) };
    });
  }

  dispose(): void {
    this.#runner.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A copy, so that it stays when the model reuses what it gave. */
function lasting(output: Tensor): Tensor {
  return output.to({ dtype: output.dtype === 'float64' ? 'float64' : 'float32', copy: true });
}
