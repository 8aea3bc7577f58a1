// The functions of torch._utils that rebuild tensors, as descriptions. A tensor is a window onto a storage, and the window
// is checked here: a stride or an offset that leaves the storage would let a file read foreign memory.

import { isSavedDType, itemSize, type SavedDType } from '../dtypes.js';
import { RuleError, StorageRef, TensorRef, type TensorTraits, TorchDType } from './values.js';

/** PyTorch's kernels take no more dimensions. */
const maxDimensions = 64;

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, metadata=None)` */
export function rebuildTensor([
  storage,
  offset,
  size,
  stride,
  requiresGrad,
  hooks,
  metadata,
]: readonly unknown[]): TensorRef {
  if (!(storage instanceof StorageRef)) throw new RuleError('expected a storage');
  if (storage.dtype === 'untyped') throw new RuleError('expected a storage of one dtype');
  return tensorOf(storage, storage.dtype, offset, size, stride, traitsOf(requiresGrad, hooks, metadata));
}

/** `_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None)` */
export function rebuildTensorV3([
  storage,
  offset,
  size,
  stride,
  requiresGrad,
  hooks,
  dtype,
  metadata,
]: readonly unknown[]): TensorRef {
  if (!(storage instanceof StorageRef)) throw new RuleError('expected a storage');
  if (!(dtype instanceof TorchDType) || !isSavedDType(dtype.name)) throw new RuleError('expected a dtype');
  if (storage.dtype !== 'untyped' && storage.dtype !== dtype.name) {
    throw new RuleError(`a ${dtype} tensor can’t view a storage of ${storage.dtype}`);
  }
  // Bytes that are no booleans would have to be looked for in all of the storage; PyTorch has another class for them.
  if (storage.dtype === 'untyped' && dtype.name === 'bool')
    throw new RuleError('a bool tensor can’t view untyped bytes');
  return tensorOf(storage, dtype.name, offset, size, stride, traitsOf(requiresGrad, hooks, metadata));
}

/** `_rebuild_parameter(data, requires_grad, backward_hooks)` */
export function rebuildParameter([data, requiresGrad, hooks]: readonly unknown[]): TensorRef {
  if (!(data instanceof TensorRef)) throw new RuleError('expected a tensor');
  const traits = {
    ...data.traits,
    requiresGrad: traitsOf(requiresGrad, hooks, undefined).requiresGrad,
    parameter: true,
  };
  return tensorOf(data.storage, data.dtype, data.offset, data.size, data.stride, traits);
}

function traitsOf(requiresGrad: unknown, hooks: unknown, metadata: unknown): TensorTraits {
  if (typeof requiresGrad !== 'boolean') throw new RuleError('expected a boolean for requires_grad');
  const noHooks = hooks === null || hooks === undefined || (hooks instanceof Map && hooks.size === 0);
  if (!noHooks) throw new RuleError('expected no backward hooks');
  if (metadata !== null && metadata !== undefined && !(metadata instanceof Map))
    throw new RuleError('expected a dict of metadata');
  const bits = new Map<unknown, unknown>(metadata ?? []);
  for (const [name, bit] of bits) {
    if ((name !== 'conj' && name !== 'neg') || typeof bit !== 'boolean')
      throw new RuleError(`unknown metadata ${String(name)}`);
  }
  return { requiresGrad, parameter: false, conjugated: bits.get('conj') === true, negated: bits.get('neg') === true };
}

function tensorOf(
  storage: StorageRef,
  dtype: SavedDType,
  offset: unknown,
  size: unknown,
  stride: unknown,
  traits: TensorTraits,
): TensorRef {
  if (!isCount(offset)) throw new RuleError('expected an offset of 0 or more');
  if (!areCounts(size) || !areCounts(stride) || size.length !== stride.length) {
    throw new RuleError('expected a size and a stride of equally many integers, 0 or more');
  }
  if (size.length > maxDimensions)
    throw new RuleError(`${size.length} dimensions; at most ${maxDimensions} are possible`);
  if (traits.requiresGrad && !/float|complex/.test(dtype))
    throw new RuleError(`a ${dtype} tensor can’t require gradients`);
  if (traits.conjugated && !dtype.startsWith('complex')) throw new RuleError(`a ${dtype} tensor can’t be conjugated`);
  const count = size.reduce((product, length) => product * length, 1);
  if (count > Number.MAX_SAFE_INTEGER) throw new RuleError(`a tensor of size [${size}] is too large`);
  // Empty tensors view nothing, wherever they stand.
  const last = count === 0 ? -1 : size.reduce((sum, length, i) => sum + (length - 1) * (stride[i] as number), offset);
  const needed = (last + 1) * itemSize(dtype);
  if (needed > storage.nbytes) {
    throw new RuleError(
      `a tensor of size [${size}], stride [${stride}] and offset ${offset} reaches beyond the ${storage.nbytes} bytes of storage ${JSON.stringify(storage.key)}`,
    );
  }
  return new TensorRef(storage, dtype, offset, size, stride, traits);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const areCounts = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isCount);
