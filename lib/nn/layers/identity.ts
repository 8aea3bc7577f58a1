// The layer that does nothing: it takes the place of one that is not wanted.

import type { Tensor } from '../../tensor/index.js';
import { Module } from '../module.js';

/** Gives back its input (`torch.nn.Identity`). */
export class Identity extends Module {
  override forward(input: Tensor): Tensor {
    return input;
  }
}
