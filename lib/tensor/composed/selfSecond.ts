// Methods of operators whose first argument is not the tensor that Python has them on: `x.where(condition, other)`,
// `x.polygamma(n)`.

import { operator } from '../dispatch.js';
import type { Scalar } from '../dtype.js';
import type { Tensor } from '../tensor.js';
import { named } from './named.js';

/** `self` where `condition` is true, `other` elsewhere (`Tensor.where`). */
export function where(
  self: Tensor,
  ...args:
    | [condition: Tensor, other: Tensor | Scalar]
    | [condition: Tensor, options: { other: Tensor | Scalar }]
    | [options: { condition: Tensor; other: Tensor | Scalar }]
): Tensor {
  const { condition, other } = named('where', ['condition', 'other'], args);
  return operator('aten::where').call([condition, self, other]) as Tensor;
}

/** The `n`-th derivative of the digamma function (`Tensor.polygamma`). */
export function polygamma(self: Tensor, ...args: [n: number] | [options: { n: number }]): Tensor {
  const { n } = named('polygamma', ['n'], args);
  return operator('aten::polygamma').call([n, self]) as Tensor;
}
