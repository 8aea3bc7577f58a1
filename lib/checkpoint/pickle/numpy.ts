// NumPy's scalars and arrays, which many checkpoints hold beside tensors: a best accuracy, the state of a random generator.
// Only dtypes of numbers and booleans: a scalar becomes a number, bigint, boolean or Complex, an array a tensor whose bytes are
// in the pickle. What the pickles hold is in NumPy's `arraydescr_reduce`, `gentype_reduce` and `array_reduce`.

import { types } from 'node:util';
import { itemSize, type SavedDType, swapBytes } from '../dtypes.js';
import { numpyDTypes } from '../numpy/dtypes.js';
import { encodeText, narrow } from './text.js';
import { Complex, isTuple, plainTraits, RuleError, StorageRef, TensorRef } from './values.js';

/** `numpy.dtype`, made in two steps: by its code, and by BUILD with its byte order. */
export class NumpyDType {
  bigEndian = false;

  constructor(readonly dtype: SavedDType) {}
}

/** `numpy.dtype('f8', False, True)` */
export function numpyDType([code]: readonly unknown[]): NumpyDType {
  const match = typeof code === 'string' ? /^([<>=|]?)(.*)$/s.exec(code) : null;
  const name = match?.[2] as string;
  if (match === null || !Object.hasOwn(numpyDTypes, name)) {
    const shown = typeof code === 'string' ? ` ${JSON.stringify(code.slice(0, 20))}` : '';
    throw new RuleError(`NumPy’s dtype${shown} can’t be read: only numbers of up to 64 bits a part and booleans can`);
  }
  const made = new NumpyDType(numpyDTypes[name] as SavedDType);
  made.bigEndian = match[1] === '>';
  return made;
}

/** `(version, byte order, subarray, names, fields, …)` */
export function setNumpyDType(target: NumpyDType, state: unknown): void {
  if (!isTuple(state) || typeof state[1] !== 'string' || state[1].length !== 1)
    throw new RuleError('expected the state of a NumPy dtype');
  if (state.slice(2, 5).some((part) => part !== null)) throw new RuleError('structured NumPy dtypes can’t be read');
  target.bigEndian = state[1] === '>';
}

/** An array before and after BUILD. */
export class NumpyArray extends TensorRef {}

/** `_reconstruct(numpy.ndarray, (0,), b'b')`: an array that BUILD will fill. */
export const emptyNumpyArray = (): NumpyArray =>
  new NumpyArray(content(new Uint8Array(0), 'uint8'), 'uint8', 0, [0], [1], plainTraits);

/** `(version, shape, dtype, is_fortran, bytes)`, in old files without the version. */
export function setNumpyArray(target: NumpyArray, state: unknown): void {
  if (!isTuple(state)) throw new RuleError('expected the state of a NumPy array');
  const [shape, dtype, fortran, bytes] = state.slice(-4);
  if (state.length < 4 || state.length > 5 || typeof fortran !== 'boolean')
    throw new RuleError('expected the state of a NumPy array');
  target.become(numpyArray(bytes, dtype, shape, fortran ? 'F' : 'C'));
}

/** `_frombuffer(bytes, dtype, shape, order, axis_order=None)`, which protocol 5 has. */
export function numpyFromBuffer([bytes, dtype, shape, order, axes]: readonly unknown[]): NumpyArray {
  if (order !== 'C' && order !== 'F' && order !== 'K') throw new RuleError('expected an order of C, F or K');
  const array = numpyArray(bytes, dtype, shape, order === 'F' ? 'F' : 'C');
  if (order !== 'K' || axes === null || axes === undefined) return array;
  const rank = array.size.length;
  if (
    !isTuple(axes) ||
    axes.length !== rank ||
    new Set(axes).size !== rank ||
    !axes.every((axis) => isLength(axis) && axis < rank)
  )
    throw new RuleError('expected an order of the axes');
  const pick = (values: readonly number[]) => axes.map((axis) => values[axis as number] as number);
  return new NumpyArray(array.storage, array.dtype, 0, pick(array.size), pick(array.stride), plainTraits);
}

function numpyArray(bytes: unknown, dtype: unknown, shape: unknown, order: 'C' | 'F'): NumpyArray {
  if (!isTuple(shape) || shape.length > 64 || !shape.every(isLength))
    throw new RuleError('expected the shape of a NumPy array');
  const { data, name } = littleEndian(bytes, dtype);
  const extent = shape.reduce((product, length) => product * Math.max(length, 1), 1);
  if (!Number.isSafeInteger(extent)) throw new RuleError(`a NumPy array of shape [${shape}] is too large`);
  const count = shape.includes(0) ? 0 : extent;
  if (data.length !== count * itemSize(name))
    throw new RuleError(`a NumPy array of shape [${shape}] and dtype ${name} can’t have ${data.length} bytes`);
  const stride = new Array<number>(shape.length).fill(1);
  let step = 1;
  for (let i = 0; i < shape.length; i++) {
    const at = order === 'F' ? i : shape.length - 1 - i;
    stride[at] = step;
    step *= Math.max(1, shape[at] as number);
  }
  return new NumpyArray(content(data, name), name, 0, shape, stride, plainTraits);
}

/** `scalar(dtype, bytes)` */
export function numpyScalar([dtype, bytes]: readonly unknown[]): unknown {
  const { data, name } = littleEndian(bytes, dtype);
  const size = itemSize(name);
  if (data.length !== size) throw new RuleError(`a NumPy scalar of dtype ${name} can’t have ${data.length} bytes`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (name) {
    case 'bool':
      return view.getUint8(0) !== 0;
    case 'int64':
      return narrow(view.getBigInt64(0, true));
    case 'uint64':
      return narrow(view.getBigUint64(0, true));
    case 'int8':
      return view.getInt8(0);
    case 'uint8':
      return view.getUint8(0);
    case 'int16':
      return view.getInt16(0, true);
    case 'uint16':
      return view.getUint16(0, true);
    case 'int32':
      return view.getInt32(0, true);
    case 'uint32':
      return view.getUint32(0, true);
    case 'float16':
      return halfToNumber(view.getUint16(0, true));
    case 'float32':
      return view.getFloat32(0, true);
    case 'float64':
      return view.getFloat64(0, true);
    case 'complex64':
      return new Complex(view.getFloat32(0, true), view.getFloat32(4, true));
    default:
      return new Complex(view.getFloat64(0, true), view.getFloat64(8, true));
  }
}

function littleEndian(bytes: unknown, dtype: unknown): { data: Uint8Array; name: SavedDType } {
  if (!(dtype instanceof NumpyDType)) throw new RuleError('expected a NumPy dtype');
  // Python 2 had no bytes; its strings are taken for text where they are UTF-8.
  const data = typeof bytes === 'string' ? encodeText(bytes) : bytes;
  if (!types.isUint8Array(data)) throw new RuleError('expected the bytes of a NumPy value');
  if (!dtype.bigEndian) return { data, name: dtype.dtype };
  if (data.length % itemSize(dtype.dtype) !== 0) throw new RuleError('a NumPy value has a part of an item');
  const copy = Uint8Array.from(data);
  swapBytes(copy, dtype.dtype);
  return { data: copy, name: dtype.dtype };
}

const content = (data: Uint8Array, dtype: SavedDType): StorageRef =>
  new StorageRef('of a NumPy array', dtype, 'cpu', data.length / itemSize(dtype), data);

const isLength = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function halfToNumber(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
