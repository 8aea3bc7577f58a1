// The functions of torch._utils that rebuild tensors, as descriptions. A tensor is a window onto a storage, and the window
// is checked here: a stride or an offset that leaves the storage would let a file read foreign memory.

import { types } from 'node:util';
import { isSavedDType, itemSize, type SavedDType } from '../dtypes.js';
import { NumpyArray, setNumpyArray } from './numpy.js';
import {
  type AnyTensorRef,
  isTuple,
  MetaRef,
  NestedRef,
  plainTraits,
  RuleError,
  SparseRef,
  StorageRef,
  StorageView,
  TensorRef,
  type TensorTraits,
  TorchDType,
} from './values.js';

/** Kernels take 64, but tensors may have more. */
const maxDimensions = 1 << 16;

/** `_rebuild_tensor(storage, offset, size, stride)`, of PyTorch before 0.4. */
export function rebuildPlainTensor([storage, offset, size, stride]: readonly unknown[]): TensorRef {
  return rebuildTensor([storage, offset, size, stride, false]);
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, metadata=None)` */
export function rebuildTensor([
  saved,
  offset,
  size,
  stride,
  requiresGrad,
  hooks,
  metadata,
]: readonly unknown[]): TensorRef {
  const [storage, start] = placeOf(saved);
  if (storage.dtype === 'untyped') throw new RuleError('expected a storage of one dtype');
  checkPart(saved, offset, size, stride);
  return tensorOf(
    storage,
    storage.dtype,
    shifted(offset, start),
    size,
    stride,
    traitsOf(requiresGrad, hooks, metadata),
  );
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
  const name = dtypeOf(dtype);
  if (storage.dtype !== 'untyped' && storage.dtype !== name) {
    throw new RuleError(`a ${dtype} tensor can’t view a storage of ${storage.dtype}`);
  }
  // Bytes that are no booleans would have to be looked for in all of the storage; PyTorch has another class for them.
  if (storage.dtype === 'untyped' && name === 'bool') throw new RuleError('a bool tensor can’t view untyped bytes');
  return tensorOf(storage, name, offset, size, stride, traitsOf(requiresGrad, hooks, metadata));
}

/** `_rebuild_parameter(data, requires_grad, backward_hooks)`, and the class itself, `Parameter(data, requires_grad=True)`. */
export function rebuildParameter([data, requiresGrad = true, hooks]: readonly unknown[]): AnyTensorRef {
  return withTraits(data, traitsOf(requiresGrad, hooks, undefined).requiresGrad, true);
}

/** `Variable(data)`, of PyTorch before 0.4: today a tensor. */
export const rebuildVariable = ([data, requiresGrad = false]: readonly unknown[]): AnyTensorRef =>
  withTraits(data, requiresGrad === true, false);

/** As it is in a state dict: a value, neither a parameter nor a leaf of a graph. */
export const asValue = (ref: AnyTensorRef): AnyTensorRef =>
  ref.traits.parameter || ref.traits.requiresGrad ? withTraits(ref, false, false) : ref;

function withTraits(data: unknown, requiresGrad: boolean, parameter: boolean): AnyTensorRef {
  if (data instanceof TensorRef) {
    const traits = { ...data.traits, requiresGrad, parameter };
    return tensorOf(data.storage, data.dtype, data.offset, data.size, data.stride, traits);
  }
  if (data instanceof SparseRef) {
    checkGradient(data.values.dtype, requiresGrad);
    return new SparseRef(data.layout, data.indices, data.values, data.size, data.coalesced, {
      requiresGrad,
      parameter,
    });
  }
  if (data instanceof MetaRef) {
    checkGradient(data.dtype, requiresGrad);
    return new MetaRef(data.dtype, data.size, data.stride, { requiresGrad, parameter });
  }
  if (data instanceof NestedRef) {
    checkGradient(data.buffer.dtype, requiresGrad);
    return new NestedRef(data.buffer, data.sizes, data.strides, data.offsets, { requiresGrad, parameter });
  }
  throw new RuleError('expected a tensor');
}

/** `_rebuild_device_tensor_from_numpy(data, dtype, device, requires_grad)`, and the same `_from_cpu_tensor`. */
export function rebuildDeviceTensor([data, dtype, , requiresGrad]: readonly unknown[]): TensorRef {
  if (!(data instanceof TensorRef)) throw new RuleError('expected a tensor or a NumPy array');
  if (typeof requiresGrad !== 'boolean') throw new RuleError('expected a boolean for requires_grad');
  const name = dtypeOf(dtype);
  checkGradient(name, requiresGrad);
  const made = tensorOf(data.storage, data.dtype, data.offset, data.size, data.stride, data.traits);
  return new TensorRef(made.storage, made.dtype, made.offset, made.size, made.stride, {
    ...made.traits,
    requiresGrad,
    ...(name === made.dtype ? {} : { cast: name }),
  });
}

/** `_rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad)` */
export function rebuildMetaTensor([dtype, size, stride, requiresGrad]: readonly unknown[]): MetaRef {
  if (typeof requiresGrad !== 'boolean') throw new RuleError('expected a boolean for requires_grad');
  const name = dtypeOf(dtype);
  checkGradient(name, requiresGrad);
  const window = windowOf(name, 0, size, stride);
  return new MetaRef(name, window.size, window.stride, { requiresGrad, parameter: false });
}

/** `torch.FloatTensor()`: what it is comes with BUILD. */
export const emptyTensorOf = (dtype: SavedDType): TensorRef =>
  new TensorRef(
    new StorageRef('of an empty tensor', dtype, 'cpu', 0, new Uint8Array(0)),
    dtype,
    0,
    [0],
    [1],
    plainTraits,
  );

/**
 * The state that old files give a tensor by BUILD: `(storage, offset, size, stride)` to a tensor, `(requires_grad, volatile,
 * backward_hooks)` or `(data, grad, backward_hooks, requires_grad, volatile)` to a Variable or Parameter.
 */
export function setTensor(target: TensorRef, state: unknown): void {
  if (target instanceof NumpyArray) {
    setNumpyArray(target, state);
    return;
  }
  if (!isTuple(state)) throw new RuleError('expected the state of a tensor');
  if (state.length === 4) {
    const made = rebuildPlainTensor(state);
    target.become(tensorOf(made.storage, made.dtype, made.offset, made.size, made.stride, target.traits));
  } else if (state.length === 3) {
    target.become(
      withTraits(target, traitsOf(state[0], state[2], undefined).requiresGrad, target.traits.parameter) as TensorRef,
    );
  } else if (state.length === 5 && state[0] instanceof TensorRef) {
    target.become(
      withTraits(state[0], traitsOf(state[3], state[2], undefined).requiresGrad, target.traits.parameter) as TensorRef,
    );
  } else {
    throw new RuleError('expected the state of a tensor');
  }
}

function dtypeOf(dtype: unknown): SavedDType {
  if (!(dtype instanceof TorchDType) || !isSavedDType(dtype.name)) throw new RuleError('expected a dtype');
  return dtype.name;
}

/** The memory, and where in it the part starts that the file calls a storage. */
function placeOf(saved: unknown): [StorageRef, start: number] {
  return saved instanceof StorageView ? [saved.root, saved.offset] : [storageOf(saved), 0];
}

export function storageOf(saved: unknown): StorageRef {
  if (saved instanceof StorageRef) return saved;
  throw new RuleError('expected a storage');
}

/** A tensor may not leave the part either. */
function checkPart(saved: unknown, offset: unknown, size: unknown, stride: unknown): void {
  if (!(saved instanceof StorageView)) return;
  const { root, numel } = saved;
  const part = new StorageRef(root.key, root.dtype, root.location, numel);
  tensorOf(part, root.dtype as SavedDType, offset, size, stride, plainTraits);
}

const shifted = (offset: unknown, start: number): unknown => (isCount(offset) ? offset + start : offset);

export function traitsOf(requiresGrad: unknown, hooks: unknown, metadata: unknown): TensorTraits {
  if (typeof requiresGrad !== 'boolean') throw new RuleError('expected a boolean for requires_grad');
  const noHooks = hooks === null || hooks === undefined || (types.isMap(hooks) && hooks.size === 0);
  if (!noHooks) throw new RuleError('expected no backward hooks');
  if (metadata !== null && metadata !== undefined && !types.isMap(metadata))
    throw new RuleError('expected a dict of metadata');
  const bits: ReadonlyMap<unknown, unknown> = metadata ?? new Map();
  for (const [name, bit] of bits) {
    if ((name !== 'conj' && name !== 'neg') || typeof bit !== 'boolean')
      throw new RuleError(`unknown metadata ${String(name)}`);
  }
  // One object for all ordinary tensors, of which a file may have a million.
  if (!requiresGrad && bits.size === 0) return plainTraits;
  return { requiresGrad, parameter: false, conjugated: bits.get('conj') === true, negated: bits.get('neg') === true };
}

export function tensorOf(
  storage: StorageRef,
  dtype: SavedDType,
  offset: unknown,
  size: unknown,
  stride: unknown,
  traits: TensorTraits,
): TensorRef {
  const window = windowOf(dtype, offset, size, stride);
  checkGradient(traits.cast ?? dtype, traits.requiresGrad);
  if (traits.conjugated && !dtype.startsWith('complex')) throw new RuleError(`a ${dtype} tensor can’t be conjugated`);
  if (window.needed > storage.nbytes) {
    throw new RuleError(
      `a tensor of size [${window.size}], stride [${window.stride}] and offset ${window.offset} reaches beyond the ${storage.nbytes} bytes of storage ${JSON.stringify(storage.key)}`,
    );
  }
  return new TensorRef(storage, dtype, window.offset, window.size, window.stride, traits);
}

/** Offset, size and stride, if they can be a tensor's, and the bytes of storage that they need. */
function windowOf(dtype: SavedDType, offset: unknown, size: unknown, stride: unknown) {
  if (!isCount(offset)) throw new RuleError('expected an offset of 0 or more');
  if (Array.isArray(size) && size.length > maxDimensions)
    throw new RuleError(`${size.length} dimensions; at most ${maxDimensions} are possible`);
  if (!areCounts(size) || !areCounts(stride) || size.length !== stride.length) {
    throw new RuleError('expected a size and a stride of equally many integers, 0 or more');
  }
  const count = size.reduce((product, length) => product * length, 1);
  // Of an empty tensor too: LibTorch counts its elements without looking for the 0 first.
  if (size.reduce((product, length) => product * Math.max(length, 1), 1) > Number.MAX_SAFE_INTEGER)
    throw new RuleError(`a tensor of size [${size}] is too large`);
  // Empty tensors view nothing, wherever they stand.
  const last = count === 0 ? -1 : size.reduce((sum, length, i) => sum + (length - 1) * (stride[i] as number), offset);
  return { offset, size, stride, needed: (last + 1) * itemSize(dtype) };
}

function checkGradient(dtype: SavedDType, requiresGrad: boolean): void {
  if (requiresGrad && !/^b?float|^complex/.test(dtype))
    throw new RuleError(`a ${dtype} tensor can’t require gradients`);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const areCounts = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length <= maxDimensions && value.every(isCount);
