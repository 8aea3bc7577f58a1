// ODIN: temperature and a step on the input, for any network with a softmax.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { tidy, torch } from '../../tensor/index.js';
import type { ImageDetector } from './imageDetector.js';
import { perturbed } from './perturbation.js';

/**
 * ODIN: `max_j softmax(z(x̃) / T)_j` with `x̃ = x − ε·sign(−∇ₓ log softmax(z(x) / T)_ŷ) / std`, ŷ = argmax z(x): the step raises the
 * probability of the class that the network sees. From 1 / C to 1. Costs a backward and a second forward pass.
 *
 * Liang et al., ICLR 2018 (arXiv:1706.02690), eq. 1 and 2. The authors choose T and ε on unknown images; the defaults here are
 * theirs for DenseNet on CIFAR-10, which OpenOOD keeps.
 *
 * @param settings.temperature T, above 0: divides the logits, in the step and in the score. Default 1000
 * @param settings.epsilon ε of the step, for pixels from 0 to 1; 0 takes none and needs no gradient. Default 0.0014
 * @param settings.std what the transform divides the channels by (`train.statistics.std`), so that ε means the same in each,
 *   as in the authors' code. Default [1]: ε is in units of the network's input
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example
 * await evaluate(model, { id: test, ood: { svhn }, transform, scores: [odin({ std: train.statistics.std })] });
 */
export function odin(settings: DetectorSettings<'odin'> = {}): ImageDetector {
  const own = detectorSettings('odin', settings);
  const { temperature } = own;
  return {
    name: 'odin',
    settings: own,
    needs: ['network'],
    score: (images, network) =>
      tidy(() =>
        torch.noGrad(() => {
          const input = network.input(images);
          const moved = perturbed(network, input, own, (x) => {
            const logits = network.logits(x).div(temperature);
            return logits.logSoftmax(1).gather(1, logits.argmax(1, true)).neg();
          });
          return network.logits(moved).to('float64').div(temperature).softmax(1).amax(1);
        }),
      ),
  };
}
