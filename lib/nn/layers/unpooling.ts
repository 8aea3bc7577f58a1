// The way back from max pooling, a row each: forward(maxima, places, outputSize) puts each maximum back at its place and
// zeros elsewhere. `outputSize`, with or without batch and channels, decides where several sizes pool to the same one.

import type { Tensor } from '../../tensor/index.js';
import { sizes } from '../fields.js';
import * as F from '../functional/unpooling.js';
import { layer } from '../layer.js';
import type { Rank } from '../sizes.js';
import { sideBySide, type WindowArguments } from './pooling.js';

type Inputs = [input: Tensor, indices: Tensor, outputSize?: readonly number[] | null];

const fields = <R extends Rank>(rank: R) => ({
  kernelSize: sizes(rank),
  stride: sizes(rank, sideBySide<R>),
  padding: sizes(rank, 0, 0),
});

/** Undoes `MaxPool1d` with `returnIndices` (`torch.nn.MaxUnpool1d`). */
export class MaxUnpool1d extends layer<WindowArguments<1, F.UnpoolOptions<1>>, Inputs>()(
  fields(1),
  (x, indices, outputSize, { kernelSize, stride, padding }) =>
    F.maxUnpool1d(x, indices, kernelSize, { stride, padding, outputSize: outputSize ?? null }),
  3,
  2,
) {}

/** Undoes `MaxPool2d` with `returnIndices` (`torch.nn.MaxUnpool2d`). */
export class MaxUnpool2d extends layer<WindowArguments<2, F.UnpoolOptions<2>>, Inputs>()(
  fields(2),
  (x, indices, outputSize, { kernelSize, stride, padding }) =>
    F.maxUnpool2d(x, indices, kernelSize, { stride, padding, outputSize: outputSize ?? null }),
  3,
  2,
) {}

/** Undoes `MaxPool3d` with `returnIndices` (`torch.nn.MaxUnpool3d`). */
export class MaxUnpool3d extends layer<WindowArguments<3, F.UnpoolOptions<3>>, Inputs>()(
  fields(3),
  (x, indices, outputSize, { kernelSize, stride, padding }) =>
    F.maxUnpool3d(x, indices, kernelSize, { stride, padding, outputSize: outputSize ?? null }),
  3,
  2,
) {}
