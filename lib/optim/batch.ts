// Parameters that one call moves together: those of a group that share device, dtype and what else the kernels ask for.

import { type Device, isFloating, type Tensor, torch } from '../tensor/index.js';

export interface Batch<K extends string = string> {
  readonly params: Tensor[];
  readonly gradients: Tensor[];
  /** The tensors of each name, in the parameters' order. */
  readonly state: Record<K, Tensor[]>;
  /** Whether the state was made in this very step. */
  readonly isFirst: boolean;
  /** Whether a fused kernel may have them. */
  readonly isFused: boolean;
  /** Whether the gradients are sparse. */
  readonly isSparse: boolean;
  readonly device: Device;
}

/**
 * Whether the fused kernels may have these: they walk through memory element by element and look at neither strides nor
 * shapes (LibTorch 2.13, native/cpu/FusedSGDKernel.cpp), so both must be laid out alike and without gaps.
 */
export function fitsFused(param: Tensor, strides: readonly number[], gradient: Tensor): boolean {
  const shape = param.shape;
  if (!isFloating(param.dtype) || !isDense(shape, strides)) return false;
  const theirs = gradient.stride();
  const same = (_: number, i: number) => shape[i] === 1 || strides[i] === theirs[i];
  return theirs.length === strides.length && shape.every(same) && String(gradient.shape) === String(shape);
}

/** Whether each place in memory from the first to the last is exactly one element. */
function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  let expectedStride = 1;
  const dimensions = shape.map((size, i) => ({ size, stride: strides[i] as number })).filter(({ size }) => size !== 1);
  for (const { size, stride } of dimensions.sort((a, b) => a.stride - b.stride)) {
    if (stride !== expectedStride) return false;
    expectedStride *= size;
  }
  return true;
}

/** Complex numbers as pairs of real ones: the formulas work on each part alone, as PyTorch's do. */
export function asReal<K extends string>(batch: Batch<K>): Batch<K> {
  if (!batch.params[0]!.isComplex()) return batch;
  const real = (list: Tensor[]) => list.map((tensor) => (tensor.isComplex() ? torch.viewAsReal(tensor) : tensor));
  const state = Object.entries<Tensor[]>(batch.state).map(([key, list]) => [key, real(list)]);
  return { ...batch, params: real(batch.params), gradients: real(batch.gradients), state: Object.fromEntries(state) };
}
