// Losses of predicted numbers: `input` and `target` of one shape, or shapes that broadcast.

import { IsotorchError } from '../../errors.js';
import { capture, type Tensor, torch } from '../../tensor/index.js';
import { type Reduction, type ReductionOptions, reduce, reductionCode } from './reduction.js';

export interface WeightedOptions extends ReductionOptions {
  /** The weight of each element, of the input's shape. @default null */
  weight?: Tensor | null;
}

const shapeOf = (tensor: Tensor): string => `[${tensor.shape.join(', ')}]`;

/** Both in the shape that they have in common. */
const broadcast = (input: Tensor, target: Tensor): [Tensor, Tensor] =>
  torch.broadcastTensors([input, target]) as [Tensor, Tensor];

function checkWeight(weight: Tensor, input: Tensor): void {
  if (shapeOf(weight) !== shapeOf(input))
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected weights of the input's shape, ${shapeOf(input)}, but received ${shapeOf(weight)}`,
    );
}

/** The weighted mean divides by the sum of the weights. */
function weighted(losses: Tensor, weight: Tensor, reduction: Reduction): Tensor {
  const sum = losses.mul(weight);
  return reduction === 'mean' ? sum.sum().div(weight.sum()) : reduce(sum, reduction);
}

/** |x − y|. */
export function l1Loss(
  input: Tensor,
  target: Tensor,
  { reduction = 'mean', weight = null }: WeightedOptions = {},
): Tensor {
  const code = reductionCode(reduction);
  const [x, y] = broadcast(input, target);
  if (weight === null) return torch.l1Loss(x, y, code);
  checkWeight(weight, input);
  return weighted(x.sub(y).abs(), weight, reduction);
}

/** (x − y)². */
export function mseLoss(
  input: Tensor,
  target: Tensor,
  { reduction = 'mean', weight = null }: WeightedOptions = {},
): Tensor {
  const code = reductionCode(reduction);
  const [x, y] = broadcast(input, target);
  if (weight === null) return torch.mseLoss(x, y, code);
  checkWeight(weight, input);
  return weighted(x.sub(y).pow(2), weight, reduction);
}

/** (x − y)² / 2β where |x − y| < β, |x − y| − β/2 elsewhere (Girshick 2015). @param options.beta @default 1 */
export function smoothL1Loss(
  input: Tensor,
  target: Tensor,
  { reduction = 'mean', beta = 1 }: ReductionOptions & { beta?: number } = {},
): Tensor {
  const code = reductionCode(reduction);
  const [x, y] = broadcast(input, target);
  return beta === 0 ? torch.l1Loss(x, y, code) : torch.smoothL1Loss(x, y, code, beta);
}

/** (x − y)² / 2 where |x − y| ≤ δ, δ(|x − y| − δ/2) elsewhere (Huber 1964). @param options.delta @default 1 */
export function huberLoss(
  input: Tensor,
  target: Tensor,
  { reduction = 'mean', delta = 1, weight = null }: WeightedOptions & { delta?: number } = {},
): Tensor {
  const [x, y] = broadcast(input, target);
  if (weight === null) return torch.huberLoss(x, y, reductionCode(reduction), delta);
  checkWeight(weight, input);
  return reduce(torch.huberLoss(x, y, reductionCode('none'), delta).mul(weight), reduction);
}

export interface PoissonOptions extends ReductionOptions {
  /** Whether the input is the logarithm of the rate. @default true */
  logInput?: boolean;
  /** Adds Stirling's approximation of log y!. @default false */
  full?: boolean;
  /** Added to the rate before its logarithm is taken. @default 1e-8 */
  eps?: number;
}

/** −log of a Poisson distribution: eˣ − y·x, or x − y·log(x + ε). */
export const poissonNllLoss = (
  input: Tensor,
  target: Tensor,
  { logInput = true, full = false, eps = 1e-8, reduction = 'mean' }: PoissonOptions = {},
): Tensor => torch.poissonNllLoss(input, target, logInput, full, eps, reductionCode(reduction));

export interface GaussianOptions extends ReductionOptions {
  /** Adds the constant, ½ log 2π. @default false */
  full?: boolean;
  /** The least variance. @default 1e-6 */
  eps?: number;
}

/** Whether the variance has the input's shape, but for its last dimension, which may lack, or for one of size 1. */
function fits(variance: readonly number[], input: readonly number[]): boolean {
  if (variance.length !== input.length) return false;
  const differing = input.filter((size, i) => size !== variance[i]);
  return differing.length <= 1 && variance.every((size, i) => size === input[i] || size === 1);
}

/**
 * −log of a normal distribution: ½ (log σ² + (x − y)² / σ²) (Nix & Weigend 1994).
 * @param variance σ², of the input's shape, or with its last dimension 1 or missing; or one number
 */
export function gaussianNllLoss(
  input: Tensor,
  target: Tensor,
  variance: Tensor | number,
  { full = false, eps = 1e-6, reduction = 'mean' }: GaussianOptions = {},
): Tensor {
  const { shape } = input;
  let σ2 = typeof variance === 'number' ? torch.fullLike(input, variance) : variance;
  if (shapeOf(σ2) === `[${shape.slice(0, -1).join(', ')}]`) σ2 = σ2.unsqueeze(-1);
  if (!fits(σ2.shape, shape))
    throw new IsotorchError(
      'ERR_SHAPE',
      `gaussianNllLoss: expected a variance of shape [${shape.join(', ')}], or 1 in one dimension, received ${shapeOf(σ2)}`,
    );
  if (capture.outside(() => σ2.lt(0).any().item()))
    throw new IsotorchError('ERR_DATA', 'gaussianNllLoss: expected variances of 0 or more, received some below');
  const variances = σ2.clone();
  torch.noGrad(() => void variances.clampMin_(eps));
  const losses = variances.log().add(input.sub(target).pow(2).div(variances)).mul(0.5);
  return reduce(full ? losses.add(0.5 * Math.log(2 * Math.PI)) : losses, reduction);
}
