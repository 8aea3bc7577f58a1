// Activations, a row each. As a layer each can stand in a Sequential; `nn.functional` has the same without one.

import { withDimensions } from '../arguments.js';
import { bare, choice, float, hidden, inplace, integer, number, orNull } from '../fields.js';
import * as F from '../functional/activations.js';
import { layer } from '../layer.js';

export type { InplaceOptions } from '../functional/activations.js';

type Inplace = [options?: F.InplaceOptions];

/** `max(0, x)` (`torch.nn.ReLU`). */
export class ReLU extends layer<Inplace>()({ inplace }, F.relu) {}

/** `min(max(0, x), 6)` (`torch.nn.ReLU6`). */
export class ReLU6 extends layer<Inplace>()({ inplace }, F.relu6) {}

/** x where positive, `negativeSlope`·x elsewhere (`torch.nn.LeakyReLU`). @param negativeSlope 0.01 */
export class LeakyReLU extends layer<[negativeSlope?: number, ...Inplace]>()(
  { negativeSlope: float(0.01), inplace },
  (x, { negativeSlope, inplace }) => F.leakyRelu(x, negativeSlope, { inplace }),
) {}

/** x where positive; elsewhere a·x, a random in training: U(lower, upper), 1/8 and 1/3 (`torch.nn.RReLU`). */
export class RReLU extends layer<[lower?: number, upper?: number, ...Inplace]>()(
  { lower: float(1 / 8), upper: float(1 / 3), inplace },
  (x, { lower, upper, inplace, training }) => F.rrelu(x, lower, upper, { training, inplace }),
) {}

/** x where positive, α(eˣ − 1) elsewhere (`torch.nn.ELU`). @param alpha 1 */
export class ELU extends layer<[alpha?: number, ...Inplace]>()({ alpha: float(1), inplace }, (x, { alpha, inplace }) =>
  F.elu(x, alpha, { inplace }),
) {}

/** x where positive, α(e^(x/α) − 1) elsewhere (`torch.nn.CELU`). @param alpha 1 */
export class CELU extends layer<[alpha?: number, ...Inplace]>()({ alpha: float(1), inplace }, (x, { alpha, inplace }) =>
  F.celu(x, alpha, { inplace }),
) {}

/** The self-normalising ELU (`torch.nn.SELU`). */
export class SELU extends layer<Inplace>()({ inplace }, F.selu) {}

/** x · Φ(x), Φ the normal distribution's (`torch.nn.GELU`). @param options.approximate `'tanh'` for the older form */
export class GELU extends layer<[options?: { approximate?: F.GeluApproximation }]>()(
  { approximate: choice('none', 'tanh') },
  F.gelu,
) {}

/** x · σ(x), also called Swish (`torch.nn.SiLU`). */
export class SiLU extends layer<Inplace>()({ inplace }, F.silu) {}

/** x · tanh(softplus(x)) (`torch.nn.Mish`). */
export class Mish extends layer<Inplace>()({ inplace }, F.mish) {}

/** x · relu6(x + 3) / 6 (`torch.nn.Hardswish`). */
export class Hardswish extends layer<Inplace>()({ inplace: hidden(inplace) }, F.hardswish) {}

/** relu6(x + 3) / 6 (`torch.nn.Hardsigmoid`). */
export class Hardsigmoid extends layer<Inplace>()({ inplace: hidden(inplace) }, F.hardsigmoid) {}

/** x, cut off at `minVal` and `maxVal`, −1 and 1 (`torch.nn.Hardtanh`). */
export class Hardtanh extends layer<[minVal?: number, maxVal?: number, ...Inplace]>()(
  { minVal: float(-1), maxVal: float(1), inplace },
  (x, { minVal, maxVal, inplace }) => F.hardtanh(x, minVal, maxVal, { inplace }),
) {}

/** x where above `threshold`, `value` elsewhere (`torch.nn.Threshold`). */
export class Threshold extends layer<[threshold: number, value: number, ...Inplace]>()(
  { threshold: number(), value: number(), inplace },
  (x, { threshold, value, inplace }) => F.threshold(x, threshold, value, { inplace }),
) {}

/** a·σ(b), a and b the halves of the input along `dim`, −1 (`torch.nn.GLU`). */
export class GLU extends layer<[dim?: number]>()({ dim: integer(-1) }, (x, { dim }) => F.glu(x, dim)) {}

/** 1 / (1 + e^−x) (`torch.nn.Sigmoid`). */
export class Sigmoid extends layer<[]>()({}, F.sigmoid) {}

/** log σ(x) (`torch.nn.LogSigmoid`). */
export class LogSigmoid extends layer<[]>()({}, F.logsigmoid) {}

/** The hyperbolic tangent (`torch.nn.Tanh`). */
export class Tanh extends layer<[]>()({}, F.tanh) {}

/** x − tanh(x) (`torch.nn.Tanhshrink`). */
export class Tanhshrink extends layer<[]>()({}, F.tanhshrink) {}

/** x / (1 + |x|) (`torch.nn.Softsign`). */
export class Softsign extends layer<[]>()({}, F.softsign) {}

/** log(1 + e^(βx)) / β, x itself where βx is above `threshold` (`torch.nn.Softplus`). @param beta 1 @param threshold 20 */
export class Softplus extends layer<[beta?: number, threshold?: number]>()(
  { beta: float(1), threshold: float(20) },
  (x, { beta, threshold }) => F.softplus(x, beta, threshold),
) {}

/** x where |x| > λ, 0 elsewhere (`torch.nn.Hardshrink`). @param lambd 0.5 */
export class Hardshrink extends layer<[lambd?: number]>()({ lambd: bare(float(0.5)) }, (x, { lambd }) =>
  F.hardshrink(x, lambd),
) {}

/** x moved by λ towards 0, which it does not pass (`torch.nn.Softshrink`). @param lambd 0.5 */
export class Softshrink extends layer<[lambd?: number]>()({ lambd: bare(float(0.5)) }, (x, { lambd }) =>
  F.softshrink(x, lambd),
) {}

const dim = orNull(integer());

/** e^xᵢ / Σⱼ e^xⱼ along `dim` (`torch.nn.Softmax`). */
export class Softmax extends layer<[dim?: number | null]>()({ dim }, (x, { dim }) => F.softmax(x, dim)) {}

/** Softmax of −x (`torch.nn.Softmin`). */
export class Softmin extends layer<[dim?: number | null]>()({ dim }, (x, { dim }) => F.softmin(x, dim)) {}

/** The logarithm of softmax, computed stably (`torch.nn.LogSoftmax`). */
export class LogSoftmax extends layer<[dim?: number | null]>()({ dim }, (x, { dim }) => F.logSoftmax(x, dim)) {}

/** Softmax over the channels of [N, C, H, W] or [C, H, W] (`torch.nn.Softmax2d`). */
export class Softmax2d extends layer<[]>()({}, (x) => F.softmax(withDimensions(x, 'Softmax2d', 3, 4), -3)) {}
