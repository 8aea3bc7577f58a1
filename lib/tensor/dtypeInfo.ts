// What each dtype can hold (`torch.finfo`, `torch.iinfo`): range and grain. Numbers that come in are checked against it.

import { expected } from '../errors.js';
import type { DType } from './dtype.js';

/** Of a floating dtype. */
export interface FloatInfo {
  readonly dtype: DType;
  readonly bits: number;
  /** The distance from 1 to the next larger number. */
  readonly eps: number;
  readonly max: number;
  readonly min: number;
  /** The least positive number with all its digits. */
  readonly smallestNormal: number;
  /** The same, under its older name. */
  readonly tiny: number;
  /** The decimal digits that it keeps, as a power of ten. */
  readonly resolution: number;
}

/** Of an integer dtype. Bounds are numbers where they are safe integers, else bigints. */
export interface IntegerInfo {
  readonly dtype: DType;
  readonly bits: number;
  readonly max: number | bigint;
  readonly min: number | bigint;
}

type Float = readonly [bits: number, eps: number, max: number, smallestNormal: number, resolution: number];

const floats: Partial<Record<DType, Float>> = {
  float64: [64, 2 ** -52, Number.MAX_VALUE, 2 ** -1022, 1e-15],
  float32: [32, 2 ** -23, (2 - 2 ** -23) * 2 ** 127, 2 ** -126, 1e-6],
  float16: [16, 2 ** -10, 65504, 2 ** -14, 1e-3],
  bfloat16: [16, 2 ** -7, (2 - 2 ** -7) * 2 ** 127, 2 ** -126, 1e-2],
  float8_e5m2: [8, 2 ** -2, 57344, 2 ** -14, 1],
  float8_e4m3fn: [8, 2 ** -3, 448, 2 ** -6, 1],
  float8_e5m2fnuz: [8, 2 ** -3, 57344, 2 ** -15, 1],
  float8_e4m3fnuz: [8, 2 ** -3, 240, 2 ** -7, 1],
  float8_e8m0fnu: [8, 1, 2 ** 127, 2 ** -127, 1], // positive powers of two alone
};

/** The dtype of a complex number's parts. */
const parts: Partial<Record<DType, DType>> = { complex32: 'float16', complex64: 'float32', complex128: 'float64' };

/**
 * Range and grain of a floating dtype, or of a complex one's parts (`torch.finfo`).
 * @throws ERR_DTYPE for another
 * @example torch.finfo('float32').eps; // 1.1920928955078125e-7
 */
export function finfo(dtype: DType = 'float32'): FloatInfo {
  const part = parts[dtype] ?? dtype;
  const found = floats[part];
  if (found === undefined) throw expected('a floating dtype (integers have torch.iinfo)', 'dtype', dtype, 'ERR_DTYPE');
  const [bits, eps, max, tiny, resolution] = found;
  const min = part === 'float8_e8m0fnu' ? tiny : -max;
  return { dtype: part, bits, eps, max, min, smallestNormal: tiny, tiny, resolution };
}

const integer = /^(u?)int(8|16|32|64)$/;

/** Bounds of an integer dtype; undefined for another. */
export function integerBounds(dtype: DType): { min: bigint; max: bigint; signed: boolean; bits: number } | undefined {
  const found = integer.exec(dtype);
  if (found === null) return undefined;
  const bits = Number(found[2]);
  const signed = found[1] === '';
  const half = 2n ** BigInt(bits - 1);
  return signed ? { min: -half, max: half - 1n, signed, bits } : { min: 0n, max: 2n * half - 1n, signed, bits };
}

/**
 * Range of an integer dtype (`torch.iinfo`).
 * @throws ERR_DTYPE for another
 * @example torch.iinfo('int8').max; // 127
 */
export function iinfo(dtype: DType): IntegerInfo {
  const bounds = integerBounds(dtype);
  if (bounds === undefined)
    throw expected('an integer dtype (floating ones have torch.finfo)', 'dtype', dtype, 'ERR_DTYPE');
  const plain = (bound: bigint) => (BigInt.asIntN(54, bound) === bound ? Number(bound) : bound);
  return { dtype, bits: bounds.bits, max: plain(bounds.max), min: plain(bounds.min) };
}
