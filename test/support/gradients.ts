// Central differences: what a gradient must equal, computed without autograd.

import { type Tensor, tidy, torch } from '../../lib/tensor/index.js';

/** ∂fn/∂x of a scalar function, element by element; `x` in float64, error of order step². */
export function numericalGradient(fn: (x: Tensor) => Tensor, x: Tensor, step = 1e-5): Tensor {
  const at = (flat: Float64Array) => tidy(() => torch.noGrad(() => fn(torch.tensor(flat).view(x.shape)).item()));
  const values = x.detach().toArraySync() as Float64Array;
  const gradient = values.map((value, i) => {
    const shifted = (by: number) => at(values.with(i, value + by) as Float64Array);
    return (shifted(step) - shifted(-step)) / (2 * step);
  });
  return torch.tensor(gradient as Float64Array).view(x.shape);
}
