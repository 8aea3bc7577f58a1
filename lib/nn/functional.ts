// What `torch.nn.functional` has in Python itself and LibTorch does not have as one operator. The others are methods of
// Tensor and functions of `torch`: `x.relu()`, `torch.conv2d(…)`, `torch.crossEntropyLoss(…)`.

import { type Tensor, torch } from '../tensor/index.js';
import { finite, positive } from './arguments.js';

export {
  type AttentionOptions,
  type AttentionWeights,
  multiHeadAttentionForward,
  type ScaledDotProductOptions,
  scaledDotProductAttention,
} from './functional/attention.js';

/**
 * Each vector along `dim` divided by its p-norm, or by `eps` where that is larger (`torch.nn.functional.normalize`).
 * @example normalize(features); // rows of length 1
 */
export function normalize(
  input: Tensor,
  { p = 2, dim = 1, eps = 1e-12 }: { p?: number; dim?: number; eps?: number } = {},
): Tensor {
  const length = torch.linalg.vectorNorm(input, positive(p, 'p'), [dim], true);
  return input.div(length.clampMin(finite(eps, 'eps')));
}
