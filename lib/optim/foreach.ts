// Pieces of the update rules that are written operator by operator, on lists of tensors. Counters stay tensors, so that a
// recorded step counts on; what follows from them is computed in float64, as Python computes it.

import { type Tensor, torch } from '../tensor/index.js';

/**
 * The gradients that a rule descends along: negated where it climbs, with the L2 penalty where there is one. They are the
 * given tensors if neither applies: don't write into them.
 */
export function descent(
  params: readonly Tensor[],
  gradients: readonly Tensor[],
  { maximize, weightDecay = 0 }: { maximize: boolean; weightDecay?: number },
): readonly Tensor[] {
  const along = maximize ? torch._foreachNeg(gradients) : gradients;
  return weightDecay === 0 ? along : torch._foreachAdd(along, params, { alpha: weightDecay });
}

/** Takes `lr·weightDecay` of each parameter off it. */
export function decay_(params: readonly Tensor[], lr: Tensor, weightDecay: number): void {
  if (weightDecay !== 0) torch._foreachMul_(params, lr.mul(-weightDecay).add(1));
}

/** Adds 1 to each counter; returns them all as one vector in float64. */
export function counted(steps: readonly Tensor[]): Tensor {
  torch._foreachAdd_(steps, 1);
  return torch.stack(steps).to('float64');
}

/** 1 − x. */
export const rest = (x: number | Tensor): number | Tensor => (typeof x === 'number' ? 1 - x : x.neg().add(1));

/** 1 − βᵗ for each counter: what an average that began with 0 is divided by. */
export const correction = (beta: number | Tensor, t: Tensor): Tensor =>
  (typeof beta === 'number' ? torch.pow(beta, t) : beta.pow(t)).neg().add(1);

/** factor·list. */
export const scaled = (list: readonly Tensor[], factor: number | Tensor): Tensor[] =>
  typeof factor === 'number' ? torch._foreachMul(list, factor) : torch._foreachMul(list, factor);

/** list ← factor·list. */
export const scale_ = (list: readonly Tensor[], factor: number | Tensor): void =>
  typeof factor === 'number' ? torch._foreachMul_(list, factor) : torch._foreachMul_(list, factor);

/** list ← list + weight·(targets − list). */
export function lerp_(list: readonly Tensor[], targets: readonly Tensor[], weight: number | Tensor): void {
  if (typeof weight === 'number') torch._foreachLerp_(list, targets, weight);
  else {
    const way = torch._foreachSub(targets, list);
    torch._foreachMul_(way, weight);
    torch._foreachAdd_(list, way);
  }
}

/** list ← factor·list + (1 − factor)·values². */
export function averageSquares_(list: readonly Tensor[], values: readonly Tensor[], factor: number): void {
  torch._foreachMul_(list, factor);
  torch._foreachAddcmul_(list, values, values, 1 - factor);
}

/** params ← params − lr·directions. */
export function descend_(params: readonly Tensor[], directions: readonly Tensor[], lr: Tensor): void {
  torch._foreachSub_(params, torch._foreachMul(directions, lr));
}

/** params ← params − sizes·numerators/denominators, with a size for each parameter. */
export function descendBy_(
  params: readonly Tensor[],
  numerators: readonly Tensor[],
  denominators: readonly Tensor[],
  sizes: Tensor,
): void {
  torch._foreachAddcdiv_(params, torch._foreachMul(numerators, sizes.unbind()), denominators, -1);
}
