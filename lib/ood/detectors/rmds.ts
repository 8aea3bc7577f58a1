// Relative Mahalanobis distance: how much nearer a class is than the whole of the training features.

import { tidy } from '../../tensor/index.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { gaussianOf, gaussianShapes, squaredDistance } from './mahalanobis.js';
import { MOMENTS_ROWS, Moments } from './moments.js';
import { whitening } from './whitening.js';

/**
 * Relative Mahalanobis distance score: max_c [M₀²(f) − M_c²(f)], where M_c is the distance to class c as in `mahalanobis` and
 * M₀ that to all training features as one Gaussian (their mean, their covariance). Directions that tell nothing about
 * classes cancel. Ren et al., "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection", 2021
 * (arXiv:2106.09022), eq. 2 and 3; `rmds_postprocessor.py` in Jingkang50/OpenOOD.
 *
 * Singular covariances: pseudo-inverse. Classes without samples take no part. With one class the two distances are the same
 * and every score is 0. Fit: one pass, memory O(D² + C·D).
 *
 * @throws fit: ERR_DATA for features that are not finite, labels that are no class
 * @example
 * const detector = ood.rmds();
 * await detector.fit(training); // features [N, D] and labels [N]
 * const scores = detector.score(test);
 */
export function rmds(): FittedDetector {
  return fittedDetector({
    name: 'rmds',
    settings: {},
    needs: ['features'],
    learnsFrom: ['features', 'labels'],
    shapes: { ...gaussianShapes, mean: ['D'], totalWhitening: ['D', 'D'] },
    async learn(pass) {
      using moments = new Moments();
      await pass(({ features, labels }) => moments.add(features, labels), MOMENTS_ROWS);
      return tidy(() => ({
        ...gaussianOf(moments),
        mean: moments.mean(),
        totalWhitening: whitening(moments.covariance(), moments.magnitude()),
      }));
    },
    score: ({ features }, { mean, totalWhitening, ...gaussian }) =>
      squaredDistance(features, { means: mean.unsqueeze(0), whitening: totalWhitening }).sub_(
        squaredDistance(features, gaussian),
      ),
  });
}
