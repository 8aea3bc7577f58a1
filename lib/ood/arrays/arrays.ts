// What detectors work on: the numbers that a network gave for N images, as tensors, wherever they come from. `extract` makes
// them from a model, files hold them (.npy, .npz, safetensors), other programs may have written them. With these at hand
// another detector costs no forward pass.

import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import type { ClassifierHead } from './head.js';

/** One data set, or a chunk of one. All tensors have N rows in the same order and lie on one device. */
export interface Arrays {
  /** Of the data set, for messages and results. */
  readonly name: string;
  /** [N, C], floating point: what the head gave for the features. */
  readonly logits: Tensor | null;
  /** [N, D], floating point: what the last layer is given (penultimate features). */
  readonly features: Tensor | null;
  /** int64 [N], classes from 0; null where the images have none. */
  readonly labels: Tensor | null;
  /** The network's last layer, for detectors that look at its weights or run it again. */
  readonly head: ClassifierHead | null;
}

/**
 * Arrays of which only some are there.
 * @example
 * const known = ood.arrays({ name: 'test', features, logits, head: ood.affineHead(weight, bias) });
 */
export function arrays(init: Partial<Arrays>): Arrays {
  return { name: 'unnamed', logits: null, features: null, labels: null, head: null, ...init };
}

/** N. @throws ERR_DATA when there is neither logits nor features */
export function rowsOf({ name, logits, features }: Arrays): number {
  const rows = (logits ?? features)?.shape[0];
  if (rows === undefined)
    throw new IsotorchError('ERR_DATA', `${name}: expected logits or features but there are neither`);
  return rows;
}

/** Rows `start` to `start + length`, as views: nothing is copied. Belongs to the scope around it. */
export function narrowed(arrays: Arrays, start: number, length: number): Arrays {
  const part = (tensor: Tensor | null): Tensor | null => tensor?.narrow(0, start, length) ?? null;
  return {
    ...arrays,
    logits: part(arrays.logits),
    features: part(arrays.features),
    labels: part(arrays.labels),
  };
}
