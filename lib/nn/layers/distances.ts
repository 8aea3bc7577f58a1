// Layers that compare two inputs, a row each.

import type { Tensor } from '../../tensor/index.js';
import { flag, float, hidden, integer, number } from '../fields.js';
import * as F from '../functional/distance.js';
import { layer } from '../layer.js';

type Two = [x1: Tensor, x2: Tensor];

/** x₁·x₂ / (‖x₁‖ ‖x₂‖) along `dim`, 1 (`torch.nn.CosineSimilarity`). @param options.eps the least length. @default 1e-8 */
export class CosineSimilarity extends layer<[dim?: number, options?: { eps?: number }], Two>()(
  { dim: hidden(integer(1)), eps: hidden(float(1e-8)) },
  (x1, x2, { dim, eps }) => F.cosineSimilarity(x1, x2, dim, eps),
  2,
) {}

export interface PairwiseDistanceOptions {
  /** Added to the difference. @default 1e-6 */
  eps?: number;
  /** Keeps the last dimension, of size 1. @default false */
  keepdim?: boolean;
}

/** ‖x₁ − x₂ + ε‖ₚ along the last dimension, p 2 (`torch.nn.PairwiseDistance`). */
export class PairwiseDistance extends layer<[p?: number, options?: PairwiseDistanceOptions], Two>()(
  { p: hidden(number(2)), eps: hidden(float(1e-6)), keepdim: hidden(flag(false)) },
  (x1, x2, { p, eps, keepdim }) => F.pairwiseDistance(x1, x2, p, eps, keepdim),
  2,
) {}
