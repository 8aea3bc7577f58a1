// Distance to the decision boundaries of an affine head, for the feature's deviation from the mean of the training features.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { torch } from '../../tensor/index.js';
import { affineLogits } from './affine.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { learnMean } from './moments.js';

/**
 * fDBD: Σ_{c ≠ ŷ} |z_ŷ − z_c| / ‖w_ŷ − w_c‖ ÷ ‖f − μ‖, at least 0, with ŷ = argmax z and μ the mean training feature: each
 * term is the distance from f to where class c would be predicted as soon as ŷ. A sum, not a mean, as in
 * `fdbd_postprocessor.py` of Jingkang50/OpenOOD. Liu & Qin, "Fast Decision Boundary based Out-of-Distribution Detector", 2024
 * (arXiv:2312.11536), eq. 5 and 6. z = W f + b is computed here, in float64.
 *
 * Classes with the same weights have no boundary between them and add 0. The divisor is at least 1e-12. Fit: one pass over
 * the features, memory O(D).
 *
 * @param settings.normalizer what distances are divided by: `deviation`, ‖f − μ‖, as in the paper, or `feature`, ‖f‖. Default `deviation`
 * @throws ERR_ARGUMENT for a distance head, another normalizer; fit: ERR_DATA for features that are not finite
 * @example
 * const detector = ood.fdbd();
 * await detector.fit(training); // features [N, D]
 * const scores = detector.score(test); // features and the head
 */
export function fdbd(settings: DetectorSettings<'fdbd'> = {}): FittedDetector {
  const own = detectorSettings('fdbd', settings);
  const { normalizer } = own;
  return fittedDetector({
    name: 'fdbd',
    settings: own,
    needs: ['features', 'affine head'],
    learnsFrom: ['features'],
    shapes: { mean: ['D'] },
    learn: learnMean,
    score: ({ features, head }, { mean }) => {
      const logits = affineLogits(head, features);
      const { values, indices } = logits.max(1, true);
      const weight = head.weight.to('float64');
      const apart = torch.cdist(weight, weight, 2, 2).indexSelect(0, indices.flatten());
      const distances = torch.where(apart.gt(0), values.sub(logits).div(apart), 0).sum(1);
      const wide = features.to('float64');
      const from = normalizer === 'feature' ? wide : wide.sub(mean);
      return distances.div_(torch.linalg.vectorNorm(from, 2, [1]).clampMin(1e-12));
    },
  });
}
