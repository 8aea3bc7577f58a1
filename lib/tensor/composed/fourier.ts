// `torch.stft`: two overloads of one operator differ in whether the signal is centered. Python has one function, which
// centers by default.

import { operator } from '../dispatch.js';
import type { Tensor } from '../tensor.js';
import { named } from './named.js';

export interface StftOptions {
  /** Default `nFft / 4`. */
  hopLength?: number | null;
  /** Default `nFft`. */
  winLength?: number | null;
  /** Of `winLength` elements; ones by default. */
  window?: Tensor | null;
  /** Whether frame t is centered at `t · hopLength`, by padding the signal on both sides. Default true. */
  center?: boolean;
  /** Default `'reflect'`. */
  padMode?: string;
  normalized?: boolean;
  /** Default true for real input and windows. */
  onesided?: boolean | null;
  /** Must be true, or the input or window complex. */
  returnComplex?: boolean | null;
  alignToWindow?: boolean | null;
}
type StftArguments =
  | [nFft: number, options?: StftOptions]
  | [options: StftOptions & { nFft: number }]
  | [
      nFft: number,
      hopLength?: number | null,
      winLength?: number | null,
      window?: Tensor | null,
      center?: boolean,
      padMode?: string,
      normalized?: boolean,
      onesided?: boolean | null,
      returnComplex?: boolean | null,
      alignToWindow?: boolean | null,
    ]
  | [nFft: number, hopLength: number | null, options: StftOptions]
  | [nFft: number, hopLength: number | null, winLength: number | null, options: StftOptions]
  | [nFft: number, hopLength: number | null, winLength: number | null, window: Tensor | null, options: StftOptions];

const keys = [
  'nFft',
  'hopLength',
  'winLength',
  'window',
  'center',
  'padMode',
  'normalized',
  'onesided',
  'returnComplex',
  'alignToWindow',
] as const;

/** The short-time Fourier transform of one signal or a batch: […, frequencies, frames] (`torch.stft`). */
export function stft(self: Tensor, ...args: StftArguments): Tensor {
  const given = named('stft', keys, args);
  return operator('aten::stft').call([self, { ...given, center: given.center ?? true }]) as Tensor;
}
