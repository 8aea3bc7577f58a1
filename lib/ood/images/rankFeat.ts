// RankFeat: known and unknown images differ in the strongest direction of their feature maps, so it is taken out.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { ImageDetector } from './imageDetector.js';

/**
 * `log Σ_c exp(z_c)` with z the mean over the stages of the logits that the network gives once a stage's map X [C, H·W] has lost
 * its largest singular value: `X − σ₁·u₁·v₁ᵀ`. Costs one forward pass for each stage.
 *
 * Song, Sebe & Wang, "RankFeat: Rank-1 Feature Removal for Out-of-distribution Detection", NeurIPS 2022 (arXiv:2209.08590), eq. 2
 * and section 3.2, with T = 1. Its power iteration takes 20 steps; here it begins with the map's longest row, not at random, so
 * that scores can be repeated.
 *
 * @param settings.stages paths of the stages. Default null: the network's last two, blocks 3 and 4 of a ResNet
 * @param settings.iterations steps of the power iteration that finds the direction; 0 for the exact decomposition, which is
 *   slower. Default 0
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example rankFeat({ stages: ['layer3', 'layer4'], iterations: 20 })
 */
export function rankFeat(settings: DetectorSettings<'rankfeat'> = {}): ImageDetector {
  const own = detectorSettings('rankfeat', settings);
  const { stages, iterations } = own;
  return {
    name: 'rankfeat',
    settings: own,
    needs: ['network'],
    score: (images, network) =>
      tidy(() =>
        torch.noGrad(() => {
          const input = network.input(images);
          const paths = stages ?? network.stagePaths(input).slice(-2);
          const logits = paths.map((path) => network.logitsWith(input, path, (map) => withoutRank1(map, iterations)));
          return torch.stack(logits).to('float64').mean([0]).logsumexp([1]);
        }),
      ),
  };
}

/** Each image's map [C, H·W] without its largest singular value, taken out in float64. */
function withoutRank1(map: Tensor, iterations: number): Tensor {
  const X = (map.ndim === 2 ? map.unsqueeze(2) : map.flatten(2)).to('float64');
  return X.sub(iterations === 0 ? strongest(X) : iterated(X, iterations))
    .view(map.shape)
    .to(map.dtype);
}

/** σ₁·u₁·v₁ᵀ of each matrix. */
function strongest(X: Tensor): Tensor {
  const { U, S, Vh } = torch.linalg.svd(X, false);
  return U.narrow(2, 0, 1)
    .mul(S.narrow(1, 0, 1).unsqueeze(2))
    .matmul(Vh.narrow(1, 0, 1));
}

/** The same by power iteration. A matrix of zeros gives zeros. */
function iterated(X: Tensor, iterations: number): Tensor {
  const unit = (vector: Tensor): Tensor => vector.div(torch.linalg.vectorNorm(vector, 2, [1], true).clampMin(1e-12));
  const longest = torch.linalg.vectorNorm(X, 2, [2], true).argmax(1, true); // [N, 1, 1]
  let v = unit(X.gather(1, longest.expand([-1, 1, X.shape[2]!])).transpose(1, 2));
  let u = v;
  for (let i = 0; i < iterations; i++) {
    u = unit(X.matmul(v));
    v = unit(X.transpose(1, 2).matmul(u));
  }
  const sigma = u.transpose(1, 2).matmul(X).matmul(v);
  return u.mul(sigma).matmul(v.transpose(1, 2));
}
