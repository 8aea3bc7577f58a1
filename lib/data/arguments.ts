// Checks of the numbers that this room's functions take: counts, seeds, sizes. Each throws ERR_ARGUMENT in the one
// wording of lib/errors.ts, so that a wrong call reads the same wherever it was made.
import { expected } from '../errors.js';

/** `value` if it is an integer in [min, max], else ERR_ARGUMENT. */
export function integer(value: unknown, name: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `between ${min} and ${max}`;
    throw expected(`an integer ${range}`, name, value);
  }
  return value;
}

/** `value` if it is a finite number in [min, max], else ERR_ARGUMENT. */
export function finite(value: unknown, name: string, min = -Infinity, max = Infinity): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    const range = min === -Infinity && max === Infinity ? '' : ` between ${min} and ${max}`;
    throw expected(`a finite number${range}`, name, value);
  }
  return value;
}

/** [channels, height, width], each at least 1. */
export type ImageShape = readonly [channels: number, height: number, width: number];

export function imageShape(value: unknown, name: string): ImageShape {
  if (!Array.isArray(value) || value.length !== 3) {
    throw expected('three sizes [channels, height, width]', name, value, 'ERR_SHAPE');
  }
  const [channels, height, width] = value.map((size, axis) => integer(size, `${name}[${axis}]`, 1, 2 ** 31 - 1));
  return [channels!, height!, width!];
}
