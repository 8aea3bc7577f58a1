// Normalisation of groups of channels.

import { expected } from '../../errors.js';
import { Parameter, type Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { flag, float, made, read, whole } from '../fields.js';
import * as F from '../functional/normalization.js';
import { Module } from '../module.js';
import { settings } from '../print.js';

export interface GroupNormOptions extends FactoryOptions {
  /** Added to the variance. @default 1e-5 */
  eps?: number;
  /** Whether it learns a scale and a shift for each channel. @default true */
  affine?: boolean;
  /** Whether the learnt shift is there. @default true */
  bias?: boolean;
}

const fields = {
  numGroups: whole(),
  numChannels: whole(),
  eps: float(1e-5),
  affine: flag(true),
  ...made,
  bias: flag(true),
};

/**
 * Groups of channels of [N, C, …] less their mean, over their standard deviation (Wu & He 2018; `torch.nn.GroupNorm`).
 *
 * State: `weight` = 1 and `bias` = 0, each [C].
 * @throws ERR_ARGUMENT for groups that do not divide the channels.
 */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  readonly affine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(...args: [numGroups: number, numChannels: number, options?: GroupNormOptions]) {
    super();
    const { numGroups, numChannels, eps, affine, bias, ...options } = read(new.target.name, fields, args);
    if (numChannels % numGroups !== 0)
      throw expected(`a divisor of the ${numChannels} channels`, 'numGroups', numGroups);
    const kind = factory(options);
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.affine = affine;
    this.weight = affine ? new Parameter(torch.ones([numChannels], kind)) : null;
    this.bias = affine && bias ? new Parameter(torch.zeros([numChannels], kind)) : null;
  }

  override forward(input: Tensor): Tensor {
    return F.groupNorm(input, this.numGroups, this);
  }

  override extraRepr(): string {
    const { numGroups, numChannels, eps, affine, bias } = this;
    return `${numGroups}, ${numChannels}, ${settings({ eps, affine, bias: bias !== null })}`;
  }
}
