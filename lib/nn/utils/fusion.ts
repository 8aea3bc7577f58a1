// Batch normalisation of evaluation, folded into the layer before it (`torch.nn.utils.fusion`): one layer computes both.

import { expected } from '../../errors.js';
import { Parameter, Tensor, torch } from '../../tensor/index.js';
import { Linear } from '../layers/linear.js';
import { type AnyModule, Module } from '../module.js';
import { undrawn } from '../undrawn.js';

/** What of a batch normalisation matters in evaluation. */
export interface Normalization {
  runningMean: Tensor | null;
  runningVar: Tensor | null;
  eps: number;
  weight: Tensor | null;
  bias: Tensor | null;
}

/**
 * Weight and bias of a convolution, followed by batch normalisation with these statistics, as one
 * (`torch.nn.utils.fuse_conv_bn_weights`).
 * @param transpose whether the weight is a transposed convolution's, with outputs in its second dimension.
 */
export function fuseConvBnWeights(
  weight: Tensor,
  bias: Tensor | null,
  { runningMean, runningVar, eps, weight: scale, bias: shift }: Normalization,
  { transpose = false }: { transpose?: boolean } = {},
): [weight: Tensor, bias: Tensor] {
  if (!(runningMean instanceof Tensor) || !(runningVar instanceof Tensor))
    throw expected('a batch normalisation with running statistics', 'norm', runningMean);
  return torch.noGrad(() => {
    const factor = runningVar
      .add(eps)
      .rsqrt()
      .mul(scale ?? torch.onesLike(runningVar));
    const shape = weight.shape.map((_, i) => (i === (transpose ? 1 : 0) ? -1 : 1));
    const fusedWeight = weight.mul(factor.reshape(shape)).to(weight.dtype);
    const centred = (bias ?? torch.zerosLike(runningMean)).sub(runningMean).mul(factor);
    return [fusedWeight.detach(), (shift === null ? centred : centred.add(shift)).to(weight.dtype).detach()];
  });
}

/** The same of a linear layer (`torch.nn.utils.fuse_linear_bn_weights`). */
export function fuseLinearBnWeights(
  weight: Tensor,
  bias: Tensor | null,
  norm: Normalization,
): [weight: Tensor, bias: Tensor] {
  return fuseConvBnWeights(weight, bias, norm);
}

/** A convolution, by what it was made with. */
interface Convolution extends Module {
  weight: Parameter;
  bias: Parameter | null;
}
type Settings = Record<string, unknown>;

const settingsOf = ['stride', 'padding', 'outputPadding', 'dilation', 'groups', 'paddingMode'] as const;

function evaluated(layer: AnyModule, norm: AnyModule): void {
  if (!(layer instanceof Module)) throw expected('a Module', 'layer', layer);
  if (layer.training || norm.training)
    throw expected('modules in evaluation mode: call eval() first,', 'fusion', layer.brief());
}

function filled<M extends Convolution>(layer: M, [weight, bias]: [Tensor, Tensor]): M {
  layer.weight = new Parameter(weight, layer.weight.requiresGrad);
  layer.bias = new Parameter(bias, layer.weight.requiresGrad);
  return layer.eval();
}

/**
 * A convolution that computes what `conv` and then `bn` do in evaluation (`torch.nn.utils.fuse_conv_bn_eval`).
 * @throws ERR_ARGUMENT for modules in training mode, or without running statistics
 */
export function fuseConvBnEval<C extends Convolution>(
  conv: C,
  bn: AnyModule & Normalization,
  { transpose = false }: { transpose?: boolean } = {},
): C {
  evaluated(conv, bn);
  const fused = fuseConvBnWeights(conv.weight, conv.bias, bn, { transpose });
  const { inChannels, outChannels, kernelSize, ...fields } = conv as unknown as Settings;
  const options = Object.fromEntries(
    settingsOf.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]),
  );
  const { dtype, device } = conv.weight;
  const Made = conv.constructor as new (...args: unknown[]) => C;
  return filled(
    undrawn(device, () => new Made(inChannels, outChannels, kernelSize, { ...options, dtype, device })),
    fused,
  );
}

/**
 * A linear layer that computes what `linear` and then `bn` do in evaluation (`torch.nn.utils.fuse_linear_bn_eval`).
 * @throws ERR_ARGUMENT for modules in training mode, or without running statistics
 */
export function fuseLinearBnEval(linear: Linear, bn: AnyModule & Normalization): Linear {
  evaluated(linear, bn);
  const fused = fuseLinearBnWeights(linear.weight, linear.bias, bn);
  const { dtype, device } = linear.weight;
  const made = undrawn(device, () => new Linear(linear.inFeatures, linear.outFeatures, { dtype, device }));
  return filled(made, fused);
}
