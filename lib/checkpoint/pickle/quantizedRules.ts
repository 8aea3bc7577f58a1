// `torch._utils._rebuild_qtensor`: quantised tensors, as descriptions. Kernels read a scale and a zero point for each index of the
// quantised dimension, so that there must be as many.

import { isQuantized } from '../dtypes.js';
import { storageOf, tensorOf, traitsOf } from './tensorRules.js';
import {
  isTuple,
  plainTraits,
  QuantizationScheme,
  type Quantizer,
  RuleError,
  StorageRef,
  TensorRef,
} from './values.js';

/** `_rebuild_qtensor(storage, offset, size, stride, quantizer_params, requires_grad, backward_hooks)` */
export function rebuildQuantized([saved, offset, size, stride, params, grad, hooks]: readonly unknown[]): TensorRef {
  const storage = storageOf(saved);
  if (storage.dtype === 'untyped' || !isQuantized(storage.dtype))
    throw new RuleError('expected a storage of quantised numbers');
  const traits = traitsOf(grad, hooks, undefined);
  if (traits.requiresGrad) throw new RuleError('a quantised tensor can’t require gradients');
  const plain = tensorOf(storage, storage.dtype, offset, size, stride, plainTraits);
  const quantizer = quantizerOf(params, plain.size);
  return new TensorRef(storage, plain.dtype, plain.offset, plain.size, plain.stride, { ...plainTraits, quantizer });
}

function quantizerOf(params: unknown, size: readonly number[]): Quantizer {
  if (!isTuple(params) || !(params[0] instanceof QuantizationScheme))
    throw new RuleError('expected the parameters of a quantisation');
  const [{ name }, scale, zeroPoint, axis] = params as readonly [QuantizationScheme, ...unknown[]];
  if (name === 'per_tensor_affine') {
    if (typeof scale !== 'number' || !Number.isSafeInteger(zeroPoint))
      throw new RuleError('expected a scale and a zero point');
    return { scale, zeroPoint: zeroPoint as number };
  }
  if (!Number.isSafeInteger(axis) || !((axis as number) >= 0 && (axis as number) < size.length))
    throw new RuleError('expected a dimension of the tensor as the axis of its quantisation');
  const count = size[axis as number] as number;
  return {
    axis: axis as number,
    scales: channels(scale, count, ['float64', 'float32']),
    zeroPoints: channels(zeroPoint, count, ['int64', 'int32', 'float32', 'float64']),
  };
}

/** One number for each channel: a tensor, in old files a list. */
function channels(values: unknown, count: number, dtypes: readonly string[]): TensorRef {
  const ref =
    Array.isArray(values) && values.every((value) => typeof value === 'number') ? listed(values, dtypes) : values;
  if (!(ref instanceof TensorRef) || !dtypes.includes(ref.dtype) || ref.size.length !== 1 || ref.size[0] !== count)
    throw new RuleError(`expected ${count} scales and zero points, one for each channel`);
  return ref;
}

function listed(values: readonly number[], dtypes: readonly string[]): TensorRef {
  const whole = dtypes.includes('int64');
  const content = whole ? BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))) : Float64Array.from(values);
  const dtype = whole ? 'int64' : 'float64';
  const storage = new StorageRef('of a list', dtype, 'cpu', values.length, new Uint8Array(content.buffer));
  return new TensorRef(storage, dtype, 0, [values.length], [1], plainTraits);
}
