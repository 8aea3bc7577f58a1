// Checks of what layers are made with, worded once. Each returns the value in the form that the layer keeps.

import { expected, IsotorchError } from '../errors.js';
import type { Device, DType, Tensor } from '../tensor/index.js';

/** Where and as what a layer's parameters are made. */
export interface FactoryOptions {
  /** Default float32. */
  dtype?: DType;
  /** Default `'cpu'`. */
  device?: Device;
}

/** The factory's options alone, without those that are not given. */
export const factory = ({ dtype, device }: { dtype?: DType | null; device?: Device | null }): FactoryOptions => ({
  ...(dtype ? { dtype } : {}),
  ...(device ? { device } : {}),
});

export function wholeNumber(value: unknown, name: string, least = 1): number {
  if (!Number.isSafeInteger(value) || (value as number) < least)
    throw expected(`a whole number of ${least} or more`, name, value);
  return value as number;
}

export function finite(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw expected('a finite number', name, value);
  return value;
}

export function positive(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value > 0 && Number.isFinite(value)))
    throw expected('a positive number', name, value);
  return value;
}

export function probability(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw expected('a number from 0 to 1', name, value);
  return value;
}

export function flag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw expected('a boolean', name, value);
  return value;
}

/** The input, if it has as many dimensions as one of `dimensions`. @throws ERR_SHAPE */
export function withDimensions(input: Tensor, name: string, ...dimensions: readonly number[]): Tensor {
  const { shape } = input;
  if (!dimensions.includes(shape.length)) {
    throw new IsotorchError(
      'ERR_SHAPE',
      `${name}: expected an input of ${dimensions.join(' or ')} dimensions, received [${shape.join(', ')}]`,
    );
  }
  return input;
}
