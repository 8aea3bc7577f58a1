// The ReLU whose slope is learnt.

import { Parameter, type Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { float, made, read, whole } from '../fields.js';
import * as F from '../functional/activations.js';
import { constant_ } from '../init.js';
import { Module } from '../module.js';
import { settings } from '../print.js';

export interface PReLUOptions extends FactoryOptions {
  /** The slope at first. @default 0.25 */
  init?: number;
}

const fields = { numParameters: whole(1), init: float(0.25), ...made };

/**
 * x where positive, `weight`·x elsewhere (He et al. 2015; `torch.nn.PReLU`).
 *
 * State: `weight` [numParameters]: one slope, or one for each channel.
 */
export class PReLU extends Module {
  readonly numParameters: number;
  weight: Parameter;

  /** @param numParameters @default 1 */
  constructor(...args: [numParameters?: number, options?: PReLUOptions] | [options: PReLUOptions]) {
    super();
    const { numParameters, init, ...options } = read(new.target.name, fields, args);
    this.numParameters = numParameters;
    this.weight = new Parameter(torch.empty([numParameters], factory(options)));
    constant_(this.weight, init);
  }

  override forward(input: Tensor): Tensor {
    return F.prelu(input, this.weight);
  }

  override extraRepr(): string {
    return settings({ num_parameters: this.numParameters });
  }
}
