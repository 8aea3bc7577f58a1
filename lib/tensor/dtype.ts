// Data types, devices and layouts: literal strings, spelt as PyTorch spells them.

export const dtypes = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'uint8',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint16',
  'uint32',
  'uint64',
  'bool',
  'complex32',
  'complex64',
  'complex128',
  'float8_e5m2',
  'float8_e4m3fn',
  'float8_e5m2fnuz',
  'float8_e4m3fnuz',
  'float8_e8m0fnu',
  'qint8',
  'quint8',
  'qint32',
] as const;

export type DType = (typeof dtypes)[number];

const known: ReadonlySet<string> = new Set(dtypes);
export const isDType = (value: unknown): value is DType => typeof value === 'string' && known.has(value);

export const isFloating = (dtype: DType): boolean => dtype.startsWith('float') || dtype === 'bfloat16';

/** `'cpu'`, `'cuda'`, `'cuda:1'`, `'mps'`, `'meta'` … */
export type Device = 'cpu' | 'cuda' | 'mps' | 'xpu' | 'meta' | `${'cpu' | 'cuda' | 'mps' | 'xpu'}:${number}`;

export type Layout = 'strided' | 'sparse_coo' | 'sparse_csr' | 'sparse_csc' | 'sparse_bsr' | 'sparse_bsc';
export type MemoryFormat = 'contiguous_format' | 'preserve_format' | 'channels_last' | 'channels_last_3d';

export type Complex = { re: number; im: number };
export type Scalar = number | bigint | boolean | Complex;

/** A flat, row-major array of a tensor's elements; see `Tensor.toArray` for which dtype gives which. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const kindOfArray = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)
  ?.get as () => string | undefined;

/** `'Float32Array'` and the like for a TypedArray, of whatever realm; undefined for anything else. */
export const typedArrayName = (value: unknown): string | undefined => kindOfArray.call(value);
