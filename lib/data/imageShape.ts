// The shape of images, and its check.
import { wholeNumber } from '../arguments.js';
import { expected } from '../errors.js';

/** [channels, height, width], each at least 1. */
export type ImageShape = readonly [channels: number, height: number, width: number];

export function imageShape(value: unknown, name: string): ImageShape {
  if (!Array.isArray(value) || value.length !== 3) {
    throw expected('three sizes [channels, height, width]', name, value, 'ERR_SHAPE');
  }
  const [channels, height, width] = value.map((size, axis) => wholeNumber(size, `${name}[${axis}]`, 1, 2 ** 31 - 1));
  return [channels!, height!, width!];
}
