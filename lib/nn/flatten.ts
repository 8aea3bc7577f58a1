// Several dimensions as one.

import { expected } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { Module } from './module.js';
import { settings } from './print.js';

/**
 * Joins the dimensions from `startDim` to `endDim`, both included (`torch.nn.Flatten`); negative ones count from the end.
 * @example new nn.Flatten().forward(torch.randn([8, 64, 1, 1])).shape; // [8, 64]
 */
export class Flatten extends Module {
  constructor(
    readonly startDim = 1,
    readonly endDim = -1,
  ) {
    super();
    if (!Number.isSafeInteger(startDim)) throw expected('an integer', 'startDim', startDim);
    if (!Number.isSafeInteger(endDim)) throw expected('an integer', 'endDim', endDim);
  }

  override forward(input: Tensor): Tensor {
    return input.flatten(this.startDim, this.endDim);
  }

  override extraRepr(): string {
    return settings({ start_dim: this.startDim, end_dim: this.endDim });
  }
}
