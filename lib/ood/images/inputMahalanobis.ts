// The Mahalanobis detector with a step on the input, on one layer.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import { type Gaussian, gaussianOf, gaussianShapes, squaredDistance } from '../detectors/mahalanobis.js';
import { Moments } from '../detectors/moments.js';
import type { EvaluatedDataset } from '../network/batches.js';
import type { Network } from '../network/network.js';
import { labelsOf } from './batchLabels.js';
import type { FitOptions, FittedImageDetector } from './imageDetector.js';
import { LearningDetector } from './learningDetector.js';
import { passThrough } from './passThrough.js';
import { perturbed } from './perturbation.js';

/**
 * `max_c −½ (f(x̃) − μ_c)ᵀ Σ⁻¹ (f(x̃) − μ_c)` with class means μ_c and one covariance Σ of the training images (divided by N,
 * pseudo-inverse), after the step `x̃ = x − ε·sign(∇ₓ ½ min_c (f − μ_c)ᵀ Σ⁻¹ (f − μ_c)) / std` towards the nearest class. At
 * most 0. Classes without training images have no part in it. Costs a backward and a second forward pass unless ε is 0.
 *
 * Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018
 * (arXiv:1807.03888), eq. 1 to 3. Learns from labelled images in one pass.
 *
 * @param settings.layer the path of the module whose result is taken, its mean over the image. Default null: the features
 *   of the last layer
 * @param settings.epsilon ε of the step, for pixels from 0 to 1; 0 takes none and needs no gradient. Default 0.0014
 * @param settings.std what the transform divides the channels by (`train.statistics.std`), so that ε means the same in each,
 *   as in the authors' code. Default [1]: ε is in units of the network's input
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example
 * const detector = inputMahalanobis({ epsilon: 0.002, std: train.statistics.std });
 * await evaluate(model, { id: test, ood: { svhn }, train, transform, scores: [detector] });
 */
export function inputMahalanobis(settings: DetectorSettings<'input-mahalanobis'> = {}): FittedImageDetector {
  return new InputMahalanobis(settings);
}

class InputMahalanobis extends LearningDetector<keyof typeof gaussianShapes> {
  readonly settings;
  readonly learnsFrom = ['labels'] as const;

  constructor(settings: DetectorSettings<'input-mahalanobis'>) {
    super('input-mahalanobis', gaussianShapes);
    this.settings = detectorSettings('input-mahalanobis', settings);
  }

  score(images: Tensor, network: Network): Tensor {
    return tidy(() =>
      torch.noGrad(() => {
        const [gaussian, input] = [this.state(), network.input(images)];
        const half = (x: Tensor): Tensor => halfDistance(this.#features(x, network).features, gaussian);
        return half(perturbed(network, input, this.settings, half)).neg();
      }),
    );
  }

  async fit(network: Network, training: EvaluatedDataset, options: FitOptions = {}): Promise<void> {
    using moments = new Moments();
    await passThrough(
      network,
      training,
      options,
      (images) => {
        const { logits, features } = this.#features(network.input(images), network);
        return [features, logits] as const;
      },
      ([features, { shape }], batch) => moments.add(features, labelsOf(batch, shape[1]!, this.name, features)),
    );
    this.replace(tidy(() => gaussianOf(moments)));
  }

  #features(input: Tensor, network: Network): { logits: Tensor; features: Tensor } {
    const { layer } = this.settings;
    if (layer === null) return network.outputs(input);
    const { logits, stages } = network.stages(input, spatialMean, [layer]);
    return { logits, features: stages[0]! };
  }
}

/** [N, C, …] → [N, C] */
export const spatialMean = (map: Tensor): Tensor => (map.ndim === 2 ? map.clone() : map.flatten(2).mean([2]));

/** ½ min_c (f − μ_c)ᵀ Σ⁺ (f − μ_c): features [N, D] → float64 [N]. */
export function halfDistance(features: Tensor, { means, whitening }: Gaussian): Tensor {
  const { device } = features;
  return squaredDistance(features, { means: means.to(device), whitening: whitening.to(device) }).mul(0.5);
}
