// First values of parameters (`torch.nn.init`): in place, unrecorded, and from the same random numbers as PyTorch draws, so
// that one seed gives the same network in both languages. All return the tensor they filled.

import { expected, IsotorchError } from '../errors.js';
import { type Generator, Tensor, torch } from '../tensor/index.js';
import { finite } from './arguments.js';

export interface RandomOptions {
  /** Default: the default generator, which `torch.manualSeed` seeds. */
  generator?: Generator;
}

export type FanMode = 'fan_in' | 'fan_out';
export type Nonlinearity = 'linear' | 'conv2d' | 'sigmoid' | 'tanh' | 'relu' | 'leaky_relu' | 'selu';

function fill(tensor: Tensor, fn: () => void): Tensor {
  if (!(tensor instanceof Tensor)) throw expected('a Tensor', 'tensor', tensor);
  torch.noGrad(fn);
  return tensor;
}

/** U(from, to). */
export function uniform_(tensor: Tensor, from = 0, to = 1, { generator }: RandomOptions = {}): Tensor {
  finite(from, 'from');
  finite(to, 'to');
  return fill(tensor, () => void tensor.uniform_(from, to, generator ? { generator } : {}));
}

/** N(mean, std²). */
export function normal_(tensor: Tensor, mean = 0, std = 1, { generator }: RandomOptions = {}): Tensor {
  finite(mean, 'mean');
  finite(std, 'std');
  return fill(tensor, () => void tensor.normal_(mean, std, generator ? { generator } : {}));
}

export function constant_(tensor: Tensor, value: number): Tensor {
  if (typeof value !== 'number') throw expected('a number', 'value', value);
  return fill(tensor, () => void tensor.fill_(value));
}

export const zeros_ = (tensor: Tensor): Tensor => constant_(tensor, 0);

export const ones_ = (tensor: Tensor): Tensor => constant_(tensor, 1);

/**
 * How many inputs feed one output and how many outputs one input feeds, for weights [out, in, …kernel].
 * @throws ERR_SHAPE for tensors with fewer than two dimensions.
 */
export function calculateFans(tensor: Tensor): { fanIn: number; fanOut: number } {
  const [outputs, inputs, ...kernel] = tensor.shape;
  if (outputs === undefined || inputs === undefined) {
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected a tensor of two dimensions or more for fan-in and fan-out but received ${tensor.ndim}`,
    );
  }
  const field = kernel.reduce((product, size) => product * size, 1);
  return { fanIn: inputs * field, fanOut: outputs * field };
}

/** The recommended gain for a nonlinearity; `slope` is leaky ReLU's. */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  switch (nonlinearity) {
    case 'linear':
    case 'conv2d':
    case 'sigmoid':
      return 1;
    case 'tanh':
      return 5 / 3;
    case 'relu':
      return Math.sqrt(2);
    case 'leaky_relu':
      return Math.sqrt(2 / (1 + slope ** 2));
    case 'selu':
      return 3 / 4;
    default:
      throw expected('one of linear, conv2d, sigmoid, tanh, relu, leaky_relu, selu', 'nonlinearity', nonlinearity);
  }
}

export interface XavierOptions extends RandomOptions {
  /** Factor on the standard deviation, such as `calculateGain('tanh')`. @default 1 */
  gain?: number;
}

const xavierStd = (tensor: Tensor, gain: number) => {
  const { fanIn, fanOut } = calculateFans(tensor);
  return finite(gain, 'gain') * Math.sqrt(2 / (fanIn + fanOut));
};

/** U(−a, a), a = gain·√(6 / (fan-in + fan-out)). Glorot & Bengio 2010. */
export function xavierUniform_(tensor: Tensor, { gain = 1, ...random }: XavierOptions = {}): Tensor {
  const bound = Math.sqrt(3) * xavierStd(tensor, gain);
  return uniform_(tensor, -bound, bound, random);
}

/** N(0, σ²), σ = gain·√(2 / (fan-in + fan-out)). Glorot & Bengio 2010. */
export function xavierNormal_(tensor: Tensor, { gain = 1, ...random }: XavierOptions = {}): Tensor {
  return normal_(tensor, 0, xavierStd(tensor, gain), random);
}

export interface KaimingOptions extends RandomOptions {
  /** Leaky ReLU's slope for negative numbers. @default 0 */
  a?: number;
  /** Keep the size of activations (`fan_in`) or of gradients (`fan_out`). @default 'fan_in' */
  mode?: FanMode;
  /** @default 'leaky_relu' */
  nonlinearity?: Nonlinearity;
}

function kaimingStd(tensor: Tensor, { a = 0, mode = 'fan_in', nonlinearity = 'leaky_relu' }: KaimingOptions): number {
  if (mode !== 'fan_in' && mode !== 'fan_out') throw expected("'fan_in' or 'fan_out'", 'mode', mode);
  const { fanIn, fanOut } = calculateFans(tensor);
  return calculateGain(nonlinearity, finite(a, 'a')) / Math.sqrt(mode === 'fan_in' ? fanIn : fanOut);
}

const random = ({ generator }: RandomOptions): RandomOptions => (generator ? { generator } : {});

/** U(−b, b), b = gain·√(3 / fan). He et al. 2015. A tensor without elements stays as it is. */
export function kaimingUniform_(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  if (tensor.numel() === 0) return tensor;
  const bound = Math.sqrt(3) * kaimingStd(tensor, options);
  return uniform_(tensor, -bound, bound, random(options));
}

/** N(0, σ²), σ = gain / √fan. He et al. 2015. A tensor without elements stays as it is. */
export function kaimingNormal_(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  if (tensor.numel() === 0) return tensor;
  return normal_(tensor, 0, kaimingStd(tensor, options), random(options));
}

/** The first values of weights and bias of Linear and the convolutions: both U(−1/√fan-in, 1/√fan-in), weights first. */
export function linearDefault_(weight: Tensor, bias: Tensor | null): void {
  kaimingUniform_(weight, { a: Math.sqrt(5) });
  if (bias === null) return;
  const { fanIn } = calculateFans(weight);
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  uniform_(bias, -bound, bound);
}
