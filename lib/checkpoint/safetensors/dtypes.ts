// Element types as safetensors names them, from its format specification and its Rust package (0.8): the name, the bits of
// one element, and the package's order, by which files are sorted.

import type { DType } from '../../tensor/dtype.js';

/** Ascending, as in the package: by alignment, then by the time they were added. */
const table = [
  { name: 'BOOL', bits: 8, dtype: 'bool' },
  { name: 'F4', bits: 4 },
  { name: 'F6_E2M3', bits: 6 },
  { name: 'F6_E3M2', bits: 6 },
  { name: 'U8', bits: 8, dtype: 'uint8' },
  { name: 'I8', bits: 8, dtype: 'int8' },
  { name: 'F8_E5M2', bits: 8, dtype: 'float8_e5m2' },
  { name: 'F8_E4M3', bits: 8, dtype: 'float8_e4m3fn' },
  { name: 'F8_E8M0', bits: 8, dtype: 'float8_e8m0fnu' },
  { name: 'F8_E4M3FNUZ', bits: 8, dtype: 'float8_e4m3fnuz' },
  { name: 'F8_E5M2FNUZ', bits: 8, dtype: 'float8_e5m2fnuz' },
  { name: 'I16', bits: 16, dtype: 'int16' },
  { name: 'U16', bits: 16, dtype: 'uint16' },
  { name: 'F16', bits: 16, dtype: 'float16' },
  { name: 'BF16', bits: 16, dtype: 'bfloat16' },
  { name: 'I32', bits: 32, dtype: 'int32' },
  { name: 'U32', bits: 32, dtype: 'uint32' },
  { name: 'F32', bits: 32, dtype: 'float32' },
  { name: 'C64', bits: 64, dtype: 'complex64' },
  { name: 'F64', bits: 64, dtype: 'float64' },
  { name: 'I64', bits: 64, dtype: 'int64' },
  { name: 'U64', bits: 64, dtype: 'uint64' },
] as const satisfies readonly { name: string; bits: number; dtype?: DType }[];

export type StoredDType = (typeof table)[number]['name'];

export interface Stored {
  readonly name: StoredDType;
  /** Of one element. */
  readonly bits: number;
  /** Undefined for the packed ones below a byte, for which isotorch has no dtype. */
  readonly dtype?: DType;
}

const byName: ReadonlyMap<string, Stored> = new Map(table.map((stored) => [stored.name, stored]));
const byDType: ReadonlyMap<string, { stored: Stored; rank: number }> = new Map(
  table.flatMap((stored, rank) => ('dtype' in stored ? [[stored.dtype, { stored, rank }] as const] : [])),
);

export const storedNames: readonly StoredDType[] = table.map(({ name }) => name);
export const storedByName = (name: string): Stored | undefined => byName.get(name);

/** How a file holds `dtype`, and its place in the order; undefined if safetensors can't (complex128, quantised …). */
export const storedFor = (dtype: DType): { stored: Stored; rank: number } | undefined => byDType.get(dtype);
