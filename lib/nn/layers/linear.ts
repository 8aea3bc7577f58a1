// The affine layer.

import { Parameter, type Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { flag, made, read, whole } from '../fields.js';
import { linearDefault_ } from '../init.js';
import { Module } from '../module.js';
import { settings } from '../print.js';

export interface LinearOptions extends FactoryOptions {
  /** Whether it has one. @default true */
  bias?: boolean;
}

/**
 * `y = x·Wᵀ + b` (`torch.nn.Linear`): [*, in] → [*, out].
 *
 * State: `weight` [out, in] and `bias` [out], both U(−1/√in, 1/√in) at first.
 * @example new nn.Linear(64, 10).forward(torch.randn([32, 64])).shape; // [32, 10]
 */
export class Linear extends Module {
  /** @internal */
  static readonly fields = { inFeatures: whole(), outFeatures: whole(), bias: flag(true), ...made };

  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;

  constructor(...args: [inFeatures: number, outFeatures: number, options?: LinearOptions]) {
    super();
    const { inFeatures, outFeatures, bias, ...options } = read(new.target.name, Linear.fields, args);
    const kind = factory(options);
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = new Parameter(torch.empty([outFeatures, inFeatures], kind));
    this.bias = bias ? new Parameter(torch.empty([outFeatures], kind)) : null;
    linearDefault_(this.weight, this.bias);
  }

  override forward(input: Tensor): Tensor {
    return torch.linear(input, this.weight, this.bias);
  }

  override extraRepr(): string {
    const { inFeatures, outFeatures, bias } = this;
    return settings({ in_features: inFeatures, out_features: outFeatures, bias: bias !== null });
  }

  override brief(): string {
    return `${this.constructor.name} ${this.inFeatures} → ${this.outFeatures}`;
  }
}
