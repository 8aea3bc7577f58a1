// DICE: most of the last layer's weights add noise to the logits. The few that matter on known images are kept.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { AffineHead } from '../arrays/head.js';
import { percentiles } from '../arrays/percentiles.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';

/**
 * ln Σ_c exp(z_c) with z = (W ⊙ M) f + b, where M keeps the weights whose contribution W_cj · mean(f_j) over the training
 * images is above the given percentile of all C · D contributions.
 * Sun & Li, "DICE: Leveraging Sparsification for Out-of-Distribution Detection", 2022 (arXiv:2111.09805);
 * `dice_postprocessor.py` in Jingkang50/OpenOOD.
 *
 * `fit` reads features and an affine head, `score` features. Its state: `weight` [C, D], masked, and `bias` [C].
 *
 * @param settings.percentile from 0 to 100, the per cent of weights that are left out. Default 90
 * @returns a detector of features; `score`: [N, D] → float64 [N]
 * @throws ERR_ARGUMENT for settings that are none or out of range; `fit`: ERR_ARGUMENT for a distance head
 * @example
 * const detector = dice();
 * await detector.fit(arrays({ features: training, head: affineHead(weight, bias) }));
 * detector.score(arrays({ features }));
 */
export function dice(settings: DetectorSettings<'dice'> = {}): FittedDetector {
  const own = detectorSettings('dice', settings);
  return fittedDetector({
    name: 'dice',
    settings: own,
    needs: ['features'],
    learnsFrom: ['features', 'affine head'],
    shapes: { weight: ['C', 'D'], bias: ['C'] },
    async learn(pass) {
      const seen: { head?: AffineHead; sum?: Tensor } = {};
      try {
        const rows = await pass(({ features, head }) => {
          const sum = features.sum(0, false, { dtype: 'float64' });
          seen.head = head;
          seen.sum = seen.sum?.add_(sum) ?? sum.keep();
        });
        return await masked(seen.head!, seen.sum!.div_(rows), own.percentile);
      } finally {
        seen.sum?.dispose();
      }
    },
    score: ({ features }, { weight, bias }) => torch.linear(features.to('float64'), weight, bias).logsumexp(1),
  });
}

/** @param mean [D] */
async function masked({ weight, bias }: AffineHead, mean: Tensor, percentile: number) {
  const place = { dtype: 'float64', device: mean.device } as const;
  const [doubles, contributions] = tidy(() => {
    const weights = weight.detach().to({ ...place, copy: true });
    return [weights, weights.mul(mean)] as const;
  });
  try {
    const [threshold] = await percentiles(async (use) => use(contributions), [percentile]);
    return tidy(() => ({
      weight: doubles.mul(contributions.gt(threshold!)),
      bias: bias?.detach().to({ ...place, copy: true }) ?? torch.zeros([doubles.shape[0]!], place),
    }));
  } finally {
    doubles.dispose();
    contributions.dispose();
  }
}
