// JavaScript's numbers in a TypedArray that carries them to LibTorch: in their dtype where an array has it, with the
// conversions and the refusals of `torch.tensor`.

import { IsotorchError } from '../errors.js';
import type { DType, Scalar, TypedArray } from './dtype.js';
import { integerBounds } from './dtypeInfo.js';

/** Whether every integer of `from` is one of `to`, so that LibTorch may convert them; true where `to` has no bounds. */
export function integersFit(from: DType, to: DType): boolean {
  const into = integerBounds(to);
  if (from === to || into === undefined) return true;
  const bounds = integerBounds(from);
  return bounds !== undefined && bounds.min >= into.min && bounds.max <= into.max;
}

const overflow = (value: Scalar, dtype: DType, why = 'without overflow'): IsotorchError => {
  const shown = typeof value === 'object' ? `{ re: ${value.re}, im: ${value.im} }` : String(value);
  return new IsotorchError(
    'ERR_DTYPE',
    `Expected numbers that fit ${dtype} for data but received ${shown}: it cannot be converted to type ${dtype} ${why}`,
  );
};

/**
 * What a number becomes in an integer dtype of at most 32 bits. Fractions are cut off, and in unsigned dtypes an integer
 * down to −max counts from the top, as in PyTorch.
 */
function integerOf(dtype: DType): (value: Scalar) => number {
  const { min, max, signed } = integerBounds(dtype) as NonNullable<ReturnType<typeof integerBounds>>;
  const most = Number(max);
  const least = signed ? Number(min) : -most;
  return (value) => {
    if (typeof value === 'object') throw overflow(value, dtype, 'without losing its imaginary part');
    const number = Number(value);
    // A fraction below zero is none of an unsigned dtype's; what fits is cut to its bits by the array.
    const fits = number >= (Number.isInteger(number) ? least : signed ? Number(min) : 0) && number <= most;
    if (!fits) throw overflow(value, dtype);
    return Math.trunc(number);
  };
}

/** Fractions are refused, where PyTorch's int64 cuts them off: they are no labels and no indices. */
function wideIntegerOf(dtype: 'int64' | 'uint64'): (value: Scalar) => bigint {
  const { min, max } = integerBounds(dtype) as NonNullable<ReturnType<typeof integerBounds>>;
  return (value) => {
    if (typeof value === 'object') throw overflow(value, dtype, 'without losing its imaginary part');
    if (typeof value === 'number' && !Number.isInteger(value))
      throw overflow(value, dtype, Number.isFinite(value) ? 'because it is no integer' : undefined);
    const integer = BigInt(value);
    if (integer < min || integer > max) throw overflow(value, dtype);
    return integer;
  };
}

function realOf(dtype: DType): (value: Scalar) => number {
  return (value) => {
    if (typeof value === 'object') throw overflow(value, dtype, 'without losing its imaginary part');
    return Number(value);
  };
}

const integerArrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
} as const;

/**
 * `count` numbers in an array, and the dtype that it holds: `dtype`, or one that LibTorch converts to it without loss.
 * @param forEach calls its argument with each of them
 * @throws ERR_DTYPE for a number that `dtype` can't hold
 */
export function carry(
  dtype: DType,
  count: number,
  forEach: (each: (value: Scalar) => void) => void,
): { array: TypedArray; dtype: DType } {
  // Writes beyond the end are lost, should `forEach` tell of more numbers than there were.
  let at = 0;
  const fill = <T>(array: TypedArray, convert: (value: Scalar) => T, as: DType = dtype) => {
    const places = array as unknown as T[];
    forEach((value) => {
      places[at++] = convert(value);
    });
    return { array, dtype: as };
  };
  if (dtype === 'int64') return fill(new BigInt64Array(count), wideIntegerOf(dtype));
  if (dtype === 'uint64') return fill(new BigUint64Array(count), wideIntegerOf(dtype));
  if (dtype in integerArrays) {
    const made = new integerArrays[dtype as keyof typeof integerArrays](count);
    return fill(made, integerOf(dtype));
  }
  if (dtype === 'bool') return fill(new Uint8Array(count), (value) => (realOf(dtype)(value) === 0 ? 0 : 1));
  if (dtype === 'float32') return fill(new Float32Array(count), realOf(dtype));
  if (!dtype.startsWith('complex')) return fill(new Float64Array(count), realOf(dtype), 'float64');
  const pairs = new Float64Array(2 * count);
  forEach((value) => {
    pairs[at++] = typeof value === 'object' ? value.re : Number(value);
    pairs[at++] = typeof value === 'object' ? value.im : 0;
  });
  return { array: pairs, dtype: 'complex128' };
}
