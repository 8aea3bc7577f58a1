// The small step on the input that ODIN and Mahalanobis detectors take before they score: known images gain more from it than
// unknown ones. Liang et al., "Enhancing The Reliability of Out-of-distribution Image Detection in Neural Networks", ICLR 2018
// (arXiv:1706.02690), eq. 2; Lee et al., NeurIPS 2018 (arXiv:1807.03888), eq. 3.

import { IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import type { Network } from '../network/network.js';

/** How far a step goes. */
export interface Step {
  /** ε, in units of pixel values from 0 to 1. 0 takes no step and needs no gradient. */
  readonly epsilon: number;
  /**
   * The standard deviations that the transform divides the channels by, so that ε means the same in each of them, as in the
   * authors' code (`train.statistics.std`). [1]: ε is in units of the network's input.
   */
  readonly std: readonly number[];
}

/**
 * The input one step further down the loss: `x̃ = x − ε·sign(∇ₓ loss(x)) / std`. Where the gradient is exactly 0 the input stays (the
 * authors' code, which knows only two signs, adds a step there).
 *
 * @param loss inputs [N, …] → [N], each of its own input alone
 */
export function perturbed(
  network: Network,
  input: Tensor,
  { epsilon, std }: Step,
  loss: (input: Tensor) => Tensor,
): Tensor {
  if (epsilon === 0) return input;
  const { dtype, device, shape } = input;
  if (std.length !== 1 && std.length !== shape[1])
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected one std for each of the input's ${shape[1]} channels, or one for all, but received ${std.length}`,
    );
  const step = torch
    .tensor(
      std.map((value) => epsilon / value),
      { dtype, device },
    )
    .view([-1, ...shape.slice(2).map(() => 1)]);
  return input.sub(network.gradient(input, loss).sign().mul(step));
}
