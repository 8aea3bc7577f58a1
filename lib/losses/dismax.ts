// The DisMax loss: IsoMax+ whose logits also take in the mean distance to all prototypes, and which trains half of each batch
// on mosaics (fractional.ts). The mean changes no probability, being the same for every class, but scores that go by logits
// tell more with it.
// Macêdo, Zanchettin, Ludermir, "Distinction Maximization Loss: Efficiently Improving Out-of-Distribution Detection and
// Uncertainty Estimation by Replacing the Loss and Calibrating" (2022); dlmacedo/distinction-maximization-loss,
// losses/dismax.py.

import { notNegative, positive } from '../arguments.js';
import { expected } from '../errors.js';
import type { ForeignKeys } from '../nn/index.js';
import type { Tensor } from '../tensor/index.js';
import { fractionalLoss, mosaics, type PreparedBatch } from './fractional.js';
import { IsoMaxLoss, type IsoMaxLossOptions } from './isomax.js';
import { IsoMaxPlusHead } from './isomaxPlus.js';

/**
 * First part: with `δ_j = |s|·‖f/‖f‖ − p_j/‖p_j‖‖₂ / √2`, `z_j = −(δ_j + 1/C Σ_k δ_k) / T`, features [N, d] → logits
 * [N, C] from −2√2|s|/T to 0. The root makes orthogonal directions lie at distance |s|. Use in place of the last linear layer.
 *
 * State: `prototypes` [C, d] ~ N(0, 1) and `distance_scale` [1] = 1, the authors' keys. Their files have three more, which
 * load too: `temperature`, perhaps calibrated, becomes the attribute; `validationset_available` and
 * `precomputed_thresholds`, notes of their training script, are left out.
 * @example
 * const net = new nn.Sequential(features, new losses.DisMaxHead(64, 10));
 */
export class DisMaxHead extends IsoMaxPlusHead {
  override forward(features: Tensor): Tensor {
    const negated = this.isometric(features).mul(Math.SQRT1_2); // −δ
    return this.tempered(negated.add(negated.mean(1, { keepdim: true })));
  }

  override get foreignKeys(): ForeignKeys {
    return {
      temperature: (value) => {
        this.temperature = positive(value.item(), 'temperature');
      },
      validationset_available: null,
      precomputed_thresholds: null,
    };
  }
}

export interface DisMaxLossOptions extends IsoMaxLossOptions {
  /** What `preprocess` does: mosaics for half of the batch, or nothing. @default 'fpr', as all published rows but one */
  regularization?: 'fpr' | null;
  /** α: the weight of the mosaics' divergence. @default 1 */
  alpha?: number;
}

/**
 * Second part. For labels [N], IsoMax's: `−log softmax(E_s·z)_y`, averaged over the batch. For a batch that went through
 * `preprocess`: `½·(that of the first half + α·KL(q ‖ softmax(E_s·z)) of the mosaics)`, each averaged over its half; q gives
 * each class a quarter for each quadrant that shows it.
 *
 * In evaluation mode E_s is 1, as the authors have it: the loss is then that of the probabilities one would report.
 * @example
 * const criterion = new losses.DisMaxLoss();
 * const { images, labels } = criterion.preprocess(batch.images, batch.labels);
 * criterion.forward(net.forward(images), labels).backward();
 */
export class DisMaxLoss extends IsoMaxLoss {
  readonly regularization: 'fpr' | null;
  readonly alpha: number;

  constructor({ regularization = 'fpr', alpha = 1, ...options }: DisMaxLossOptions = {}) {
    super(options);
    if (regularization !== 'fpr' && regularization !== null)
      throw expected("'fpr' or null", 'regularization', regularization);
    this.regularization = regularization;
    this.alpha = notNegative(alpha, 'alpha');
  }

  /**
   * What to train on in place of a batch: in a random order, ⌊B/2⌋ images as they are and the others as mosaics of 2×2
   * quadrants. With `regularization: null` the batch as it is. `training.fit` calls it.
   * @param images [B, channels, H, W]
   * @param labels int64 [B]
   * @returns labels as `forward` takes them: [B, 4], the class of each quadrant
   * @throws ERR_SHAPE for fewer than two images, for images of less than 2×2 pixels, and where labels don't fit
   */
  preprocess(images: Tensor, labels: Tensor): PreparedBatch {
    return this.regularization === null ? { images, labels, kept: labels } : mosaics(images, labels);
  }

  /**
   * @param labels int64 [N], or [N, 4] from `preprocess`
   * @throws ERR_SHAPE or ERR_DTYPE for labels of another kind; ERR_INDEX (CPU) for a label that is no class.
   */
  override forward(logits: Tensor, labels: Tensor): Tensor {
    const scale = this.training ? this.entropicScale : 1;
    const loss = (z: Tensor, y: Tensor) => this.atScale(z, y, scale);
    return this.regularization !== null && labels.ndim === 2
      ? fractionalLoss(logits, labels, this.alpha, loss)
      : loss(logits, labels);
  }

  override extraRepr(): string {
    const { regularization, alpha } = this;
    return `${super.extraRepr()}${regularization === null ? '' : `, regularization=${regularization}, alpha=${alpha}`}`;
  }
}
