// GradNorm by autograd: for heads that have no closed form, and to hold the closed form to.

import { IsotorchError } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { ClassifierHead } from '../arrays/head.js';
import type { ImageDetector } from './imageDetector.js';

/**
 * `‖∂(−Σ_c log softmax(z)_c) / ∂W‖₁`, one gradient an image, W the last layer's weight [C, D]; of a distance head its prototypes,
 * which the paper does not speak of. For an affine head this is `‖f‖₁·Σ_c |C·p_c − 1|`, which the detector of features computes
 * without any gradient: use that one there.
 *
 * Huang et al., "On the Importance of Gradients for Detecting Distributional Shifts in the Wild", NeurIPS 2021
 * (arXiv:2110.00218), eq. 5, T = 1.
 *
 * @throws (score) ERR_ARGUMENT for a head with neither weight nor prototypes, or frozen ones
 * @example const scores = await scoreImages(autogradNorm(), new Network(model, { transform }), test);
 */
export function autogradNorm(): ImageDetector {
  return {
    name: 'gradnorm-autograd',
    settings: {},
    needs: ['network'],
    score: (images, network) =>
      tidy(() => {
        const features = torch.noGrad(() => network.features(network.input(images)));
        const { head } = network;
        const weight = weightOf(head);
        const norms = Array.from({ length: features.shape[0]! }, (_, i) =>
          torch.enableGrad(() => {
            const loss = head
              .forward(features.narrow(0, i, 1))
              .logSoftmax(1)
              .sum()
              .neg();
            const [gradient] = torch.autograd.grad(loss, [weight]);
            return gradient!.to('float64').abs().sum();
          }),
        );
        return torch.stack(norms);
      }),
  };
}

function weightOf(head: ClassifierHead): Tensor {
  const weight = head.kind === 'affine' ? head.weight : head.kind === 'distance' ? head.prototypes : undefined;
  if (!weight?.requiresGrad)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      weight
        ? 'gradnorm-autograd takes the gradient of the last layer’s weights, and these are frozen: model.requiresGrad_(true)'
        : 'gradnorm-autograd is defined for a last layer with one weight or prototypes, and the network has another head',
    );
  return weight;
}
