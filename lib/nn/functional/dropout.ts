// Dropout (Srivastava et al. 2014) of elements and of whole channels. Random numbers come from the default generator of
// the input's device.

import { expected, IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import type { InplaceOptions } from './activations.js';

export interface DropoutOptions extends InplaceOptions {
  /** Without, the input comes back as it is. */
  training?: boolean;
}

function checked(p: number): number {
  if (typeof p !== 'number' || !(p >= 0 && p <= 1)) throw expected('a number from 0 to 1', 'p', p);
  return p;
}

/** Sets each element to 0 with probability `p` and divides the others by 1 − p. @param options.training @default true */
export function dropout(input: Tensor, p = 0.5, { training = true, inplace = false }: DropoutOptions = {}): Tensor {
  checked(p);
  if (!training) return input;
  return inplace ? input.dropout_(p, true) : input.dropout(p, true);
}

/** Dropout for SELU networks: keeps mean and variance (Klambauer et al. 2017). @param options.training @default false */
export const alphaDropout = (
  input: Tensor,
  p = 0.5,
  { training = false, inplace = false }: DropoutOptions = {},
): Tensor => (inplace ? input.alphaDropout_(checked(p), training) : input.alphaDropout(checked(p), training));

/** `alphaDropout` of whole channels. @param options.training @default false */
export const featureAlphaDropout = (
  input: Tensor,
  p = 0.5,
  { training = false, inplace = false }: DropoutOptions = {},
): Tensor =>
  inplace ? input.featureAlphaDropout_(checked(p), training) : input.featureAlphaDropout(checked(p), training);

const dropChannels = (input: Tensor, p: number, { training = true, inplace = false }: DropoutOptions): Tensor =>
  inplace ? input.featureDropout_(checked(p), training) : input.featureDropout(checked(p), training);

/** The same for one sample without a batch. */
function dropOne(input: Tensor, p: number, options: DropoutOptions): Tensor {
  const dropped = dropChannels(torch.unsqueeze(input, 0), p, options); // in place it is a view: the input changes with it
  return options.inplace ? input : dropped.squeeze(0);
}

/** Drops whole channels of [N, C, L] or [C, L] (Tompson et al. 2015). @param options.training @default true */
export function dropout1d(input: Tensor, p = 0.5, options: DropoutOptions = {}): Tensor {
  const { ndim } = input;
  if (ndim !== 2 && ndim !== 3)
    throw new IsotorchError('ERR_SHAPE', `dropout1d: expected [N, C, L] or [C, L], received ${ndim} dimensions`);
  return ndim === 3 ? dropChannels(input, p, options) : dropOne(input, p, options);
}

/**
 * Drops whole channels of [N, C, H, W]. Three dimensions count as [N, C, L], as in PyTorch 2.13: use `dropout1d` for those.
 * @param options.training @default true
 */
export const dropout2d = (input: Tensor, p = 0.5, options: DropoutOptions = {}): Tensor =>
  dropChannels(input, p, options);

/** Drops whole channels of [N, C, D, H, W] or [C, D, H, W]. @param options.training @default true */
export const dropout3d = (input: Tensor, p = 0.5, options: DropoutOptions = {}): Tensor =>
  input.ndim === 5 ? dropChannels(input, p, options) : dropOne(input, p, options);
