// Fractional max pooling (Graham 2014), whose windows are drawn at random, and the way back from max pooling.

import { expected, IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import { each, type Rank, type Size } from '../sizes.js';
import type { Pooled } from './pooling.js';

export interface FractionalPoolOptions<R extends 2 | 3> {
  /** The output's size; this or `outputRatio`. */
  outputSize?: Size<R> | null;
  /** The output's size as a part of the input's, between 0 and 1. */
  outputRatio?: number | readonly number[] | null;
  /** Numbers in [0, 1) that decide the windows, [N, C, rank], instead of new ones. */
  randomSamples?: Tensor | null;
}

function fractional<R extends 2 | 3>(
  input: Tensor,
  kernelSize: Size<R>,
  { outputSize = null, outputRatio = null, randomSamples = null }: FractionalPoolOptions<R>,
  rank: R,
): Pooled {
  if ((outputSize === null) === (outputRatio === null))
    throw expected('either outputSize or outputRatio', 'the output', outputSize === null ? null : 'both');
  const { shape } = input;
  const own = shape.slice(-rank);
  const size =
    outputSize ?? each(outputRatio as number, rank).map((ratio, i) => Math.trunc((own[i] as number) * ratio));
  const batch = shape.length === rank + 1 ? 1 : (shape[0] as number);
  const samples =
    randomSamples ??
    torch.rand([batch, shape.at(-rank - 1) as number, rank], { dtype: input.dtype, device: input.device });
  return rank === 2
    ? input.fractionalMaxPool2d(kernelSize, size, samples)
    : input.fractionalMaxPool3d(kernelSize, size, samples);
}

export const fractionalMaxPool2dWithIndices = (
  input: Tensor,
  kernelSize: Size<2>,
  options: FractionalPoolOptions<2>,
): Pooled => fractional(input, kernelSize, options, 2);
export const fractionalMaxPool3dWithIndices = (
  input: Tensor,
  kernelSize: Size<3>,
  options: FractionalPoolOptions<3>,
): Pooled => fractional(input, kernelSize, options, 3);

/** Maximum over windows drawn at random; `outputSize` or `outputRatio` says how many. */
export const fractionalMaxPool2d = (x: Tensor, kernelSize: Size<2>, options: FractionalPoolOptions<2>): Tensor =>
  fractional(x, kernelSize, options, 2)[0];
/** The same for volumes. */
export const fractionalMaxPool3d = (x: Tensor, kernelSize: Size<3>, options: FractionalPoolOptions<3>): Tensor =>
  fractional(x, kernelSize, options, 3)[0];

export interface UnpoolOptions<R extends Rank> {
  /** @default the kernel's size */
  stride?: Size<R> | null;
  /** @default 0 */
  padding?: Size<R>;
  /** Where several inputs' sizes give the same output, the one that it was; with or without batch and channels. */
  outputSize?: readonly number[] | null;
}

function unpooledSize<R extends Rank>(
  input: Tensor,
  kernelSize: Size<R>,
  { stride = null, padding = 0, outputSize = null }: UnpoolOptions<R>,
  rank: R,
) {
  const kernel = each(kernelSize as number, rank);
  const step = each((stride ?? kernelSize) as number, rank);
  const border = each(padding as number, rank);
  const own = input.shape.slice(-rank);
  const usual = kernel.map((size, i) => (own[i]! - 1) * step[i]! + size - 2 * border[i]!);
  if (outputSize === null) return { size: usual, step, border };
  const size = outputSize.length === rank + 2 ? outputSize.slice(2) : outputSize;
  if (size.length !== rank || size.some((wanted, i) => wanted < 0 || Math.abs(wanted - usual[i]!) >= step[i]!))
    throw new IsotorchError(
      'ERR_SHAPE',
      `maxUnpool${rank}d: expected outputSize within a stride of [${usual.join(', ')}], received [${outputSize.join(', ')}]`,
    );
  return { size: [...size], step, border };
}

/** Puts each maximum back at its place and zeros elsewhere; `indices` are those of `maxPool1dWithIndices`. */
export function maxUnpool1d(
  input: Tensor,
  indices: Tensor,
  kernelSize: Size<1>,
  options: UnpoolOptions<1> = {},
): Tensor {
  const { size } = unpooledSize(input, kernelSize, options, 1);
  return input
    .unsqueeze(-1)
    .maxUnpool2d(indices.unsqueeze(-1), [...size, 1])
    .squeeze(-1);
}

/** The same for images. */
export const maxUnpool2d = (
  input: Tensor,
  indices: Tensor,
  kernelSize: Size<2>,
  options: UnpoolOptions<2> = {},
): Tensor => input.maxUnpool2d(indices, unpooledSize(input, kernelSize, options, 2).size);

/** The same for volumes. */
export function maxUnpool3d(
  input: Tensor,
  indices: Tensor,
  kernelSize: Size<3>,
  options: UnpoolOptions<3> = {},
): Tensor {
  const { size, step, border } = unpooledSize(input, kernelSize, options, 3);
  return input.maxUnpool3d(indices, size, step, border);
}
