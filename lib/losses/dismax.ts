// The DisMax loss: IsoMax+ whose logits also take in the mean distance to all prototypes. It changes no probability, being
// the same for every class, but scores that go by logits tell more with it.
// Macêdo, Zanchettin, Ludermir, "Distinction Maximization Loss: Efficiently Improving Out-of-Distribution Detection and
// Uncertainty Estimation by Replacing the Loss and Calibrating" (2022); dlmacedo/distinction-maximization-loss,
// losses/dismax.py. Their fractional probability regularisation is not here.

import type { Tensor } from '../tensor/index.js';
import { IsoMaxLoss } from './isomax.js';
import { IsoMaxPlusHead } from './isomaxPlus.js';

/**
 * First part: with `δ_j = |s|·‖f/‖f‖ − p_j/‖p_j‖‖₂ / √2`, `z_j = −(δ_j + 1/C Σ_k δ_k) / T`, features [N, d] → logits
 * [N, C] from −2√2|s|/T to 0. The root makes orthogonal directions lie at distance |s|. Use in place of the last linear layer.
 *
 * State: `prototypes` [C, d] ~ N(0, 1) and `distance_scale` [1] = 1, the authors' keys.
 * @example
 * const net = new nn.Sequential(features, new losses.DisMaxHead(64, 10));
 */
export class DisMaxHead extends IsoMaxPlusHead {
  override forward(features: Tensor): Tensor {
    const negated = this.isometric(features).mul(Math.SQRT1_2); // −δ
    return this.tempered(negated.add(negated.mean(1, { keepdim: true })));
  }
}

/** Second part: IsoMax's, to the letter. */
export class DisMaxLoss extends IsoMaxLoss {}
