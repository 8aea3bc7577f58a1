// The ReLU whose slope is learnt.

import { Parameter, type Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory, finite, wholeNumber } from '../arguments.js';
import * as F from '../functional/activations.js';
import { Module } from '../module.js';
import { settings } from '../print.js';

export interface PReLUOptions extends FactoryOptions {
  /** The slope at first. @default 0.25 */
  init?: number;
}

/**
 * x where positive, `weight`·x elsewhere (He et al. 2015; `torch.nn.PReLU`).
 *
 * State: `weight` [numParameters]: one slope, or one for each channel.
 */
export class PReLU extends Module {
  readonly numParameters: number;
  weight: Parameter;

  constructor(numParameters = 1, { init = 0.25, ...options }: PReLUOptions = {}) {
    super();
    this.numParameters = wholeNumber(numParameters, 'numParameters');
    this.weight = new Parameter(torch.full([numParameters], finite(init, 'init'), factory(options)));
  }

  override forward(input: Tensor): Tensor {
    return F.prelu(input, this.weight);
  }

  override extraRepr(): string {
    return settings({ num_parameters: this.numParameters });
  }
}
