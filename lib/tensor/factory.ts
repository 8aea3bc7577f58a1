// Tensors from JavaScript's data: nested arrays, TypedArrays and raw bytes.

import { describe, expected, IsotorchError } from '../errors.js';
import { native } from '../native.js';
import { carry, integersFit } from './carry.js';
import { type Device, type DType, dtypes, isDType, type Scalar, type TypedArray, typedArrayName } from './dtype.js';
import { type NestedArray, Tensor } from './tensor.js';

export interface TensorOptions {
  /** By default what the data says: see `tensor`. */
  dtype?: DType;
  /** Default `'cpu'`. */
  device?: Device;
  /** Default false. */
  requiresGrad?: boolean;
}

/** The dtype of what a TypedArray holds, by the name of its kind, which is the same in every realm. */
const dtypeOfKind: Record<string, DType> = {
  Float16Array: 'float16',
  Float32Array: 'float32',
  Float64Array: 'float64',
  Int8Array: 'int8',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8',
  Int16Array: 'int16',
  Uint16Array: 'uint16',
  Int32Array: 'int32',
  Uint32Array: 'uint32',
  BigInt64Array: 'int64',
  BigUint64Array: 'uint64',
};

const isComplex = (value: unknown): value is { re: number; im: number } =>
  typeof value === 'object' && value !== null && 're' in value && 'im' in value;

/** LibTorch's kernels take no more. */
const mostDimensions = 64;
/** In nested arrays, each of whose numbers JavaScript visits. */
const mostNumbers = 2 ** 28;

function shapeOf(data: unknown): number[] {
  const shape: number[] = [];
  for (let level = data; Array.isArray(level); level = level[0]) {
    if (shape.length === mostDimensions)
      throw new IsotorchError(
        'ERR_SHAPE',
        `Too many dimensions: expected arrays nested at most ${mostDimensions} deep for data. Does one hold itself?`,
      );
    shape.push(level.length);
    if (level.length === 0) break;
  }
  if (shape.reduce((all, size) => all * size, 1) > mostNumbers)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected at most ${mostNumbers} numbers in nested arrays but received the shape [${shape}]; use a TypedArray`,
    );
  return shape;
}

/** Calls `each` with the numbers in row-major order. @throws ERR_SHAPE for ragged arrays, ERR_ARGUMENT for what is no number */
function forEachNumber(data: unknown, shape: readonly number[], each: (value: Scalar) => void): void {
  const walk = (value: unknown, dimension: number): void => {
    if (dimension < shape.length) {
      const size = shape[dimension] as number;
      if (!Array.isArray(value) || value.length !== size)
        throw new IsotorchError(
          'ERR_SHAPE',
          `Expected nested arrays of equal lengths, ${size} at depth ${dimension + 1}, but received ${describe(value)}`,
        );
      for (let i = 0; i < size; i++) walk(value[i], dimension + 1);
    } else if (
      typeof value === 'number' ||
      typeof value === 'boolean' ||
      typeof value === 'bigint' ||
      isComplex(value)
    ) {
      each(value);
    } else {
      const code = Array.isArray(value) ? 'ERR_SHAPE' : 'ERR_ARGUMENT';
      throw expected('numbers, bigints, booleans or { re, im }', 'data', value, code);
    }
  };
  walk(data, 0);
}

/** PyTorch's inference: all booleans → bool, all integers → int64, a complex number → complex64, otherwise float32. */
function infer(data: unknown, shape: readonly number[]): DType {
  const ranks = ['bool', 'int64', 'float32', 'complex64'] as const;
  let rank = -1;
  forEachNumber(data, shape, (value) => {
    if (typeof value === 'boolean') rank = Math.max(rank, 0);
    else if (typeof value === 'object') rank = 3;
    else if (typeof value === 'bigint' || (Number.isSafeInteger(value) && !Object.is(value, -0)))
      rank = Math.max(rank, 1);
    else rank = Math.max(rank, 2);
  });
  return ranks[rank] ?? 'float32';
}

function finish(handle: number, { dtype, device, requiresGrad }: TensorOptions): Tensor {
  let tensor = new Tensor(handle);
  if ((dtype !== undefined && dtype !== tensor.dtype) || (device !== undefined && device !== 'cpu')) {
    const made = tensor;
    try {
      tensor = made.to({ ...(dtype === undefined ? {} : { dtype }), ...(device === undefined ? {} : { device }) });
    } finally {
      if (tensor !== made) made.dispose();
    }
  }
  if (requiresGrad) tensor.requiresGrad = true;
  return tensor;
}

function checkOptions({ dtype, requiresGrad }: TensorOptions): void {
  if (dtype !== undefined && !isDType(dtype))
    throw expected(`one of ${dtypes.slice(0, 12).join(', ')} …`, 'dtype', dtype, 'ERR_DTYPE');
  if (requiresGrad !== undefined && typeof requiresGrad !== 'boolean')
    throw expected('a boolean', 'requiresGrad', requiresGrad);
}

/**
 * A tensor with a copy of `data` (`torch.tensor`). Booleans give bool, integers int64, other numbers float32, `{ re, im }`
 * complex64, a TypedArray its own dtype; `dtype` overrules. Integer dtypes take what PyTorch's take: fractions are cut off
 * (those of 64 bits refuse them), and of unsigned ones −1 is the largest (uint64 refuses it).
 *
 * @throws ERR_SHAPE for ragged arrays and those of more than 64 dimensions; ERR_DTYPE for numbers that `dtype` can't hold.
 * @example torch.tensor([[1, 2.5], [3, 4]]); torch.tensor(new Float32Array(6)).view([2, 3]);
 */
export function tensor(data: NestedArray<Scalar> | TypedArray, options: TensorOptions = {}): Tensor {
  const { dtype: wanted, device, requiresGrad } = options;
  const target = { dtype: wanted, device, requiresGrad } as TensorOptions;
  checkOptions(target);
  const kind = typedArrayName(data);
  if (kind !== undefined) {
    const array = data as TypedArray;
    const own = dtypeOfKind[kind] as DType;
    const shape = [array.length];
    if (wanted === undefined || integersFit(own, wanted))
      return finish(native.fromTypedArray(array, own, shape), target);
    const carried = carry(wanted, array.length, (each) => array.forEach(each));
    return finish(native.fromTypedArray(carried.array, carried.dtype, shape), target);
  }
  const shape = shapeOf(data);
  const dtype = wanted ?? infer(data, shape);
  const count = shape.reduce((all, size) => all * size, 1);
  const carried = carry(dtype, count, (each) => forEachNumber(data, shape, each));
  return finish(native.fromTypedArray(carried.array, carried.dtype, shape), { ...target, dtype });
}

/**
 * A tensor from raw little-endian bytes of any dtype (`torch.frombuffer`, but it copies).
 * @param options.shape by default one dimension.
 * @throws ERR_SHAPE if the bytes are not exactly those of the shape.
 */
export function fromBuffer(
  bytes: ArrayBufferView,
  options: { dtype: DType; shape?: readonly number[]; device?: Device },
): Tensor {
  // Before the bytes are looked at: reading options may run code of the caller's.
  const { dtype, device, shape } = options;
  if (!isDType(dtype)) throw expected(`one of ${dtypes.slice(0, 12).join(', ')} …`, 'dtype', dtype, 'ERR_DTYPE');
  if (!ArrayBuffer.isView(bytes)) throw expected('a TypedArray or Buffer', 'bytes', bytes);
  // A view of a detached buffer has no bytes, but no view can be made of it either.
  const view =
    bytes.byteLength === 0 ? new Uint8Array() : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = itemSizes[dtype] ?? 1;
  if (shape === undefined && view.length % size !== 0) {
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected whole elements of ${dtype} (${size} bytes each) but received ${view.length} bytes`,
    );
  }
  return finish(
    native.fromTypedArray(view, dtype, shape ?? [view.length / size]),
    device === undefined ? {} : { device },
  );
}

/** Bytes of one element, where it is not 1. */
const itemSizes: Partial<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  complex32: 4,
  complex64: 8,
  complex128: 16,
};
