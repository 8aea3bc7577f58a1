// A tensor's values as text: nested brackets, all numbers of one width and one notation, as PyTorch lays them out.

import type { NativeEdges } from '../../native.js';
import { exponential, fixed } from './numbers.js';
import type { PrintOptions } from './options.js';

type Value = number | bigint;

/** How one value is written, and how wide it comes out. */
interface Notation {
  width: number;
  write(value: Value): string;
}

function notation(values: ArrayLike<Value>, width: number, write: (value: Value) => string): Notation {
  let widest = width;
  for (let i = 0; i < values.length; i++) widest = Math.max(widest, write(values[i] as Value).length);
  return { width: widest, write: (value) => write(value).padStart(widest) };
}

/** Floating numbers: as integers with a point, with fixed digits, or in scientific notation, as they all together need it. */
function floatNotation(values: Float64Array, dtype: string, { precision, sciMode }: PrintOptions): Notation {
  // float8_e8m0fnu has no zero, PyTorch takes its least number for one, and its NaN for finite.
  const powers = dtype === 'float8_e8m0fnu';
  const zero = powers ? 2 ** -127 : 0;
  const counted = values.filter((value) => value !== zero && (powers || Number.isFinite(value)));
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const value of counted) {
    least = Math.min(least, Math.abs(value));
    most = Math.max(most, Math.abs(value));
  }
  if (counted.length > 0 && (sciMode ?? (most / least > 1000 || most > 1e8 || least < 1e-4)))
    return notation(counted, 1, (value) => exponential(value as number, precision));
  if (!counted.every(Number.isInteger)) return notation(counted, 1, (value) => fixed(value as number, precision));
  return notation(counted, 1, (value) => `${fixed(value as number, 0)}${Number.isFinite(value) ? '.' : ''}`);
}

function realNotation(values: NativeEdges['data'], dtype: string, options: PrintOptions): Notation {
  if (/float/.test(dtype)) return floatNotation(values as Float64Array, dtype, options);
  if (dtype === 'bool') return notation(values, 1, (value) => (value ? 'True' : 'False'));
  return notation(values, 1, String);
}

/** Element `i` as text, and the width that it takes in a line. */
function elementsOf({ data, complex }: NativeEdges, dtype: string, options: PrintOptions) {
  if (!complex) {
    const { width, write } = realNotation(data, dtype, options);
    return { width, text: (i: number) => write(data[i] as Value) };
  }
  const half = (offset: 0 | 1) => (data as Float64Array).filter((_, i) => i % 2 === offset);
  const real = floatNotation(half(0), dtype, options);
  const imaginary = floatNotation(half(1), dtype, options);
  const text = (i: number) => {
    const part = `${imaginary.write(data[2 * i + 1] as Value)}j`.trimStart();
    return `${real.write(data[2 * i] as Value)}${/^[+-]/.test(part) ? '' : '+'}${part}`;
  };
  return { width: real.width + imaginary.width + 1, text };
}

const product = (sizes: readonly number[]): number => sizes.reduce((all, size) => all * size, 1);

/** The values in brackets. `indent`: the column at which they begin. */
export function valuesText(edges: NativeEdges, dtype: string, indent: number, options: PrintOptions): string {
  const { shape, shown } = edges;
  const { threshold, edgeitems, linewidth } = options;
  if (product(shape) === 0) return '[]';
  const summarised = product(shape) > threshold;
  const { width, text } = elementsOf(edges, dtype, options);

  const row = (offset: number, column: number): string => {
    const size = shown.at(-1) as number;
    const items = Array.from({ length: size }, (_, i) => text(offset + i));
    if (summarised && edgeitems === 0) items.push('...');
    else if (summarised && (shape.at(-1) as number) > 2 * edgeitems) items.splice(edgeitems, 0, ' ...');
    const inLine = Math.max(1, Math.floor((linewidth - column) / (width + 2)));
    const lines: string[] = [];
    for (let i = 0; i < items.length; i += inLine) lines.push(items.slice(i, i + inLine).join(', '));
    return `[${lines.join(`,\n${' '.repeat(column + 1)}`)}]`;
  };
  const block = (dimension: number, offset: number, column: number): string => {
    const below = shape.length - dimension;
    if (below === 0) return text(offset);
    if (below === 1) return row(offset, column);
    const step = product(shown.slice(dimension + 1));
    const items = Array.from({ length: shown[dimension] as number }, (_, i) =>
      block(dimension + 1, offset + i * step, column + 1),
    );
    if (summarised && (shape[dimension] as number) > 2 * edgeitems) items.splice(edgeitems, 0, '...');
    return `[${items.join(`,${'\n'.repeat(below - 1)}${' '.repeat(column + 1)}`)}]`;
  };
  return block(0, 0, indent);
}
