// Normalisation by the response of neighbouring channels (Krizhevsky et al. 2012), a row each.

import { type Tensor, torch } from '../../tensor/index.js';
import { withDimensions } from '../arguments.js';
import { bare, float, number, whole } from '../fields.js';
import * as F from '../functional/normalization.js';
import { layer } from '../layer.js';

type Arguments = [size: number, options?: F.LocalResponseOptions];

/** x / (k + α · mean of x² over `size` neighbouring channels)^β, of [N, C, …] (`torch.nn.LocalResponseNorm`). */
export class LocalResponseNorm extends layer<Arguments>()(
  { size: bare(whole()), alpha: float(1e-4), beta: float(0.75), k: float(1) },
  (x, settings) => F.localResponseNorm(x, settings.size, settings),
) {}

/**
 * The same as Lua's Torch had it, for [N, C, H, W] (`torch.nn.CrossMapLRN2d`): α over `size`, a window that ends
 * ⌊(size − 1) / 2⌋ channels away, and, as in PyTorch, one that never lets go of the first channel's square.
 */
export class CrossMapLRN2d extends layer<Arguments>()(
  { size: bare(whole()), alpha: float(1e-4), beta: float(0.75), k: number(1) },
  (x, { size, alpha, beta, k }) => {
    const squares = withDimensions(x, 'CrossMapLRN2d', 4).square();
    const sums = windowSums(squares, Math.trunc((size - 1) / 2 + 1));
    return sums
      .mul(alpha / size)
      .add(k)
      .pow(-beta)
      .mul(x);
  },
) {}

/** Σ of channels c − reach + 1 to c + reach − 1, and of channel 0 for all that lie beyond its reach. */
function windowSums(squares: Tensor, reach: number): Tensor {
  const [batch, channels, ...plane] = squares.shape as [number, number, ...number[]];
  const width = 2 * reach - 1;
  const padded = squares.reshape([batch, 1, channels, -1]).pad([0, 0, reach - 1, reach - 1]);
  const windows = padded.avgPool2d([width, 1], 1, 0, false, true, 1).reshape([batch, channels, ...plane]);
  if (channels <= reach) return windows;
  const [near, far] = [windows.narrow(1, 0, reach), windows.narrow(1, reach, channels - reach)];
  return torch.cat([near, far.add(squares.narrow(1, 0, 1))], 1);
}
