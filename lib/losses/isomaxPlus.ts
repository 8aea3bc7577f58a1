// The IsoMax+ loss: IsoMax with isometric distances. Features and prototypes are normalised to length 1 and one learnt
// scale restores the size of their distances; the score that goes with it is the minimum distance.
// Macêdo & Ludermir, "Enhanced Isotropy Maximization Loss: Seamless and High-Performance Out-of-Distribution Detection
// Simply Replacing the SoftMax Loss" (2021); dlmacedo/entropic-out-of-distribution-detection, losses/isomaxplus.py.

import { factory } from '../nn/arguments.js';
import { functional, init, Parameter } from '../nn/index.js';
import { type Tensor, torch } from '../tensor/index.js';
import { Head, type HeadOptions } from './head.js';
import { IsoMaxLoss } from './isomax.js';

/**
 * First part: `z_j = −|s|·‖f/‖f‖ − p_j/‖p_j‖‖₂ / T`, features [N, d] → logits [N, C] from −2|s|/T to 0. Lengths below
 * 1e-12 count as 1e-12. Use in place of the last linear layer.
 *
 * State: `prototypes` [C, d] ~ N(0, 1) and `distance_scale` [1] = 1, the authors' keys.
 * @example
 * const net = new nn.Sequential(features, new losses.IsoMaxPlusHead(64, 10));
 */
export class IsoMaxPlusHead extends Head {
  prototypes: Parameter;
  distanceScale: Parameter;

  constructor(numFeatures: number, numClasses: number, options: HeadOptions = {}) {
    super(numFeatures, numClasses, options.temperature);
    const kind = factory(options);
    this.prototypes = new Parameter(torch.empty([numClasses, numFeatures], kind));
    this.distanceScale = new Parameter(torch.ones([1], kind));
    init.normal_(this.prototypes);
  }

  override forward(features: Tensor): Tensor {
    return this.tempered(this.isometric(features));
  }

  /** −|s|·‖f/‖f‖ − p_j/‖p_j‖‖₂ */
  protected isometric(features: Tensor): Tensor {
    const { normalize } = functional;
    const distances = torch.ops.isomax.distanceLogits(normalize(features), normalize(this.prototypes));
    return this.distanceScale.abs().mul(distances);
  }
}

/** Second part: IsoMax's, to the letter. */
export class IsoMaxPlusLoss extends IsoMaxLoss {}
