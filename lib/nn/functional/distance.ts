// Distances, similarities and lengths.

import { type Tensor, type Torch, torch } from '../../tensor/index.js';
import { finite } from '../arguments.js';

/** ‖x₁ − x₂ + ε‖ₚ of vectors along the last dimension. p 2, eps 1e-6, keepdim false. */
export const pairwiseDistance: Torch['pairwiseDistance'] = torch.pairwiseDistance;
/** x₁·x₂ / (‖x₁‖ ‖x₂‖) along `dim`, 1; lengths below `eps`, 1e-8, count as that. */
export const cosineSimilarity: Torch['cosineSimilarity'] = torch.cosineSimilarity;
/** The distances between all pairs of rows, as one vector. */
export const pdist: Torch['pdist'] = torch.pdist;
/** Class numbers as rows with one 1. `numClasses` −1: as many as there are. */
export const oneHot: Torch['oneHot'] = torch.oneHot;

/**
 * Each vector along `dim` divided by its p-norm, or by `eps` where that is larger.
 * @example normalize(features); // rows of length 1
 */
export function normalize(
  input: Tensor,
  { p = 2, dim = 1, eps = 1e-12 }: { p?: number; dim?: number | readonly number[]; eps?: number } = {},
): Tensor {
  const length = torch.linalg.vectorNorm(input, p, typeof dim === 'number' ? [dim] : dim, true);
  return input.div(length.clampMin(finite(eps, 'eps')));
}
