// How PyTorch's files name element types. Until 2.0 each dtype had a storage class of its own, and files still say
// `torch.FloatStorage`; dtypes that came later (uint16, float8 …) are an UntypedStorage and a dtype beside it.

import type { DType } from '../tensor/dtype.js';

/** Dtypes with a storage class of their own, and its name in the module `torch`. */
export const storageClasses = {
  float64: 'DoubleStorage',
  float32: 'FloatStorage',
  float16: 'HalfStorage',
  bfloat16: 'BFloat16Storage',
  int64: 'LongStorage',
  int32: 'IntStorage',
  int16: 'ShortStorage',
  int8: 'CharStorage',
  uint8: 'ByteStorage',
  bool: 'BoolStorage',
  complex128: 'ComplexDoubleStorage',
  complex64: 'ComplexFloatStorage',
  qint8: 'QInt8Storage',
  quint8: 'QUInt8Storage',
  qint32: 'QInt32Storage',
} as const satisfies Partial<Record<DType, string>>;

/** Dtypes that files keep in an UntypedStorage. */
export const untypedDtypes = [
  'uint16',
  'uint32',
  'uint64',
  'complex32',
  'float8_e5m2',
  'float8_e4m3fn',
  'float8_e5m2fnuz',
  'float8_e4m3fnuz',
  'float8_e8m0fnu',
] as const satisfies readonly DType[];

export type SavedDType = keyof typeof storageClasses | (typeof untypedDtypes)[number];

const itemSizes: Record<SavedDType, number> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
  complex128: 16,
  complex64: 8,
  qint8: 1,
  quint8: 1,
  qint32: 4,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  complex32: 4,
  float8_e5m2: 1,
  float8_e4m3fn: 1,
  float8_e5m2fnuz: 1,
  float8_e4m3fnuz: 1,
  float8_e8m0fnu: 1,
};

export const isSavedDType = (dtype: DType): dtype is SavedDType => Object.hasOwn(itemSizes, dtype);

export const hasStorageClass = (dtype: SavedDType): dtype is keyof typeof storageClasses =>
  Object.hasOwn(storageClasses, dtype);

export const savedDTypes = Object.keys(itemSizes) as SavedDType[];

/** Bytes of one element. */
export const itemSize = (dtype: SavedDType): number => itemSizes[dtype];

/** What quantised numbers are in memory. */
const quantized = { qint8: 'int8', quint8: 'uint8', qint32: 'int32' } as const satisfies Partial<
  Record<SavedDType, SavedDType>
>;

export type QuantizedDType = keyof typeof quantized;
export const isQuantized = (dtype: SavedDType): dtype is QuantizedDType => Object.hasOwn(quantized, dtype);

/** The dtype whose numbers lie in memory: `int8` for `qint8`, all others themselves. */
export const memoryDType = (dtype: SavedDType): SavedDType => (isQuantized(dtype) ? quantized[dtype] : dtype);

/** Turns big-endian elements into little-endian ones, in place. Complex numbers are two numbers, each swapped. */
export function swapBytes(bytes: Uint8Array, dtype: SavedDType): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const unit = itemSizes[dtype] / (dtype.startsWith('complex') ? 2 : 1);
  if (unit === 2) view.swap16();
  else if (unit === 4) view.swap32();
  else if (unit === 8) view.swap64();
}
