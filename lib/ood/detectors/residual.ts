// The part of a feature outside the principal space of the training features.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { tidy } from '../../tensor/index.js';
import type { AffineHead } from '../arrays/head.js';
import { logitOrigin } from './affine.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { MOMENTS_ROWS, Moments } from './moments.js';
import { principalDimension, residualNorm, residualSpace } from './principal.js';

/**
 * Residual score: −‖(f − u) R‖, at most 0, with u = −W⁺ b and R the eigenvectors of Σ (f − u)(f − u)ᵀ beyond the `dimension`
 * largest. Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching", 2022 (arXiv:2203.10807), section 3.2;
 * `residual_postprocessor.py` in Jingkang50/OpenOOD.
 *
 * Fit: one pass, memory O(D²).
 *
 * @param settings.dimension of the principal space, below the features' size D. Default null: 512, and at most half of D
 * @throws ERR_ARGUMENT for a distance head, a dimension that is not below D; fit: ERR_DATA for features that are not finite
 * @example
 * const detector = ood.residual({ dimension: 64 });
 * await detector.fit(training); // features [N, D] and the head
 * const scores = detector.score(test);
 */
export function residual(settings: DetectorSettings<'residual'> = {}): FittedDetector {
  const own = detectorSettings('residual', settings);
  const { dimension } = own;
  return fittedDetector({
    name: 'residual',
    settings: own,
    needs: ['features'],
    learnsFrom: ['features', 'affine head'],
    shapes: { origin: ['D'], residual: ['D', 'R'] },
    async learn(pass) {
      using moments = new Moments();
      let head: AffineHead | undefined;
      await pass((chunk) => {
        head = chunk.head;
        moments.add(chunk.features);
      }, MOMENTS_ROWS);
      return tidy(() => {
        const origin = logitOrigin(head!);
        const used = principalDimension(dimension, 512, origin.shape[0]!);
        return { origin, residual: residualSpace(moments, origin, used, 'residual') };
      });
    },
    score: ({ features }, { origin, residual }) => residualNorm(features, origin, residual).neg(),
  });
}
