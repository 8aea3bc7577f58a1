// Fractional max pooling (Graham 2014), whose windows are drawn at random.

import { expected } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import { each, type Size } from '../sizes.js';
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
