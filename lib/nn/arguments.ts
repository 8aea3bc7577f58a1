// Checks of what layers are made with, worded once. Each returns the value in the form that the layer keeps.

import { expected } from '../errors.js';
import type { Device, DType } from '../tensor/index.js';

/** Where and as what a layer's parameters are made. */
export interface FactoryOptions {
  /** Default float32. */
  dtype?: DType;
  /** Default `'cpu'`. */
  device?: Device;
}

/** The factory's options alone, without those that are not given. */
export const factory = ({ dtype, device }: FactoryOptions): FactoryOptions => ({
  ...(dtype === undefined ? {} : { dtype }),
  ...(device === undefined ? {} : { device }),
});

export { finite, flag, positive, probability, wholeNumber } from '../arguments.js';

/** One number for both directions, or `[height, width]`. */
export type Pair = number | readonly [number, number];

export function pair(value: unknown, name: string, least = 1): [number, number] {
  const both = Array.isArray(value) ? value : [value, value];
  if (both.length !== 2 || !both.every((size) => Number.isSafeInteger(size) && size >= least))
    throw expected(`a whole number of ${least} or more, or two of them as [height, width]`, name, value);
  return both as [number, number];
}
