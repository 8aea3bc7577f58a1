// An affine head W f + b in float64: its logits, and the point where they are nearest to 0.

import { type Tensor, torch } from '../../tensor/index.js';
import type { AffineHead } from '../arrays/head.js';

/** W f + b of each row, float64 [N, C]. */
export function affineLogits({ weight, bias }: AffineHead, features: Tensor): Tensor {
  return torch.linear(features.to('float64'), weight.to('float64'), bias?.to('float64') ?? null);
}

/** u = −W⁺ b, float64 [D]; 0 without a bias. */
export function logitOrigin({ weight, bias }: AffineHead): Tensor {
  const inverse = torch.linalg.pinv(weight.to('float64'));
  return bias ? inverse.matmul(bias.to('float64')).neg() : inverse.sum(1).zerosLike();
}
