// Simplified Hopfield energy: how much an image is like the stored pattern of the class that it is predicted to be.

import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { meansOfRight } from './moments.js';

/**
 * SHE: ⟨f, S_ŷ⟩, with ŷ = argmax z and S_c the mean feature of the training images of class c that are predicted as c.
 * Zhang et al., "Out-of-Distribution Detection based on In-Distribution Data Patterns Memorization with Modern Hopfield
 * Energy", 2023 (ICLR), eq. 8; `she_postprocessor.py` in Jingkang50/OpenOOD, inner product.
 *
 * A class of the logits without correctly predicted images has no pattern and an image predicted as it no score, so the fit
 * refuses it (OpenOOD gives NaN). Works with any head. Fit: one pass, memory O(C·D).
 *
 * @throws fit: ERR_DATA for such classes, naming them, and for values that are not finite
 * @example
 * const detector = ood.she();
 * await detector.fit(training); // features [N, D], logits [N, C] and labels [N]
 * const scores = detector.score(test);
 */
export function she(): FittedDetector {
  return fittedDetector({
    name: 'she',
    settings: {},
    needs: ['features', 'logits'],
    learnsFrom: ['features', 'logits', 'labels'],
    shapes: { patterns: ['C', 'D'] },
    learn: async (pass) => ({ patterns: await meansOfRight(pass, ({ features }) => features, 'she') }),
    score: ({ features, logits }, { patterns }) => patterns.indexSelect(0, logits.argmax(1)).mul_(features).sum(1),
  });
}
