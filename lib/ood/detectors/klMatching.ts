// KL matching: does the network's distribution over the classes look like that of any class it knows?

import { tidy, torch } from '../../tensor/index.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { Moments } from './moments.js';

/** The smallest normal double: where a mean has underflowed to 0, its divergence is large and not infinite. */
const smallest = 2 ** -1022;

/**
 * −min_c KL(p ‖ q_c) with p = softmax(z) and q_c the mean of softmax(z) over the fitted images whose largest logit is class
 * c, at most 0. A class that was never predicted takes no part.
 * Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings", 2022 (arXiv:1911.11132);
 * `kl_matching_postprocessor.py` in Jingkang50/OpenOOD, which gives such a class a one-hot q_c and with it an infinite
 * divergence: the same.
 *
 * Fit it on images that the network was not trained on. It needs no labels. Its state: `means` [C, C], rows of 0 for classes
 * that were never predicted.
 *
 * @returns a detector of logits; `score`: [N, C] → float64 [N]
 * @example
 * const detector = klMatching();
 * await detector.fit(arrays({ logits: validation }));
 * detector.score(arrays({ logits }));
 */
export function klMatching(): FittedDetector {
  return fittedDetector({
    name: 'kl-matching',
    settings: {},
    needs: ['logits'],
    learnsFrom: ['logits'],
    shapes: { means: ['C', 'C'] },
    async learn(pass) {
      using moments = new Moments(false);
      let classes = 0;
      await pass(({ logits }) => {
        classes = logits.shape[1]!;
        moments.add(logits.to('float64').softmax(1), logits.argmax(1));
      });
      return tidy(() => ({ means: moments.allMeans(classes) }));
    },
    score: ({ logits }, { means }) => {
      const p = logits.to('float64').softmax(1);
      const negativeEntropy = torch.xlogy(p, p).sum(1);
      const crossEntropies = p.matmul(means.clampMin(smallest).log().neg().t());
      const absent = means.sum(1).eq(0);
      return crossEntropies.maskedFill(absent, Number.POSITIVE_INFINITY).amin(1).add(negativeEntropy).neg();
    },
  });
}
