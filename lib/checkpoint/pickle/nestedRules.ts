// `torch._utils._rebuild_nested_tensor`: nested tensors, as descriptions. Where each of their tensors lies is in tensors itself: whether
// they stay within the buffer can only be known from the values (nested.ts).

import { NestedRef, RuleError, TensorRef } from './values.js';

/** `_rebuild_nested_tensor(buffer, sizes, strides, storage_offsets)` */
export function rebuildNested([buffer, sizes, strides, offsets]: readonly unknown[]): NestedRef {
  if (!(buffer instanceof TensorRef) || buffer.size.length !== 1 || buffer.traits.quantizer)
    throw new RuleError('expected the values of a nested tensor in one dimension');
  if (![sizes, strides, offsets].every((part) => part instanceof TensorRef))
    throw new RuleError('expected tensors of sizes, strides and offsets');
  const [shape, steps, rows] = [sizes, strides, offsets] as [TensorRef, TensorRef, TensorRef];
  const [count] = rows.size;
  const fits = (ref: TensorRef) => ref.dtype === 'int64' && ref.size.length === 2 && ref.size[0] === count;
  const sound = fits(shape) && fits(steps) && shape.size[1] === steps.size[1];
  if (rows.dtype !== 'int64' || rows.size.length !== 1 || !sound)
    throw new RuleError('expected sizes and strides for each tensor');
  return new NestedRef(buffer, shape, steps, rows, { parameter: false, requiresGrad: buffer.traits.requiresGrad });
}
