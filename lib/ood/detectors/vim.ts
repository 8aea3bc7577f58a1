// Virtual-logit matching: the residual of a feature as one more logit, beside the energy of the real ones.

import { IsotorchError } from '../../errors.js';
import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { tidy, torch } from '../../tensor/index.js';
import type { AffineHead } from '../arrays/head.js';
import { affineLogits, logitOrigin } from './affine.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { MOMENTS_ROWS, Moments } from './moments.js';
import { principalDimension, residualNorm, residualSpace } from './principal.js';

/**
 * ViM score: ln Σ exp z − α ‖(f − u) R‖, with u = −W⁺ b, R the eigenvectors of Σ (f − u)(f − u)ᵀ beyond the `dimension`
 * largest, and α = mean max z / mean ‖(f − u) R‖ over the training images, so that the virtual logit is of a size with real
 * ones. Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching", 2022 (arXiv:2203.10807), eq. 4 to 7;
 * `vim_postprocessor.py` in Jingkang50/OpenOOD. z = W f + b is computed here, in float64.
 *
 * Fit: two passes, memory O(D²).
 *
 * @param settings.dimension of the principal space, below the features' size D. Default null: 256, and at most half of D
 * @throws ERR_ARGUMENT for a distance head, a dimension that is not below D; fit: ERR_DATA for features that are not finite,
 *   and where training features have no residual at all (fewer images than `dimension`, constant features), which α divides by
 * @example
 * const detector = ood.vim({ dimension: 64 });
 * await detector.fit(training); // features [N, D] and the head
 * const scores = detector.score(test);
 */
export function vim(settings: DetectorSettings<'vim'> = {}): FittedDetector {
  const own = detectorSettings('vim', settings);
  const { dimension } = own;
  return fittedDetector({
    name: 'vim',
    settings: own,
    needs: ['features', 'affine head'],
    learnsFrom: ['features', 'affine head'],
    shapes: { origin: ['D'], residual: ['D', 'R'], alpha: [] },
    async learn(pass) {
      using moments = new Moments();
      let last: AffineHead | undefined;
      await pass(({ features, head }) => {
        last = head;
        moments.add(features);
      }, MOMENTS_ROWS);
      using origin = tidy(() => logitOrigin(last!));
      const used = principalDimension(dimension, 256, origin.shape[0]!);
      using residual = tidy(() => residualSpace(moments, origin, used, 'vim').clone());
      // Sums of max z, of ‖(f − u) R‖ and of ‖f − u‖.
      using sums = torch.zeros([3], { dtype: 'float64', device: origin.device });
      await pass(({ features, head }) => {
        const length = torch.linalg.vectorNorm(features.to('float64').sub(origin), 2, [1]);
        const norm = residualNorm(features, origin, residual);
        sums.add_(torch.stack([affineLogits(head, features).amax([1]).sum(), norm.sum(), length.sum()]));
      });
      return tidy(() => {
        const [, norm, length] = sums.toArraySync() as Float64Array;
        if (!(norm! > 1e-13 * length!))
          throw new IsotorchError(
            'ERR_DATA',
            `vim: the training features lie wholly in a space of ${used} dimensions, so that there is no residual to scale: ` +
              'choose a smaller dimension or give more training images',
          );
        return { origin: origin.clone(), residual: residual.clone(), alpha: sums.select(0, 0).div(sums.select(0, 1)) };
      });
    },
    score: ({ features, head }, { origin, residual, alpha }) =>
      affineLogits(head, features)
        .logsumexp([1])
        .sub_(residualNorm(features, origin, residual).mul_(alpha)),
  });
}
