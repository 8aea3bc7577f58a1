// Normalisation of each sample along its last dimensions.

import { Parameter, type Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { flag, float, integerOrMore, made, orNull, read } from '../fields.js';
import * as F from '../functional/normalization.js';
import { Module } from '../module.js';
import { python, settings } from '../print.js';

export interface RMSNormOptions extends FactoryOptions {
  /** Added to the mean square; null: the dtype's smallest step. @default null */
  eps?: number | null;
  /** Whether it learns a scale for each element. @default true */
  elementwiseAffine?: boolean;
}

export interface LayerNormOptions extends FactoryOptions {
  /** Added to the variance. @default 1e-5 */
  eps?: number;
  /** Whether it learns a scale and a shift for each element. @default true */
  elementwiseAffine?: boolean;
  /** Whether the learnt shift is there. @default true */
  bias?: boolean;
}

const layerNorm = {
  normalizedShape: integerOrMore(),
  eps: float(1e-5),
  elementwiseAffine: flag(true),
  bias: flag(true),
  ...made,
};
const rmsNorm = { normalizedShape: integerOrMore(), eps: orNull(float()), elementwiseAffine: flag(true), ...made };

/**
 * Less its mean, over its standard deviation, both along the last dimensions, which have `normalizedShape`
 * (Ba et al. 2016; `torch.nn.LayerNorm`).
 *
 * State: `weight` = 1 and `bias` = 0 of that shape.
 * @example new nn.LayerNorm(64).forward(torch.randn([8, 10, 64]));
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  readonly elementwiseAffine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(...args: [normalizedShape: number | readonly number[], options?: LayerNormOptions]) {
    super();
    const { normalizedShape, eps, elementwiseAffine, bias, ...options } = read(new.target.name, layerNorm, args);
    const kind = factory(options);
    this.normalizedShape = normalizedShape;
    this.eps = eps;
    this.elementwiseAffine = elementwiseAffine;
    this.weight = elementwiseAffine ? new Parameter(torch.ones(normalizedShape, kind)) : null;
    this.bias = elementwiseAffine && bias ? new Parameter(torch.zeros(normalizedShape, kind)) : null;
  }

  override forward(input: Tensor): Tensor {
    return F.layerNorm(input, this.normalizedShape, this);
  }

  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine, bias } = this;
    const rest = settings({ eps, elementwise_affine: elementwiseAffine, bias: bias !== null });
    return `${python(normalizedShape)}, ${rest}`;
  }
}

/**
 * Over its root mean square along the last dimensions (Zhang & Sennrich 2019; `torch.nn.RMSNorm`).
 *
 * State: `weight` = 1 of `normalizedShape`.
 */
export class RMSNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number | null;
  readonly elementwiseAffine: boolean;
  weight: Parameter | null;

  constructor(...args: [normalizedShape: number | readonly number[], options?: RMSNormOptions]) {
    super();
    const { normalizedShape, eps, elementwiseAffine, ...options } = read(new.target.name, rmsNorm, args);
    this.normalizedShape = normalizedShape;
    this.eps = eps;
    this.elementwiseAffine = elementwiseAffine;
    this.weight = elementwiseAffine ? new Parameter(torch.ones(normalizedShape, factory(options))) : null;
  }

  override forward(input: Tensor): Tensor {
    return F.rmsNorm(input, this.normalizedShape, this.weight, this.eps);
  }

  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine } = this;
    return `${python(normalizedShape)}, ${settings({ eps, elementwise_affine: elementwiseAffine })}`;
  }
}
