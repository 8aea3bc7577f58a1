// Activations of `torch.nn.functional`: element by element, and the softmax family along a dimension.

import { expected } from '../../errors.js';
import { type DType, type Tensor, torch } from '../../tensor/index.js';

export interface InplaceOptions {
  /** Writes into the input instead of a new tensor: less memory, and the input is gone. @default false */
  inplace?: boolean;
}

/** `max(0, x)`. */
export const relu = (input: Tensor, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.relu_() : input.relu();

/** `min(max(0, x), 6)`. */
export const relu6 = (input: Tensor, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.relu6_() : input.relu6();

/** x where above `threshold`, `value` elsewhere. */
export const threshold = (
  input: Tensor,
  threshold: number,
  value: number,
  { inplace = false }: InplaceOptions = {},
): Tensor => (inplace ? input.threshold_(threshold, value) : input.threshold(threshold, value));

/** x, cut off at `minVal` and `maxVal`. */
export function hardtanh(input: Tensor, minVal = -1, maxVal = 1, { inplace = false }: InplaceOptions = {}): Tensor {
  if (minVal > maxVal) throw expected(`a number not below minVal, ${minVal},`, 'maxVal', maxVal);
  return inplace ? input.hardtanh_(minVal, maxVal) : input.hardtanh(minVal, maxVal);
}

/** x where positive, α(eˣ − 1) elsewhere (Clevert et al. 2016). */
export const elu = (input: Tensor, alpha = 1, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.elu_(alpha) : input.elu(alpha);

/** ELU with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017). */
export const selu = (input: Tensor, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.selu_() : input.selu();

/** x where positive, α(e^(x/α) − 1) elsewhere (Barron 2017). */
export const celu = (input: Tensor, alpha = 1, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.celu_(alpha) : input.celu(alpha);

/** x where positive, `negativeSlope`·x elsewhere. */
export const leakyRelu = (input: Tensor, negativeSlope = 0.01, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.leakyRelu_(negativeSlope) : input.leakyRelu(negativeSlope);

/** x where positive; elsewhere a·x, a from U(lower, upper) in training and their mean in evaluation (Xu et al. 2015). */
export const rrelu = (
  input: Tensor,
  lower = 1 / 8,
  upper = 1 / 3,
  { training = false, inplace = false }: InplaceOptions & { training?: boolean } = {},
): Tensor => (inplace ? input.rrelu_(lower, upper, training) : input.rrelu(lower, upper, training));

/** x where positive, `weight`·x elsewhere; `weight` has one number, or one for each channel (He et al. 2015). */
export const prelu = (input: Tensor, weight: Tensor): Tensor => input.prelu(weight);

/** Half of the input gated by the sigmoid of the other half, a·σ(b), split along `dim` (Dauphin et al. 2017). */
export const glu = (input: Tensor, dim = -1): Tensor => input.glu(dim);

export type GeluApproximation = 'none' | 'tanh';

/** x · Φ(x), Φ the normal distribution's. @param options.approximate `'tanh'` for the older form. @default 'none' */
export const gelu = (input: Tensor, { approximate = 'none' }: { approximate?: GeluApproximation } = {}): Tensor =>
  approximate === 'none' ? input.gelu() : input.gelu({ approximate });

/** x · σ(x), also called Swish. */
export const silu = (input: Tensor, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.silu_() : input.silu();

/** x · tanh(softplus(x)) (Misra 2019). */
export const mish = (input: Tensor, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.mish_() : input.mish();

/** x · relu6(x + 3) / 6 (Howard et al. 2019). */
export const hardswish = (input: Tensor, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.hardswish_() : input.hardswish();

/** relu6(x + 3) / 6. */
export const hardsigmoid = (input: Tensor, { inplace = false }: InplaceOptions = {}): Tensor =>
  inplace ? input.hardsigmoid_() : input.hardsigmoid();

/** 1 / (1 + e^−x). */
export const sigmoid = (input: Tensor): Tensor => input.sigmoid();

/** log σ(x). */
export const logsigmoid = (input: Tensor): Tensor => input.logSigmoid();

/** The hyperbolic tangent. */
export const tanh = (input: Tensor): Tensor => input.tanh();

/** x − tanh(x). */
export const tanhshrink = (input: Tensor): Tensor => input.sub(input.tanh());

/** x / (1 + |x|). */
export const softsign = (input: Tensor): Tensor => input.div(input.abs().add(1));

/** log(1 + e^(βx)) / β, and x itself where βx is above `threshold`. */
export const softplus = (input: Tensor, beta = 1, threshold = 20): Tensor => input.softplus(beta, threshold);

/** x where |x| > λ, 0 elsewhere. */
export const hardshrink = (input: Tensor, lambd = 0.5): Tensor => input.hardshrink(lambd);

/** x moved by λ towards 0, which it does not pass. */
export const softshrink = (input: Tensor, lambd = 0.5): Tensor => input.softshrink(lambd);

export interface SoftmaxOptions {
  /** Computes in this dtype, against overflow. @default the input's */
  dtype?: DType;
}

/** The dimension that PyTorch takes, with a warning, where none is given. */
const implicitDim = (input: Tensor) => ([0, 1, 3].includes(input.ndim) ? 0 : 1);

/** e^xᵢ / Σⱼ e^xⱼ along `dim`. PyTorch's old default for no `dim`, 0 or 1 by the number of dimensions, is kept. */
export const softmax = (input: Tensor, dim?: number | null, { dtype }: SoftmaxOptions = {}): Tensor =>
  dtype ? input.softmax(dim ?? implicitDim(input), dtype) : input.softmax(dim ?? implicitDim(input));

/** softmax(−x). */
export const softmin = (input: Tensor, dim?: number | null, options: SoftmaxOptions = {}): Tensor =>
  softmax(input.neg(), dim, options);

/** log softmax(x), computed stably. */
export const logSoftmax = (input: Tensor, dim?: number | null, { dtype }: SoftmaxOptions = {}): Tensor =>
  dtype ? input.logSoftmax(dim ?? implicitDim(input), dtype) : input.logSoftmax(dim ?? implicitDim(input));

/**
 * Draws from the Gumbel-softmax distribution (Jang et al. 2017), differentiable in the logits.
 * @param options.tau temperature. @default 1
 * @param options.hard gives one-hot rows, with the soft rows' gradient. @default false
 * @param options.dim @default -1
 */
export function gumbelSoftmax(
  logits: Tensor,
  { tau = 1, hard = false, dim = -1 }: { tau?: number; hard?: boolean; dim?: number } = {},
): Tensor {
  const gumbels = torch.emptyLike(logits, { memoryFormat: 'contiguous_format' }).exponential_().log().neg();
  const soft = logits.add(gumbels).div(tau).softmax(dim);
  if (!hard) return soft;
  const index = soft.argmax(dim, true);
  return torch.zerosLike(logits).scatter_(dim, index, 1).sub(soft.detach()).add(soft);
}

/** In-place forms, by PyTorch's names. */
export const relu_ = (input: Tensor): Tensor => input.relu_();
export const threshold_ = (input: Tensor, threshold: number, value: number): Tensor =>
  input.threshold_(threshold, value);
export const hardtanh_ = (input: Tensor, minVal = -1, maxVal = 1): Tensor => input.hardtanh_(minVal, maxVal);
export const elu_ = (input: Tensor, alpha = 1): Tensor => input.elu_(alpha);
export const selu_ = (input: Tensor): Tensor => input.selu_();
export const celu_ = (input: Tensor, alpha = 1): Tensor => input.celu_(alpha);
export const leakyRelu_ = (input: Tensor, negativeSlope = 0.01): Tensor => input.leakyRelu_(negativeSlope);
export const rrelu_ = (input: Tensor, lower = 1 / 8, upper = 1 / 3, { training = false } = {}): Tensor =>
  input.rrelu_(lower, upper, training);
