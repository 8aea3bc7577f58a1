// Automatic mixed precision: inside autocast(), LibTorch runs matrix products and convolutions in a short dtype and what
// needs the digits (softmax, losses, norms) in float32, by its own lists.

import { expected } from '../errors.js';
import { native } from '../native.js';
import { refuseAsync } from './autograd.js';

/** The kinds of device that have lists of their own. */
export type AutocastDevice = 'cpu' | 'cuda' | 'mps' | 'xpu';
export type AutocastDType = 'bfloat16' | 'float16';

export interface AutocastOptions {
  /** @default what LibTorch has for the device: bfloat16 on the CPU, float16 on CUDA */
  dtype?: AutocastDType;
  /** False switches it off inside of an outer region. @default true */
  enabled?: boolean;
  /** Whether a weight that is used several times is converted once in a region. @default true */
  cacheEnabled?: boolean;
}

const devices: readonly unknown[] = ['cpu', 'cuda', 'mps', 'xpu'];
const shortDTypes: readonly unknown[] = ['bfloat16', 'float16'];

/**
 * Runs `fn` with automatic mixed precision (`torch.autocast`). Put the forward pass and the loss inside, `backward()` outside.
 * On CUDA in float16, scale the loss with a GradScaler; bfloat16 needs none.
 * @throws ERR_ARGUMENT for another device or dtype, or an async `fn`
 * @example const loss = autocast('cpu', 'bfloat16', () => criterion.forward(model.forward(images), labels));
 */
export function autocast<T>(device: AutocastDevice, dtype: AutocastDType | AutocastOptions, fn: () => T): T {
  if (!devices.includes(device)) throw expected("'cpu', 'cuda', 'mps' or 'xpu'", 'device', device);
  const options = typeof dtype === 'string' ? { dtype } : dtype;
  if (typeof options !== 'object' || options === null)
    throw expected("'bfloat16', 'float16' or options", 'dtype', dtype);
  if (options.dtype !== undefined && !shortDTypes.includes(options.dtype))
    throw expected("'bfloat16' or 'float16'", 'dtype', options.dtype, 'ERR_DTYPE');
  if (typeof fn !== 'function') throw expected('a function', 'fn', fn);
  native.beginAutocast(device, options.dtype ?? null, options.enabled ?? true, options.cacheEnabled ?? true);
  try {
    return refuseAsync(fn());
  } finally {
    native.endAutocast();
  }
}
