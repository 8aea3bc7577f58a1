// The principal space of training features, and what of a feature lies outside it: shared by ViM and its residual alone.
// Both look from the point u where all logits of an affine head are as near 0 as can be.

import { IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import type { Moments } from './moments.js';

/**
 * R [D, D − dimension]: eigenvectors of Σ (f − u)(f − u)ᵀ / N beyond the `dimension` largest.
 * @throws ERR_ARGUMENT when the features have no such dimensions left
 */
export function residualSpace(moments: Moments, origin: Tensor, dimension: number, detector: string): Tensor {
  const size = origin.shape[0]!;
  if (dimension >= size)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${detector}: expected a dimension below the ${size} of the features but received ${dimension}`,
    );
  return torch.linalg.eigh(moments.covariance(origin)).eigenvectors.narrow(1, 0, size - dimension);
}

/** ‖(f − u) R‖ of each row, float64 [N]. */
export const residualNorm = (features: Tensor, origin: Tensor, residual: Tensor): Tensor =>
  torch.linalg.vectorNorm(features.to('float64').sub(origin).matmul(residual), 2, [1]);

/** The default, `usual`, where it leaves half of the features' dimensions, and else that half. */
export const principalDimension = (dimension: number | null, usual: number, size: number): number =>
  dimension ?? Math.min(usual, Math.floor(size / 2));
