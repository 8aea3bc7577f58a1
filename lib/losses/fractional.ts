// Fractional probability regularisation (FPR), the † of DisMax's tables: half of a batch stays, the images of the other half
// exchange quadrants, and the network is to give each class the share of the image that shows it. So it learns to be unsure
// of what is only partly known, without data of any other kind.
// Macêdo, Zanchettin, Ludermir, "Distinction Maximization Loss" (2022), section on FPR; `preprocess` and the regularised
// branch of dlmacedo/distinction-maximization-loss, losses/dismax.py.

import { IsotorchError } from '../errors.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';
import { inFullPrecision } from './criterion.js';

const QUADRANTS = 4;

/** A batch as a criterion wants it for training. */
export interface PreparedBatch {
  /** [B, channels, H, W] */
  readonly images: Tensor;
  /** For the criterion: int64 [B], or [B, 4] with the class of each quadrant (top left, bottom left, top right, bottom right). */
  readonly labels: Tensor;
  /** int64 [K], K ≤ B: labels of the first K images, which are whole, so that one can ask which of them are classified rightly. */
  readonly kept: Tensor;
}

/**
 * In a random order, the first ⌊B/2⌋ images as they are and each of the others made a mosaic: its bottom left, top right and
 * bottom right quadrant come from the mosaic one, two and three places before it, in a circle. An odd row or column in the
 * middle belongs to the bottom, to the right. Draws from LibTorch's generator of the images' device.
 * @throws ERR_SHAPE
 */
export function mosaics(images: Tensor, labels: Tensor): PreparedBatch {
  const [size, , height, width] = images.shape as [number, number, number, number];
  if (images.ndim !== 4 || size < 2 || height < 2 || width < 2 || labels.ndim !== 1 || labels.shape[0] !== size)
    throw new IsotorchError(
      'ERR_SHAPE',
      'Expected images [B, channels, H, W] with B, H and W of 2 or more, to make mosaics of half of them, and a label for each, ' +
        `but received images [${images.shape.join(', ')}] and labels [${labels.shape.join(', ')}]`,
    );
  return tidy(() => {
    const order = torch.randperm(size, { device: images.device });
    const [mixed, shuffled] = [images.indexSelect(0, order), labels.indexSelect(0, order)];
    const half = Math.floor(size / 2);
    const [top, left] = [Math.floor(height / 2), Math.floor(width / 2)];
    const others = mixed.narrow(0, half, size - half);
    const right = others.narrow(3, left, width - left);
    const quadrants = [
      others.narrow(2, top, height - top).narrow(3, 0, left),
      right.narrow(2, 0, top),
      right.narrow(2, top, height - top),
    ];
    for (const [i, quadrant] of quadrants.entries()) quadrant.copy_(quadrant.roll(i + 1, 0));
    const kept = shuffled.narrow(0, 0, half);
    const whole = kept.unsqueeze(1).expand([half, QUADRANTS]);
    const parts = shuffled.narrow(0, half, size - half);
    const rolled = torch.stack([parts, ...[1, 2, 3].map((by) => parts.roll(by, 0))], 1);
    return { images: mixed, labels: torch.cat([whole, rolled], 0), kept };
  });
}

/**
 * `½·(−1/K Σ_{i<K} log p_i[y_i] + α/(B−K) Σ_{i≥K} KL(q_i ‖ p_i))`, K = ⌊B/2⌋, where q_i gives each class a quarter for each
 * quadrant that shows it. With Σ_c q log p = ¼ Σ_r log p[y_r] the divergence is the mean loss at the four labels less q's
 * entropy, so that it needs no q of size [B, C] and meets no 0·log 0.
 * @param labels [B, 4], as from `mosaics`
 * @param loss −log p at labels, averaged
 */
export function fractionalLoss(
  logits: Tensor,
  labels: Tensor,
  alpha: number,
  loss: (logits: Tensor, labels: Tensor) => Tensor,
): Tensor {
  const [size, parts] = labels.shape as [number, number];
  if (logits.ndim !== 2 || logits.shape[0] !== size || size < 2 || parts !== QUADRANTS)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected logits [B, classes] and the labels [B, ${QUADRANTS}] that preprocess gives, B of 2 or more, but received ` +
        `logits [${logits.shape.join(', ')}] and labels [${labels.shape.join(', ')}]`,
    );
  const exact = inFullPrecision(logits);
  const half = Math.floor(size / 2);
  const kept = loss(exact.narrow(0, 0, half), labels.narrow(0, 0, half).select(1, 0));
  const quadrants = labels.narrow(0, half, size - half);
  const crossEntropy = loss(exact.narrow(0, half, size - half).repeat([QUADRANTS, 1]), quadrants.t().flatten());
  const shares = quadrants.unsqueeze(2).eq(quadrants.unsqueeze(1)).to(exact.dtype).mean(2); // q at each quadrant's class
  const divergence = crossEntropy.add(shares.log().mean());
  return kept.add(divergence.mul(alpha)).div(2);
}
