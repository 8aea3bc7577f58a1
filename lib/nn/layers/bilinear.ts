// The layer that multiplies two inputs.

import { Parameter, type Tensor, torch } from '../../tensor/index.js';
import { factory } from '../arguments.js';
import { flag, made, read, whole } from '../fields.js';
import { uniform_ } from '../init.js';
import { Module } from '../module.js';
import { settings } from '../print.js';
import type { LinearOptions } from './linear.js';

const fields = { in1Features: whole(), in2Features: whole(), outFeatures: whole(), bias: flag(true), ...made };

/**
 * `y = x₁ᵀ·W·x₂ + b` (`torch.nn.Bilinear`): [*, in1] and [*, in2] → [*, out].
 *
 * State: `weight` [out, in1, in2] and `bias` [out], both U(−1/√in1, 1/√in1) at first.
 */
export class Bilinear extends Module<Tensor, [input1: Tensor, input2: Tensor]> {
  readonly in1Features: number;
  readonly in2Features: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;

  constructor(...args: [in1Features: number, in2Features: number, outFeatures: number, options?: LinearOptions]) {
    super();
    const { in1Features, in2Features, outFeatures, bias, ...options } = read(new.target.name, fields, args);
    const kind = factory(options);
    this.in1Features = in1Features;
    this.in2Features = in2Features;
    this.outFeatures = outFeatures;
    this.weight = new Parameter(torch.empty([outFeatures, in1Features, in2Features], kind));
    this.bias = bias ? new Parameter(torch.empty([outFeatures], kind)) : null;
    const bound = 1 / Math.sqrt(in1Features);
    uniform_(this.weight, -bound, bound);
    if (this.bias !== null) uniform_(this.bias, -bound, bound);
  }

  override forward(input1: Tensor, input2: Tensor): Tensor {
    return torch.bilinear(input1, input2, this.weight, this.bias);
  }

  override extraRepr(): string {
    const { in1Features, in2Features, outFeatures, bias } = this;
    return settings({
      in1_features: in1Features,
      in2_features: in2Features,
      out_features: outFeatures,
      bias: bias !== null,
    });
  }
}
