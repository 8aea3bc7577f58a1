// GradNorm: how much a network's last layer would have to move to be undecided about an image. Known images ask for more.

import { tidy } from '../../tensor/index.js';
import { type Detector, needed } from './detector.js';

/**
 * ‖∂L/∂W‖₁ of the last layer's weights for L = −Σ_c ln p_c, p = softmax(z). For z = W f + b the gradient is the outer
 * product of C·p − 1 and f, so its norm needs no backward pass: ‖f‖₁ · Σ_c |C·p_c − 1|.
 * Huang et al., "On the Importance of Gradients for Detecting Distributional Shifts in the Wild", 2021 (arXiv:2110.00218), where L is divided by C; undivided as `gradnorm_postprocessor.py` in Jingkang50/OpenOOD.
 *
 * @returns a detector of features, logits and an affine head; `score` gives float64 [N]
 * @example gradNorm().score(arrays({ features, logits, head: affineHead(weight, bias) }));
 */
export function gradNorm(): Detector {
  const [name, needs] = ['gradnorm', ['features', 'logits', 'affine head'] as const];
  return {
    name,
    settings: {},
    needs,
    score: (arrays) => {
      const { features, logits } = needed(arrays, needs, name);
      return tidy(() => {
        const classes = logits.shape[1]!;
        const errors = logits.to('float64').softmax(1).mul(classes).sub(1).abs().sum(1);
        return features.abs().sum(1, { dtype: 'float64' }).mul(errors);
      });
    },
  };
}
