// Neural-collapse-inspired score: does a feature point where the weights of its class do, and is it large?

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { torch } from '../../tensor/index.js';
import { affineLogits } from './affine.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { learnMean } from './moments.js';

/**
 * NCI: ⟨w_ŷ, f − μ⟩ / ‖f − μ‖₂ + α ‖f‖₁, with ŷ = argmax z and μ the mean training feature. Liu & Qin, "Detecting
 * Out-of-Distribution through the Lens of Neural Collapse", 2025 (arXiv:2311.01479), eq. 6 and 7; `nci_postprocessor.py` in
 * Jingkang50/OpenOOD. z = W f + b is computed here, in float64.
 *
 * The divisor is at least 1e-12. Fit: one pass over the features, memory O(D).
 *
 * @param settings.alpha α, weight of ‖f‖₁. Default 1e-4; OpenOOD sweeps up to 0.1
 * @throws ERR_ARGUMENT for a distance head, an alpha that is negative; fit: ERR_DATA for features that are not finite
 * @example
 * const detector = ood.nci();
 * await detector.fit(training); // features [N, D]
 * const scores = detector.score(test); // features and the head
 */
export function nci(settings: DetectorSettings<'nci'> = {}): FittedDetector {
  const own = detectorSettings('nci', settings);
  const { alpha } = own;
  return fittedDetector({
    name: 'nci',
    settings: own,
    needs: ['features', 'affine head'],
    learnsFrom: ['features'],
    shapes: { mean: ['D'] },
    learn: learnMean,
    score: ({ features, head }, { mean }) => {
      const towards = head.weight.to('float64').indexSelect(0, affineLogits(head, features).argmax(1));
      const wide = features.to('float64');
      const deviation = wide.sub(mean);
      const proximity = towards
        .mul_(deviation)
        .sum(1)
        .div_(torch.linalg.vectorNorm(deviation, 2, [1]).clampMin(1e-12));
      return proximity.add_(wide.abs().sum(1), { alpha });
    },
  });
}
