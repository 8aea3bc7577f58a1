// Module.to: parameters and buffers to another dtype, device or memory format, in place. The JavaScript objects stay, so
// that whatever holds them (an optimizer, a captured step) holds the moved ones.

import { expected } from '../errors.js';
import {
  type Device,
  type DType,
  isDType,
  isFloating,
  type MemoryFormat,
  Tensor,
  type ToOptions,
  tidy,
  torch,
} from '../tensor/index.js';

export interface Convert {
  /** A floating-point dtype, or a complex one. Integer buffers keep theirs. */
  dtype?: DType;
  device?: Device;
  /** For tensors of four dimensions (`channels_last_3d`: five), such as the weights of convolutions. */
  memoryFormat?: MemoryFormat;
  nonBlocking?: boolean;
}

const hasFractions = (dtype: DType) => isFloating(dtype) || dtype.startsWith('complex');

/** @throws ERR_DTYPE for a dtype without fractions. */
export function convert(tensors: readonly Tensor[], target: DType | Device | Convert): void {
  const options: Convert =
    typeof target !== 'string' ? target : isDType(target) ? { dtype: target } : { device: target as Device };
  if (typeof options !== 'object' || options === null || options instanceof Tensor)
    throw expected('a dtype, a device or options', 'to', target);
  if (options.dtype !== undefined && !(isDType(options.dtype) && hasFractions(options.dtype)))
    throw expected('a floating-point or complex dtype', 'dtype', options.dtype, 'ERR_DTYPE');
  torch.noGrad(() => {
    for (const tensor of tensors) tidy(() => move(tensor, optionsFor(tensor, options)));
  });
}

function optionsFor(tensor: Tensor, { dtype, device, memoryFormat, nonBlocking = false }: Convert): ToOptions {
  const dimensions = memoryFormat === 'channels_last_3d' ? 5 : memoryFormat === 'channels_last' ? 4 : undefined;
  const applies = memoryFormat !== undefined && (dimensions === undefined || tensor.ndim === dimensions);
  return {
    ...(dtype !== undefined && hasFractions(tensor.dtype) ? { dtype } : {}),
    ...(device === undefined ? {} : { device }),
    ...(applies ? { memoryFormat } : {}),
    nonBlocking,
  };
}

function move(tensor: Tensor, options: ToOptions): void {
  const here = tensor.detach();
  const there = here.to(options);
  if (there === here) return;
  const { requiresGrad, grad } = tensor;
  tensor.replace_(there);
  if (requiresGrad) tensor.requiresGrad = true;
  if (grad !== null) tensor.grad = grad.detach().to(options);
}
