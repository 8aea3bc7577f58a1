// Checks of what layers are made with, worded once. Each returns the value in the form that the layer keeps.

import { IsotorchError } from '../errors.js';
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

export { finite, flag, positive, probability, wholeNumber } from '../arguments.js';

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
