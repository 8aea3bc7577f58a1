// Mahalanobis distance to the nearest class, with one covariance for all classes, in the space of one layer's features.

import { type Tensor, tidy } from '../../tensor/index.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { MOMENTS_ROWS, Moments } from './moments.js';
import { whitening } from './whitening.js';

/**
 * Mahalanobis distance score: −min_c (f − μ_c)ᵀ Σ⁺ (f − μ_c), at most 0, with class means μ_c and the tied covariance
 * Σ = Σ_c Σ_{f of c} (f − μ_c)(f − μ_c)ᵀ / N of the training features. Lee et al., "A Simple Unified Framework for Detecting
 * Out-of-Distribution Samples and Adversarial Attacks", 2018 (arXiv:1807.03888), eq. 2; the scale is that of
 * `mds_postprocessor.py` in Jingkang50/OpenOOD, twice the original code's −½ M², which ranks alike.
 *
 * Singular Σ: pseudo-inverse, directions without variance take no part. Classes without samples take no part in the minimum.
 * Fit: one pass, memory O(D² + C·D).
 *
 * @throws fit: ERR_DATA for features that are not finite, labels that are no class
 * @example
 * const detector = ood.mahalanobis();
 * await detector.fit(training); // features [N, D] and labels [N]
 * const scores = detector.score(test);
 */
export function mahalanobis(): FittedDetector {
  return fittedDetector({
    name: 'mahalanobis',
    settings: {},
    needs: ['features'],
    learnsFrom: ['features', 'labels'],
    shapes: gaussianShapes,
    async learn(pass) {
      using moments = new Moments();
      await pass(({ features, labels }) => moments.add(features, labels), MOMENTS_ROWS);
      return tidy(() => gaussianOf(moments));
    },
    score: ({ features }, gaussian) => squaredDistance(features, gaussian).neg(),
  });
}

/** Class means of the classes that have samples and, for their tied covariance, what turns its distances into plain ones. */
export interface Gaussian {
  readonly means: Tensor;
  readonly whitening: Tensor;
}
export const gaussianShapes = { means: ['K', 'D'], whitening: ['D', 'D'] } as const;

/** @throws ERR_DATA for features that are too large, or not finite */
export const gaussianOf = (moments: Moments): Gaussian => ({
  means: moments.classMeans(),
  whitening: whitening(moments.tiedCovariance(), moments.magnitude()),
});

/**
 * min_c ‖(f − μ_c) A‖² of each row, float64 [N]. The nearest class is found by a matrix product, its distance from the
 * difference itself, so that near means lose no digits.
 */
export function squaredDistance(features: Tensor, { means, whitening }: Gaussian): Tensor {
  const middle = means.mean(0);
  const centres = means.sub(middle).matmul(whitening);
  const points = features.to('float64').sub(middle).matmul(whitening);
  const nearest = points.matmul(centres.t()).sub_(centres.square().sum(1).mul_(0.5)).argmax(1);
  return points.sub_(centres.indexSelect(0, nearest)).square_().sum(1);
}
