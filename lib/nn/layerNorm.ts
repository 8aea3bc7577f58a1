// Layer normalisation (Ba, Kiros & Hinton 2016): over the last dimensions, for each example alone.

import { expected } from '../errors.js';
import { Parameter, type Tensor, torch } from '../tensor/index.js';
import { type FactoryOptions, factory, flag, positive, wholeNumber } from './arguments.js';
import { Module } from './module.js';
import { python, settings } from './print.js';

export interface LayerNormOptions extends FactoryOptions {
  /** Added to the variance. @default 1e-5 */
  eps?: number;
  /** Whether it learns a scale and a shift. @default true */
  elementwiseAffine?: boolean;
  /** Whether the learnt shift is there, where `elementwiseAffine`. @default true */
  bias?: boolean;
}

/**
 * Normalises over the last dimensions, whose sizes are `normalizedShape` (`torch.nn.LayerNorm`).
 *
 * State: `weight` = 1 and `bias` = 0, both of that shape.
 * @example new nn.LayerNorm(64).forward(torch.randn([8, 10, 64]));
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  readonly elementwiseAffine: boolean;
  weight: Parameter | null = null;
  bias: Parameter | null = null;

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    const { eps = 1e-5, elementwiseAffine = true, bias = true } = options;
    const shape = typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape;
    if (!Array.isArray(shape) || shape.length === 0) throw expected('a size or sizes', 'normalizedShape', shape);
    this.normalizedShape = shape.map((size) => wholeNumber(size, 'normalizedShape'));
    this.eps = positive(eps, 'eps');
    this.elementwiseAffine = flag(elementwiseAffine, 'elementwiseAffine');
    if (!elementwiseAffine) return;
    this.weight = new Parameter(torch.ones(shape, factory(options)));
    if (flag(bias, 'bias')) this.bias = new Parameter(torch.zeros(shape, factory(options)));
  }

  override forward(input: Tensor): Tensor {
    return torch.layerNorm(input, this.normalizedShape, this.weight, this.bias, this.eps);
  }

  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine, bias } = this;
    const rest = settings({ eps, elementwise_affine: elementwiseAffine, bias: bias !== null });
    return `${python(normalizedShape)}, ${rest}`;
  }
}
