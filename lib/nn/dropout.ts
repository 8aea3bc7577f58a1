// Dropout (Srivastava et al. 2014).

import type { Tensor } from '../tensor/index.js';
import { flag, probability } from './arguments.js';
import { Module } from './module.js';
import { settings } from './print.js';

/**
 * In training, sets each element to 0 with probability `p` and divides the others by 1 − p; in evaluation it does nothing
 * (`torch.nn.Dropout`). Random numbers come from the default generator of the input's device.
 * @example new nn.Dropout(0.2)
 */
export class Dropout extends Module {
  readonly p: number;
  readonly inplace: boolean;

  constructor(p = 0.5, { inplace = false }: { inplace?: boolean } = {}) {
    super();
    this.p = probability(p, 'p');
    this.inplace = flag(inplace, 'inplace');
  }

  override forward(input: Tensor): Tensor {
    if (!this.training) return input;
    return this.inplace ? input.dropout_(this.p, true) : input.dropout(this.p, true);
  }

  override extraRepr(): string {
    return settings({ p: this.p, inplace: this.inplace });
  }
}
