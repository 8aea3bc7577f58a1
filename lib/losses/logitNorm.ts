// The LogitNorm loss: cross-entropy that sees only the direction of the logits, so that a network can't lower it by making
// them longer, which is how cross-entropy makes networks overconfident. The last layer is the ordinary one, and so is inference.
// Wei, Xie, Cheng, Feng, An, Li, "Mitigating Neural Network Overconfidence with Logit Normalization" (ICML 2022);
// hongxin001/logitnorm_ood.

import { positive } from '../arguments.js';
import { Module } from '../nn/index.js';
import { type Tensor, torch } from '../tensor/index.js';
import { checkLabels, inFullPrecision, stableLoss } from './criterion.js';

export interface LogitNormLossOptions {
  /** τ: the logits get the length 1/τ. @default 0.04, the authors' */
  tau?: number;
}

/** Keeps the direction of zero logits from being 0/0. The authors' number. */
const EPS = 1e-7;

/**
 * Second part: `−log softmax(z / ((‖z‖₂ + 1e-7)·τ))_y`, averaged over the batch. Logits [N, C] and int64 labels [N] → a
 * scalar. It is for training; probabilities at inference are `logits.softmax(1)`. First part: `SoftMaxHead`, which has the
 * authors' first values.
 * @example
 * const criterion = new losses.LogitNormLoss(); // was: new losses.SoftMaxLoss()
 * criterion.forward(net.forward(images), labels).backward();
 */
export class LogitNormLoss extends Module {
  readonly tau: number;

  constructor({ tau = 0.04 }: LogitNormLossOptions = {}) {
    super();
    this.tau = positive(tau, 'tau');
  }

  /**
   * @throws ERR_SHAPE or ERR_DTYPE for labels that are not int64 [N]; ERR_INDEX (CPU) for a label that is no class.
   */
  override forward(logits: Tensor, labels: Tensor): Tensor {
    checkLabels(logits, labels);
    const exact = inFullPrecision(logits);
    const lengths = torch.linalg.vectorNorm(exact, 2, [1], true).add(EPS);
    return stableLoss(exact.div(lengths), labels, 1 / this.tau);
  }

  override extraRepr(): string {
    return `tau=${this.tau}`;
  }
}
