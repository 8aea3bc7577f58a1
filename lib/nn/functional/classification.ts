// Losses of classes: numbers of classes or their probabilities as target, and one or several right ones.

import { expected, IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import { type Reduction, type ReductionOptions, reduce, reductionCode } from './reduction.js';

export interface ClassOptions extends ReductionOptions {
  /** The weight of each class. @default null */
  weight?: Tensor | null;
}

export interface NllOptions extends ClassOptions {
  /** Targets of this class do not count. @default -100 */
  ignoreIndex?: number;
}

/** −xᵧ of log-probabilities [N, C, …] for classes [N, …]. */
export const nllLoss = (
  input: Tensor,
  target: Tensor,
  { weight = null, ignoreIndex = -100, reduction = 'mean' }: NllOptions = {},
): Tensor => torch.nllLossNd(input, target, weight, reductionCode(reduction), ignoreIndex);

export interface CrossEntropyOptions extends NllOptions {
  /** How much of the target is spread over all classes, from 0 to 1. @default 0 */
  labelSmoothing?: number;
}

/** −log softmax(x)ᵧ of logits [N, C, …] for classes [N, …], or for probabilities of the logits' shape. */
export const crossEntropy = (
  input: Tensor,
  target: Tensor,
  { weight = null, ignoreIndex = -100, reduction = 'mean', labelSmoothing = 0 }: CrossEntropyOptions = {},
): Tensor => torch.crossEntropyLoss(input, target, weight, reductionCode(reduction), ignoreIndex, labelSmoothing);

export interface LinearCrossEntropyOptions extends ClassOptions {
  linearBias?: Tensor | null;
  /** Targets of this class do not count. @default null, −100 */
  ignoreIndex?: number | null;
  /** @default 0 */
  labelSmoothing?: number;
}

/**
 * `crossEntropy` of the logits `x·Wᵀ + b`, with W [classes, …outputs, features], for targets [N, …outputs].
 * @throws ERR_SHAPE for shapes that do not go together.
 */
export function linearCrossEntropy(
  input: Tensor,
  linearWeight: Tensor,
  target: Tensor,
  {
    linearBias = null,
    weight = null,
    reduction = 'mean',
    ignoreIndex = null,
    labelSmoothing = 0,
  }: LinearCrossEntropyOptions = {},
): Tensor {
  const [classes, ...rest] = linearWeight.shape;
  const features = rest.pop();
  const batch = input.shape.slice(0, -1);
  if (classes === undefined || features === undefined || batch.length > 1 || input.shape.at(-1) !== features)
    throw new IsotorchError(
      'ERR_SHAPE',
      `linearCrossEntropy: expected input [N, features] and weights [classes, …, features], received [${input.shape.join(', ')}] and [${linearWeight.shape.join(', ')}]`,
    );
  const shape = [...batch, classes, ...rest];
  if (ignoreIndex !== null && target.shape.join() === shape.join())
    throw expected('null where the target holds probabilities', 'ignoreIndex', ignoreIndex);
  const bias = linearBias === null ? null : linearBias.reshape([-1]);
  const logits = torch.linear(input, linearWeight.reshape([-1, features]), bias).reshape(shape);
  return crossEntropy(logits, target, { weight, reduction, ignoreIndex: ignoreIndex ?? -100, labelSmoothing });
}

/** −(y log x + (1 − y) log(1 − x)) of probabilities x. `weight` broadcasts to the target. */
export function binaryCrossEntropy(
  input: Tensor,
  target: Tensor,
  { weight = null, reduction = 'mean' }: ClassOptions = {},
): Tensor {
  sameShape('binaryCrossEntropy', input, target);
  const weights = weight === null ? null : (torch.broadcastTensors([target, weight])[1] as Tensor);
  return torch.binaryCrossEntropy(input, target, weights, reductionCode(reduction));
}

export interface LogitsOptions extends ClassOptions {
  /** The weight of positive targets. @default null */
  posWeight?: Tensor | null;
}

/** The same of logits, σ(x), computed stably. */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  { weight = null, reduction = 'mean', posWeight = null }: LogitsOptions = {},
): Tensor {
  sameShape('binaryCrossEntropyWithLogits', input, target);
  return torch.binaryCrossEntropyWithLogits(input, target, weight, posWeight, reductionCode(reduction));
}

function sameShape(name: string, input: Tensor, target: Tensor): void {
  const [given, wanted] = [target.shape.join(', '), input.shape.join(', ')];
  if (given !== wanted)
    throw new IsotorchError(
      'ERR_SHAPE',
      `${name}: expected a target of the input's shape, [${wanted}], received [${given}]`,
    );
}

export interface KLDivOptions {
  /** `'batchmean'`, the sum over the batch's size, is the divergence; `'mean'` divides by all elements. @default 'mean' */
  reduction?: Reduction | 'batchmean';
  /** Whether the target is a logarithm too. @default false */
  logTarget?: boolean;
}

/** y (log y − x) of log-probabilities x: the Kullback–Leibler divergence. */
export function klDiv(
  input: Tensor,
  target: Tensor,
  { reduction = 'mean', logTarget = false }: KLDivOptions = {},
): Tensor {
  const code = reductionCode(reduction === 'batchmean' ? 'sum' : reduction);
  const divergence = torch.klDiv(input, target, code, { logTarget });
  return reduction === 'batchmean' && input.ndim > 0 ? divergence.div(input.shape[0] as number) : divergence;
}

export interface MultiMarginOptions extends ClassOptions {
  /** 1 or 2. @default 1 */
  p?: number;
  /** @default 1 */
  margin?: number;
}

/** Σᵢ max(0, margin − xᵧ + xᵢ)ᵖ / C over the wrong classes of [N, C]. */
export function multiMarginLoss(
  input: Tensor,
  target: Tensor,
  { p = 1, margin = 1, weight = null, reduction = 'mean' }: MultiMarginOptions = {},
): Tensor {
  if (p !== 1 && p !== 2) throw expected('1 or 2', 'p', p);
  return torch.multiMarginLoss(input, target, p, margin, weight, reductionCode(reduction));
}

/** Σᵢⱼ max(0, 1 − xᵧⱼ + xᵢ) / C for several right classes: target [N, C] lists them, up to the first −1. */
export const multilabelMarginLoss = (
  input: Tensor,
  target: Tensor,
  { reduction = 'mean' }: ReductionOptions = {},
): Tensor => torch.multilabelMarginLoss(input, target, reductionCode(reduction));

/** log(1 + e^(−y·x)) for targets −1 and 1. */
export const softMarginLoss = (input: Tensor, target: Tensor, { reduction = 'mean' }: ReductionOptions = {}): Tensor =>
  torch.softMarginLoss(input, target, reductionCode(reduction));

/** The mean over classes of −(y log σ(x) + (1 − y) log σ(−x)), for targets 0 and 1 of the input's shape. */
export function multilabelSoftMarginLoss(
  input: Tensor,
  target: Tensor,
  { weight = null, reduction = 'mean' }: ClassOptions = {},
): Tensor {
  const right = target.mul(input.logSigmoid());
  const wrong = target.neg().add(1).mul(input.neg().logSigmoid());
  const losses = right.add(wrong).neg();
  const ofClasses = weight === null ? losses : losses.mul(weight);
  return reduce(ofClasses.sum([-1]).div(input.shape.at(-1) ?? 1), reduction);
}

export interface CTCOptions extends ReductionOptions {
  /** The class that means nothing. @default 0 */
  blank?: number;
  /** Losses that are infinite, where the target is longer than the input, as 0. @default false */
  zeroInfinity?: boolean;
}

/**
 * Connectionist temporal classification (Graves et al. 2006) of log-probabilities [T, N, C] or [T, C].
 * @param targets [N, S], or all in one dimension
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Tensor | readonly number[],
  targetLengths: Tensor | readonly number[],
  { blank = 0, reduction = 'mean', zeroInfinity = false }: CTCOptions = {},
): Tensor {
  const lengths = [inputLengths, targetLengths] as [Tensor, Tensor]; // or both lists: the operator has two forms
  return torch.ctcLoss(logProbs, targets, ...lengths, blank, reductionCode(reduction), zeroInfinity);
}
