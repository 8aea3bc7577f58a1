// The head of Generalized ODIN (also DeConf): the logits are a quotient h/g of how well the features fit each class and of a
// number from 0 to 1 for the input as a whole, so that h is freed of whether the input is known. Training is with ordinary
// cross-entropy; to detect, look at h or g, not at their quotient.
// Hsu, Shen, Jin, Kira, "Generalized ODIN: Detecting Out-of-Distribution Image without Learning from Out-of-Distribution
// Data" (CVPR 2020), section 3. The authors published no code; first values and the form of g are those of Jingkang50/OpenOOD,
// openood/networks/godin_net.py.

import { oneOf } from '../arguments.js';
import { factory } from '../nn/arguments.js';
import { BatchNorm1d, functional, init, Linear, Parameter, Sequential, Sigmoid } from '../nn/index.js';
import { type Tensor, torch } from '../tensor/index.js';
import { Head, type HeadOptions } from './head.js';

const similarities = ['inner', 'euclidean', 'cosine'] as const;

/** h: the paper's h^I, h^E or h^C. */
export type Similarity = (typeof similarities)[number];

export interface GodinHeadOptions extends HeadOptions {
  /** @default 'cosine', the paper's DeConf-C */
  similarity?: Similarity;
}

/**
 * First part: `z_j = h_j(f) / (g(f)·T)`, features [N, d] → logits [N, C], with `g(f) = sigmoid(BN(v·f + c))` and h by `similarity`:
 * - `'inner'`: `h_j = w_j·f + b_j`
 * - `'euclidean'`: `h_j = −‖f − w_j‖₂²`, where some implementations take the mean over coordinates, d times less
 * - `'cosine'`: `h_j = w_j·f / (‖w_j‖‖f‖)`; lengths below 1e-12 count as 1e-12
 *
 * g below 1e-12 counts as 1e-12: far from the training data it underflows, and the logits would be NaN. Second part:
 * `SoftMaxLoss`. In training mode it takes two rows or more, for the sake of the batch norm.
 *
 * State: `weight` [C, d] ~ N(0, 2/d) (He), `bias` [C] = 0 with `'inner'` only, and `g.0.*`, `g.1.*`, an ordinary linear layer
 * and batch norm. OpenOOD's keys `h.h.weight` and `h.h.bias` load too. OpenOOD spares h from weight decay.
 * @example
 * const head = new losses.GodinHead(64, 10, { similarity: 'cosine' });
 * const score = head.numerator(features).amax(1); // the paper's score for known inputs: larger is more known
 */
export class GodinHead extends Head {
  readonly similarity: Similarity;
  weight: Parameter;
  bias: Parameter | null = null;
  g: Sequential;

  constructor(numFeatures: number, numClasses: number, options: GodinHeadOptions = {}) {
    super(numFeatures, numClasses, options.temperature);
    const { similarity = 'cosine' } = options;
    this.similarity = oneOf(similarities, similarity, 'similarity');
    const kind = factory(options);
    this.weight = new Parameter(torch.empty([numClasses, numFeatures], kind));
    init.kaimingNormal_(this.weight, { nonlinearity: 'relu' });
    if (similarity === 'inner') this.bias = new Parameter(torch.zeros([numClasses], kind));
    this.g = new Sequential(new Linear(numFeatures, 1, kind), new BatchNorm1d(1, kind), new Sigmoid());
  }

  /** h [N, C]: its largest is the paper's main score, and its class is the logits'. */
  numerator(features: Tensor): Tensor {
    const { normalize } = functional;
    switch (this.similarity) {
      case 'inner':
        return torch.linear(features, this.weight, this.bias);
      case 'euclidean':
        return torch.ops.isomax.distanceLogits(features, this.weight).square().neg();
      case 'cosine':
        return torch.linear(normalize(features), normalize(this.weight));
    }
  }

  /** g [N, 1], from 0 to 1: the paper's other score. */
  denominator(features: Tensor): Tensor {
    return this.g.forward(features);
  }

  override forward(features: Tensor): Tensor {
    return this.tempered(this.numerator(features).div(this.denominator(features).clampMin(1e-12)));
  }

  override get legacyKeys(): Readonly<Record<string, string>> {
    return { 'h.h.weight': 'weight', 'h.h.bias': 'bias' };
  }

  override extraRepr(): string {
    return `${super.extraRepr()}, similarity=${this.similarity}`;
  }
}
