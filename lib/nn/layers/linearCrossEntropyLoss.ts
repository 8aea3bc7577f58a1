// The last linear layer and the cross-entropy of its logits in one.

import { expected } from '../../errors.js';
import type { Buffer, Tensor } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { buffer, choice, flag, integer, integers, made, orNull, probability, read, whole } from '../fields.js';
import * as F from '../functional/classification.js';
import type { Reduction } from '../functional/reduction.js';
import { Module } from '../module.js';
import { pythonFloat, settings } from '../print.js';
import { Linear } from './linear.js';

export interface LinearCrossEntropyLossOptions extends F.ClassOptions, FactoryOptions {
  /** Sizes of further outputs, each with classes of its own. @default [] */
  outFeatures?: readonly number[];
  /** @default false */
  bias?: boolean;
  /** Targets of this class do not count. @default null, −100 */
  ignoreIndex?: number | null;
  /** @default 0 */
  labelSmoothing?: number;
}

const fields = {
  inFeatures: whole(),
  numClasses: whole(),
  outFeatures: { ...integers(), standard: [] as readonly number[] },
  bias: flag(false),
  ...made,
  reduction: choice<Reduction>('mean', 'sum', 'none'),
  weight: buffer(),
  ignoreIndex: orNull(integer()),
  labelSmoothing: probability(0),
};

/**
 * Cross-entropy of `x·Wᵀ + b` (`torch.nn.LinearCrossEntropyLoss`): [N, in] and targets [N, …outFeatures]. PyTorch's
 * `options`, which trade time for memory and do not change the loss, are not there.
 *
 * State: `weight` [classes], where it is given, and `linear.weight` [classes · outputs, in], `linear.bias`.
 */
export class LinearCrossEntropyLoss extends Module<Tensor, [input: Tensor, target: Tensor]> {
  readonly numClasses: number;
  readonly outFeatures: readonly number[];
  readonly reduction: Reduction;
  readonly ignoreIndex: number | null;
  readonly labelSmoothing: number;
  weight: Buffer | null;
  readonly linear: Linear;

  constructor(...args: [inFeatures: number, numClasses: number, options?: LinearCrossEntropyLossOptions]) {
    super();
    const given = read(new.target.name, fields, args);
    const { inFeatures, numClasses, outFeatures, weight } = given;
    if (weight !== null && weight.shape.join() !== String(numClasses))
      throw expected(`a Tensor of shape [${numClasses}]`, 'weight', weight, 'ERR_SHAPE');
    this.numClasses = numClasses;
    this.outFeatures = outFeatures;
    this.reduction = given.reduction;
    this.ignoreIndex = given.ignoreIndex;
    this.labelSmoothing = given.labelSmoothing;
    this.weight = weight;
    const outputs = outFeatures.reduce((product, size) => product * size, numClasses);
    this.linear = new Linear(inFeatures, outputs, { bias: given.bias, ...factory(given) });
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { linear, numClasses, outFeatures, weight, reduction, ignoreIndex, labelSmoothing } = this;
    const table = linear.weight.reshape([numClasses, ...outFeatures, linear.inFeatures]);
    const linearBias = linear.bias;
    return F.linearCrossEntropy(input, table, target, { linearBias, weight, reduction, ignoreIndex, labelSmoothing });
  }

  override extraRepr(): string {
    const { linear, numClasses, outFeatures, reduction, ignoreIndex, labelSmoothing } = this;
    return settings({
      in_features: linear.inFeatures,
      num_classes: numClasses,
      out_features: outFeatures,
      bias: linear.bias !== null,
      reduction,
      ignore_index: ignoreIndex,
      label_smoothing: pythonFloat(labelSmoothing),
      options: null,
    });
  }
}
