// The IsoMax loss: logits are negative distances to learnt prototypes, and training multiplies them by an entropic scale
// that inference leaves out, so that posteriors are of high entropy and their entropy tells known inputs from unknown ones.
// Macêdo et al., "Entropic Out-of-Distribution Detection" (IJCNN 2021) and "Entropic Out-of-Distribution Detection:
// Seamless Detection of Unknown Examples" (IEEE TNNLS 2021); dlmacedo/entropic-out-of-distribution-detection, losses/isomax.py.

import { flag, positive } from '../arguments.js';
import { factory } from '../nn/arguments.js';
import { Module, Parameter } from '../nn/index.js';
import { type Tensor, torch } from '../tensor/index.js';
import { sequentialLoss, stableLoss } from './criterion.js';
import { Head, type HeadOptions } from './head.js';

/**
 * First part: `z_j = −‖f − p_j‖₂ / T`, features [N, d] → logits [N, C]. The distance is the exact one, and its gradient is
 * 0 where it is 0. Use in place of the last linear layer.
 *
 * State: `prototypes` [C, d] = 0, the authors' key. All prototypes are equal at first, so the features receive no gradient
 * in the very first step: the prototypes move apart in it.
 * @example
 * const net = new nn.Sequential(features, new losses.IsoMaxHead(64, 10)); // was: new nn.Linear(64, 10)
 */
export class IsoMaxHead extends Head {
  prototypes: Parameter;

  constructor(numFeatures: number, numClasses: number, options: HeadOptions = {}) {
    super(numFeatures, numClasses, options.temperature);
    this.prototypes = new Parameter(torch.zeros([numClasses, numFeatures], factory(options)));
  }

  override forward(features: Tensor): Tensor {
    return this.tempered(torch.ops.isomax.distanceLogits(features, this.prototypes));
  }
}

export interface IsoMaxLossOptions {
  /** E_s. The papers never tune it. @default 10 */
  entropicScale?: number;
  /**
   * Softmax and logarithm as two operators, as the authors publish the loss. Values and gradients are the same up to
   * rounding, until the label's probability underflows: in float32 once E_s·(d_y − d_min) passes 88 the gradient, and at
   * 104 the loss, is infinite or NaN. @default false: log-softmax, which never does
   */
  sequential?: boolean;
}

/**
 * Second part: `−log softmax(E_s·z)_y`, averaged over the batch. Logits [N, C] and int64 labels [N] → a scalar. It is for
 * training; probabilities at inference are `logits.softmax(1)`, without E_s.
 * @example
 * const criterion = new losses.IsoMaxLoss(); // was: new losses.SoftMaxLoss()
 * criterion.forward(net.forward(images), labels).backward();
 */
export class IsoMaxLoss extends Module {
  readonly entropicScale: number;
  readonly sequential: boolean;

  constructor({ entropicScale = 10, sequential = false }: IsoMaxLossOptions = {}) {
    super();
    this.entropicScale = positive(entropicScale, 'entropicScale');
    this.sequential = flag(sequential, 'sequential');
  }

  /**
   * @throws ERR_SHAPE or ERR_DTYPE for labels that are not int64 [N]; ERR_INDEX (CPU) for a label that is no class.
   */
  override forward(logits: Tensor, labels: Tensor): Tensor {
    return this.atScale(logits, labels, this.entropicScale);
  }

  /** −log softmax(scale·z)_y, averaged, in the form that was chosen. */
  protected atScale(logits: Tensor, labels: Tensor, scale: number): Tensor {
    const loss = this.sequential ? sequentialLoss : stableLoss;
    return loss(logits, labels, scale);
  }

  override extraRepr(): string {
    return `entropic_scale=${this.entropicScale}${this.sequential ? ', sequential=True' : ''}`;
  }
}
