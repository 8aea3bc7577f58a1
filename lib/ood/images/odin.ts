// ODIN: temperature and a step on the input, for any network with a softmax.

import { expected } from '../../errors.js';
import { tidy, torch } from '../../tensor/index.js';
import type { ImageDetector } from './imageDetector.js';
import { type PerturbationOptions, perturbation, perturbed } from './perturbation.js';

export interface OdinOptions extends PerturbationOptions {
  /** T: divides the logits, in the step and in the score. @default 1000 */
  temperature?: number;
}

/**
 * ODIN: `max_j softmax(z(x̃) / T)_j` with `x̃ = x − ε·sign(−∇ₓ log softmax(z(x) / T)_ŷ) / std`, ŷ = argmax z(x): the step raises the
 * probability of the class that the network sees. From 1 / C to 1. Costs a backward and a second forward pass.
 *
 * Liang et al., ICLR 2018 (arXiv:1706.02690), eq. 1 and 2. The authors choose T and ε on unknown images; the defaults here are
 * theirs for DenseNet on CIFAR-10, which OpenOOD keeps.
 *
 * @throws ERR_ARGUMENT
 * @example
 * await evaluate(model, { id: test, ood: { svhn }, transform, scores: [odin({ std: train.statistics.std })] });
 */
export function odin(options: OdinOptions = {}): ImageDetector {
  const { temperature = 1000 } = options;
  if (typeof temperature !== 'number' || !(temperature > 0 && Number.isFinite(temperature)))
    throw expected('a positive number', 'temperature', temperature);
  const step = perturbation(options);
  return {
    name: 'odin',
    settings: { temperature, ...step },
    needs: ['network'],
    score: (images, network) =>
      tidy(() =>
        torch.noGrad(() => {
          const input = network.input(images);
          const moved = perturbed(network, input, step, (x) => {
            const logits = network.logits(x).div(temperature);
            return logits.logSoftmax(1).gather(1, logits.argmax(1, true)).neg();
          });
          return network.logits(moved).to('float64').div(temperature).softmax(1).amax(1);
        }),
      ),
  };
}
