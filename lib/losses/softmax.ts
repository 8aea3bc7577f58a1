// The SoftMax loss, the baseline: a linear layer and cross-entropy, with the authors' first values.
// Source: dlmacedo/entropic-out-of-distribution-detection, losses/softmax.py.

import { factory } from '../nn/arguments.js';
import { init, Module, Parameter } from '../nn/index.js';
import { type Tensor, torch } from '../tensor/index.js';
import { stableLoss } from './criterion.js';
import { Head, type HeadOptions } from './head.js';

/**
 * First part: `z = (f·Wᵀ + b) / T`, features [N, d] → logits [N, C].
 *
 * State: `weight` [C, d] ~ U(−1/√d, 1/√d) and `bias` [C] = 0, the keys of `nn.Linear`, so that any classifier's weights
 * load. The authors' key `weights` loads too.
 * @example new losses.SoftMaxHead(64, 10)
 */
export class SoftMaxHead extends Head {
  weight: Parameter;
  bias: Parameter;

  constructor(numFeatures: number, numClasses: number, options: HeadOptions = {}) {
    super(numFeatures, numClasses, options.temperature);
    const kind = factory(options);
    this.weight = new Parameter(torch.empty([numClasses, numFeatures], kind));
    this.bias = new Parameter(torch.zeros([numClasses], kind));
    const bound = Math.sqrt(1 / numFeatures);
    init.uniform_(this.weight, -bound, bound);
  }

  override forward(features: Tensor): Tensor {
    return this.tempered(torch.linear(features, this.weight, this.bias));
  }

  override get legacyKeys(): Readonly<Record<string, string>> {
    return { weights: 'weight' };
  }
}

/** Second part: cross-entropy, averaged over the batch. Logits [N, C] and int64 labels [N] → a scalar. */
export class SoftMaxLoss extends Module {
  /**
   * @throws ERR_SHAPE or ERR_DTYPE for labels that are not int64 [N]; ERR_INDEX (CPU) for a label that is no class.
   */
  override forward(logits: Tensor, labels: Tensor): Tensor {
    return stableLoss(logits, labels, 1);
  }
}
