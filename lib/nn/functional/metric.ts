// Losses of pairs and triplets: what belongs together is to be near, the rest at least a margin away.

import { expected, IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import { type ReductionOptions, reduce, reductionCode } from './reduction.js';

export interface MarginOptions extends ReductionOptions {
  margin?: number;
}

/** max(0, −y (x₁ − x₂) + margin): y = 1 wants x₁ above x₂, −1 below. @param options.margin @default 0 */
export const marginRankingLoss = (
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  { margin = 0, reduction = 'mean' }: MarginOptions = {},
): Tensor => torch.marginRankingLoss(input1, input2, target, margin, reductionCode(reduction));

/** Distance x where y = 1, max(0, margin − x) where y = −1. @param options.margin @default 1 */
export const hingeEmbeddingLoss = (
  input: Tensor,
  target: Tensor,
  { margin = 1, reduction = 'mean' }: MarginOptions = {},
): Tensor => torch.hingeEmbeddingLoss(input, target, margin, reductionCode(reduction));

/** 1 − cos(x₁, x₂) where y = 1, max(0, cos − margin) where y = −1. @param options.margin @default 0 */
export const cosineEmbeddingLoss = (
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  { margin = 0, reduction = 'mean' }: MarginOptions = {},
): Tensor => torch.cosineEmbeddingLoss(input1, input2, target, margin, reductionCode(reduction));

export interface TripletOptions extends MarginOptions {
  /** The p of the distance. @default 2 */
  p?: number;
  /** @default 1e-6 */
  eps?: number;
  /** Takes the positive's distance to the negative where it is smaller (Balntas et al. 2016). @default false */
  swap?: boolean;
}

const checkMargin = (margin: number) => {
  if (!(margin > 0)) throw expected('a number above 0', 'margin', margin);
};

/** max(0, ‖a − p‖ − ‖a − n‖ + margin). @param options.margin @default 1 */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  { margin = 1, p = 2, eps = 1e-6, swap = false, reduction = 'mean' }: TripletOptions = {},
): Tensor {
  checkMargin(margin);
  return torch.tripletMarginLoss(anchor, positive, negative, margin, p, eps, swap, reductionCode(reduction));
}

/** The distance of each pair. */
export type DistanceFunction = (x1: Tensor, x2: Tensor) => Tensor;

export interface TripletDistanceOptions extends MarginOptions {
  /** @default the Euclidean distance, `pairwiseDistance` */
  distanceFunction?: DistanceFunction | null;
  /** @default false */
  swap?: boolean;
}

/** The same by any distance. @param options.margin @default 1 */
export function tripletMarginWithDistanceLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  { distanceFunction = null, margin = 1, swap = false, reduction = 'mean' }: TripletDistanceOptions = {},
): Tensor {
  checkMargin(margin);
  if (anchor.ndim !== positive.ndim || anchor.ndim !== negative.ndim)
    throw new IsotorchError(
      'ERR_SHAPE',
      `tripletMarginWithDistanceLoss: expected three inputs of as many dimensions, received ${anchor.ndim}, ${positive.ndim} and ${negative.ndim}`,
    );
  const distance = distanceFunction ?? ((x1: Tensor, x2: Tensor) => torch.pairwiseDistance(x1, x2));
  const near = distance(anchor, positive);
  const far = distance(anchor, negative);
  const least = swap ? far.minimum(distance(positive, negative)) : far;
  return reduce(near.sub(least).add(margin).clampMin(0), reduction);
}
