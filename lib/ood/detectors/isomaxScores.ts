// The scores of DisMax, which combine what a distance head says: how near the nearest prototype is, how near all of them are,
// and how sure the network is. Like the three of logitScores.ts they need the logits alone and have nothing to tune. DisMax's
// logits contain the mean distance already; on IsoMax and IsoMax+ heads the mean is added here only.

import { type Tensor, tidy } from '../../tensor/index.js';
import type { Detector } from './detector.js';
import { doubles, es, logitDetector, mps } from './logitScores.js';

/**
 * Maximum-mean logit score: max_j z_j + (1 / C) Σ_j z_j.
 * Macêdo et al., "Distinction Maximization Loss: Efficiently Improving Out-of-Distribution Detection and Uncertainty
 * Estimation by Replacing the Loss and Calibrating", 2022 (arXiv:2205.05874); `losses/dismax.py` in
 * dlmacedo/distinction-maximization-loss.
 *
 * @param logits [N, C], floating point
 * @returns float64 [N] on the same device
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE
 * @example mmls(torch.tensor([[-1, -3]])); // -1 + -2 = -3
 */
export function mmls(logits: Tensor): Tensor {
  return tidy(() => {
    const z = doubles(logits, 'mmls');
    return z.amax(1).add(z.mean(1));
  });
}

/**
 * Maximum-mean logit entropy score: max z + mean z + Σ_j p_j ln p_j with p = softmax(z). The one that its paper recommends.
 * Source as for `mmls`.
 *
 * @param logits [N, C], floating point
 * @returns float64 [N] on the same device
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE
 * @example mmles(torch.tensor([[-2, -2]])); // -2 + -2 - ln 2
 */
export function mmles(logits: Tensor): Tensor {
  return tidy(() => mmls(logits).add(es(logits)));
}

/**
 * Maximum-mean logit entropy probability score: max z + mean z + Σ_j p_j ln p_j + max p. Source as for `mmls`.
 *
 * @param logits [N, C], floating point
 * @returns float64 [N] on the same device
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE
 * @example mmleps(torch.tensor([[-2, -2]])); // -2 + -2 - ln 2 + 1/2
 */
export function mmleps(logits: Tensor): Tensor {
  return tidy(() => mmles(logits).add(mps(logits)));
}

/** `mmls` as a detector. */
export const maxMeanLogit = (): Detector => logitDetector('mmls', mmls);

/** `mmles` as a detector. The score that goes with DisMax. */
export const maxMeanLogitEntropic = (): Detector => logitDetector('mmles', mmles);

/** `mmleps` as a detector. */
export const maxMeanLogitEntropicProbability = (): Detector => logitDetector('mmleps', mmleps);
