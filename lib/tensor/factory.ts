// Tensors from JavaScript's data: nested arrays, TypedArrays and raw bytes.

import { types } from 'node:util';
import { describe, expected, IsotorchError } from '../errors.js';
import { native } from '../native.js';
import { type Device, type DType, dtypes, isDType, type TypedArray } from './dtype.js';
import { type NestedArray, Tensor } from './tensor.js';

export interface TensorOptions {
  /** By default what the data says: see `tensor`. */
  dtype?: DType;
  /** Default `'cpu'`. */
  device?: Device;
  /** Default false. */
  requiresGrad?: boolean;
}

const dtypeOf = (array: TypedArray): DType => {
  if (types.isFloat32Array(array)) return 'float32';
  if (types.isFloat64Array(array)) return 'float64';
  if (types.isInt8Array(array)) return 'int8';
  if (types.isUint8Array(array) || types.isUint8ClampedArray(array)) return 'uint8';
  if (types.isInt16Array(array)) return 'int16';
  if (types.isUint16Array(array)) return 'uint16';
  if (types.isInt32Array(array)) return 'int32';
  if (types.isUint32Array(array)) return 'uint32';
  return types.isBigInt64Array(array) ? 'int64' : 'uint64';
};

const isTypedArray = (value: unknown): value is TypedArray => ArrayBuffer.isView(value) && !types.isDataView(value);

/** Values in row-major order and the shape; refuses ragged arrays and values that are no numbers. */
function flatten(data: NestedArray<number | bigint | boolean>): {
  values: (number | bigint | boolean)[];
  shape: number[];
} {
  const shape: number[] = [];
  for (let level: unknown = data; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  const values: (number | bigint | boolean)[] = [];
  const walk = (value: unknown, dimension: number): void => {
    if (dimension < shape.length) {
      if (!Array.isArray(value) || value.length !== shape[dimension]) {
        throw new IsotorchError(
          'ERR_SHAPE',
          `Expected nested arrays of equal lengths, ${shape[dimension]} at depth ${dimension + 1}, but received ${describe(value)}`,
        );
      }
      for (const item of value) walk(item, dimension + 1);
    } else if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
      values.push(value);
    } else {
      throw expected(
        'numbers, bigints or booleans',
        'data',
        value,
        Array.isArray(value) ? 'ERR_SHAPE' : 'ERR_ARGUMENT',
      );
    }
  };
  walk(data, 0);
  return { values, shape };
}

/** PyTorch's inference: all booleans → bool, all integers → int64, otherwise float32. */
function infer(values: readonly (number | bigint | boolean)[]): DType {
  if (values.length === 0) return 'float32';
  if (values.every((value) => typeof value === 'boolean')) return 'bool';
  const whole = (value: unknown) => typeof value !== 'number' || (Number.isSafeInteger(value) && !Object.is(value, -0));
  return values.every(whole) ? 'int64' : 'float32';
}

const wide = (dtype: DType) => dtype === 'int64' || dtype === 'uint64';

function carry(values: readonly (number | bigint | boolean)[], dtype: DType): { array: TypedArray; carrier: DType } {
  if (wide(dtype)) {
    const big = values.map((value) => {
      if (typeof value === 'number' && !Number.isInteger(value))
        throw expected('integers', `data of dtype ${dtype}`, value, 'ERR_DTYPE');
      return BigInt(value);
    });
    const limited = dtype === 'int64' ? BigInt64Array.from(big) : BigUint64Array.from(big);
    const lost = big.findIndex((value, i) => limited[i] !== value);
    if (lost >= 0) throw expected(`integers that fit ${dtype}`, 'data', big[lost], 'ERR_DTYPE');
    return { array: limited, carrier: dtype };
  }
  // float64 holds every other dtype's values; LibTorch converts.
  return { array: Float64Array.from(values, Number), carrier: 'float64' };
}

function finish(handle: number, { dtype, device, requiresGrad }: TensorOptions): Tensor {
  let tensor = new Tensor(handle);
  if ((dtype !== undefined && dtype !== tensor.dtype) || (device !== undefined && device !== 'cpu')) {
    const made = tensor;
    tensor = made.to({ ...(dtype === undefined ? {} : { dtype }), ...(device === undefined ? {} : { device }) });
    if (tensor !== made) made.dispose();
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
 * A tensor with a copy of `data` (`torch.tensor`). Booleans give bool, integers int64, other numbers float32, a
 * TypedArray its own dtype; `dtype` overrules.
 *
 * @throws ERR_SHAPE for ragged arrays; ERR_DTYPE for values that `dtype` can't hold.
 * @example torch.tensor([[1, 2.5], [3, 4]]); torch.tensor(new Float32Array(6)).view([2, 3]);
 */
export function tensor(data: NestedArray<number | bigint | boolean> | TypedArray, options: TensorOptions = {}): Tensor {
  checkOptions(options);
  if (isTypedArray(data)) return finish(native.fromTypedArray(data, dtypeOf(data), [data.length]), options);
  const { values, shape } = flatten(data);
  const { dtype = infer(values) } = options;
  const { array, carrier } = carry(values, dtype);
  return finish(native.fromTypedArray(array, carrier, shape), { ...options, dtype });
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
  checkOptions(options);
  if (!ArrayBuffer.isView(bytes)) throw expected('a TypedArray or Buffer', 'bytes', bytes);
  const { dtype, device, shape } = options;
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
