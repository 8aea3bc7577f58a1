// The triplet loss by any distance.

import { expected } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import { choice, flag, positive, read } from '../fields.js';
import * as F from '../functional/metric.js';
import type { Reduction } from '../functional/reduction.js';
import { Module } from '../module.js';
import { PairwiseDistance } from './distances.js';

export interface TripletMarginWithDistanceOptions extends F.MarginOptions {
  /** A function of two tensors or a module, which then is a part of this one. @default new PairwiseDistance() */
  distanceFunction?: F.DistanceFunction | Module<Tensor, [Tensor, Tensor]> | null;
  /** Takes the positive's distance to the negative where it is smaller. @default false */
  swap?: boolean;
}

const fields = { margin: positive(1), swap: flag(false), reduction: choice<Reduction>('mean', 'sum', 'none') };

/** max(0, d(a, p) − d(a, n) + margin), margin 1 (`torch.nn.TripletMarginWithDistanceLoss`). */
export class TripletMarginWithDistanceLoss extends Module<
  Tensor,
  [anchor: Tensor, positive: Tensor, negative: Tensor]
> {
  readonly distanceFunction: F.DistanceFunction | Module<Tensor, [Tensor, Tensor]>;
  readonly margin: number;
  readonly swap: boolean;
  readonly reduction: Reduction;

  constructor({ distanceFunction, ...options }: TripletMarginWithDistanceOptions = {}) {
    super();
    const { margin, swap, reduction } = read(new.target.name, fields, [options]);
    this.distanceFunction = distanceFunction ?? new PairwiseDistance();
    if (!(this.distanceFunction instanceof Module) && typeof this.distanceFunction !== 'function')
      throw expected('a function or a Module', 'distanceFunction', distanceFunction);
    this.margin = margin;
    this.swap = swap;
    this.reduction = reduction;
  }

  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { distanceFunction: distance, margin, swap, reduction } = this;
    const distanceFunction = distance instanceof Module ? (a: Tensor, b: Tensor) => distance.forward(a, b) : distance;
    return F.tripletMarginWithDistanceLoss(anchor, positive, negative, { distanceFunction, margin, swap, reduction });
  }
}
