// The way back from max pooling.

import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import { each, type Rank, type Size } from '../sizes.js';

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
