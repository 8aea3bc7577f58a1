// Means, maxima and norms over windows. Maxima with their places (`…WithIndices`) are pairs [values, indices].

import { expected } from '../../errors.js';
import { type Tensor, type Torch, torch } from '../../tensor/index.js';
import { type AdaptiveSize, each, type Rank, type Size } from '../sizes.js';

// ---- means

/** kernelSize, stride = kernelSize, padding 0, ceilMode false, countIncludePad true. */
export const avgPool1d: Torch['avgPool1d'] = torch.avgPool1d;
/** The same with divisorOverride null. */
export const avgPool2d: Torch['avgPool2d'] = torch.avgPool2d;
/** The same with divisorOverride null. */
export const avgPool3d: Torch['avgPool3d'] = torch.avgPool3d;

/** The output's size in numbers. */
function adapted(input: Tensor, rank: Rank, size: number | null | readonly (number | null)[]): number[] {
  const own = input.shape.slice(-rank);
  const fits = (value: unknown) => value === null || (Number.isSafeInteger(value) && (value as number) >= 0);
  const given = each<number | null>(size, rank);
  if (given.length !== rank || !given.every(fits))
    throw expected(`a whole number or null, or ${rank} of them,`, 'outputSize', size);
  return given.map((value, i) => value ?? (own[i] as number));
}

/** Mean over as many windows as the output needs, [N, C, L] → [N, C, L']. */
export const adaptiveAvgPool1d = (input: Tensor, outputSize: AdaptiveSize<1>): Tensor =>
  input.adaptiveAvgPool1d(adapted(input, 1, outputSize));

/** The same for images; null keeps the input's size. */
export const adaptiveAvgPool2d = (input: Tensor, outputSize: AdaptiveSize<2>): Tensor =>
  input.adaptiveAvgPool2d(adapted(input, 2, outputSize));

/** The same for volumes. */
export const adaptiveAvgPool3d = (input: Tensor, outputSize: AdaptiveSize<3>): Tensor =>
  input.adaptiveAvgPool3d(adapted(input, 3, outputSize));

// ---- maxima

/** Values and where in the plane they were found, for `maxUnpool…`. */
export type Pooled = [values: Tensor, indices: Tensor];

export interface MaxPoolOptions<R extends Rank> {
  /** @default the kernel's size */
  stride?: Size<R> | null;
  /** At most half of the kernel; does not count as a value. @default 0 */
  padding?: Size<R>;
  /** @default 1 */
  dilation?: Size<R>;
  /** Whether windows that stick out at the far end count. @default false */
  ceilMode?: boolean;
}

/** In the order in which the operators take them. */
const windows = <R extends Rank>(kernelSize: Size<R>, options: MaxPoolOptions<R>) => {
  const { stride, padding = 0, dilation = 1, ceilMode = false } = options;
  return [kernelSize, stride ?? [], padding, dilation, ceilMode] as const;
};

export const maxPool1d = (input: Tensor, kernelSize: Size<1>, options: MaxPoolOptions<1> = {}): Tensor =>
  input.maxPool1d(...windows(kernelSize, options));
export const maxPool2d = (input: Tensor, kernelSize: Size<2>, options: MaxPoolOptions<2> = {}): Tensor =>
  input.maxPool2d(...windows(kernelSize, options));
export const maxPool3d = (input: Tensor, kernelSize: Size<3>, options: MaxPoolOptions<3> = {}): Tensor =>
  input.maxPool3d(...windows(kernelSize, options));

export const maxPool1dWithIndices = (input: Tensor, kernelSize: Size<1>, options: MaxPoolOptions<1> = {}): Pooled =>
  input.maxPool1dWithIndices(...windows(kernelSize, options));
export const maxPool2dWithIndices = (input: Tensor, kernelSize: Size<2>, options: MaxPoolOptions<2> = {}): Pooled =>
  input.maxPool2dWithIndices(...windows(kernelSize, options));
export const maxPool3dWithIndices = (input: Tensor, kernelSize: Size<3>, options: MaxPoolOptions<3> = {}): Pooled =>
  input.maxPool3dWithIndices(...windows(kernelSize, options));

export const adaptiveMaxPool1dWithIndices = (input: Tensor, outputSize: AdaptiveSize<1>): Pooled =>
  input.adaptiveMaxPool1d(adapted(input, 1, outputSize));
export const adaptiveMaxPool2dWithIndices = (input: Tensor, outputSize: AdaptiveSize<2>): Pooled =>
  input.adaptiveMaxPool2d(adapted(input, 2, outputSize));
export const adaptiveMaxPool3dWithIndices = (input: Tensor, outputSize: AdaptiveSize<3>): Pooled =>
  input.adaptiveMaxPool3d(adapted(input, 3, outputSize));

export const adaptiveMaxPool1d = (input: Tensor, outputSize: AdaptiveSize<1>): Tensor =>
  adaptiveMaxPool1dWithIndices(input, outputSize)[0];
export const adaptiveMaxPool2d = (input: Tensor, outputSize: AdaptiveSize<2>): Tensor =>
  adaptiveMaxPool2dWithIndices(input, outputSize)[0];
export const adaptiveMaxPool3d = (input: Tensor, outputSize: AdaptiveSize<3>): Tensor =>
  adaptiveMaxPool3dWithIndices(input, outputSize)[0];

// ---- norms

export interface LPPoolOptions<R extends Rank> {
  /** @default the kernel's size */
  stride?: Size<R> | null;
  /** Whether windows that stick out at the far end count. @default false */
  ceilMode?: boolean;
}

/** (Σ xᵖ)^(1/p) over a window of `count` elements, from its mean; the maximum for p = ∞, the minimum for −∞. */
function norm<R extends Rank>(
  input: Tensor,
  p: number,
  kernelSize: Size<R>,
  { stride = null, ceilMode = false }: LPPoolOptions<R>,
  mean: (powers: Tensor, kernelSize: Size<R>, stride: Size<R> | [], padding: number, ceilMode: boolean) => Tensor,
  most: (sizes: Tensor, kernelSize: Size<R>, options: MaxPoolOptions<R>) => Tensor,
  rank: R,
): Tensor {
  if (p === Infinity) return most(input.abs(), kernelSize, { stride, ceilMode });
  if (p === -Infinity) return most(input.abs().neg(), kernelSize, { stride, ceilMode }).neg();
  const count = each(kernelSize as number, rank).reduce((a, b) => a * b, 1);
  const powers = mean(input.pow(p), kernelSize, stride ?? [], 0, ceilMode);
  return powers
    .sign()
    .mul(powers.abs().relu())
    .mul(count)
    .pow(1 / p);
}

/** The p-norm of each window, [N, C, L] → [N, C, L']; `normType` is p. */
export const lpPool1d = (x: Tensor, normType: number, kernelSize: Size<1>, options: LPPoolOptions<1> = {}): Tensor =>
  norm(x, normType, kernelSize, options, torch.avgPool1d, maxPool1d, 1);
/** The same for images. */
export const lpPool2d = (x: Tensor, normType: number, kernelSize: Size<2>, options: LPPoolOptions<2> = {}): Tensor =>
  norm(x, normType, kernelSize, options, torch.avgPool2d, maxPool2d, 2);
/** The same for volumes. */
export const lpPool3d = (x: Tensor, normType: number, kernelSize: Size<3>, options: LPPoolOptions<3> = {}): Tensor =>
  norm(x, normType, kernelSize, options, torch.avgPool3d, maxPool3d, 3);
