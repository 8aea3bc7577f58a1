// Python's operators of `Tensor` where the tensor stands on the right or the name is no operator of LibTorch: `2 ** x` is
// `x.__rpow__(2)`. Thin names for code that is carried over; `torch.pow(2, x)` reads better.

import { aten } from '../dispatch.js';
import type { Scalar } from '../dtype.js';
import type { Tensor } from '../tensor.js';

type Other = Tensor | Scalar;

export const __rsub__ = (self: Tensor, other: Other): Tensor => aten('rsub', self, other);
/** As in Python: the reciprocal times `other`. */
export function __rtruediv__(self: Tensor, other: Other): Tensor {
  const reciprocal = self.reciprocal();
  const result = aten('mul', reciprocal, other);
  reciprocal.dispose();
  return result;
}
export const __rdiv__ = __rtruediv__;
export const __rmod__ = (self: Tensor, other: Other): Tensor => aten('remainder', other, self);
export const __pow__ = (self: Tensor, other: Other): Tensor => aten('pow', self, other);
export const __rpow__ = (self: Tensor, other: Other): Tensor => aten('pow', other, self);
export const __floordiv__ = (self: Tensor, other: Other): Tensor => aten('floor_divide', self, other);
export const __rfloordiv__ = (self: Tensor, other: Other): Tensor => aten('floor_divide', other, self);
export const __rlshift__ = (self: Tensor, other: Other): Tensor => aten('bitwise_left_shift', other, self);
export const __rrshift__ = (self: Tensor, other: Other): Tensor => aten('bitwise_right_shift', other, self);
export const __rmatmul__ = (self: Tensor, other: Tensor): Tensor => aten('matmul', other, self);
/** Whether an element equals `element`. */
export function __contains__(self: Tensor, element: Other): boolean {
  const equal = aten('eq', self, element);
  const any = equal.any();
  const result = any.item() as unknown as boolean;
  equal.dispose();
  any.dispose();
  return result;
}
/** The tensor itself without dimensions, else its first dimension reversed. */
export const __reversed__ = (self: Tensor): Tensor => (self.ndim === 0 ? self : self.flip([0]));
