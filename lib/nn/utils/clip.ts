// Gradients kept small (`torch.nn.utils.clip_grad_norm_` and its relatives). Nothing here reads a value, so that all of it
// works in captured steps.

import { expected, IsotorchError } from '../../errors.js';
import { type Parameter, Tensor, tidy, torch } from '../../tensor/index.js';
import { positive } from '../arguments.js';

export interface NormOptions {
  /** The p of the norm; `Infinity` for the largest value. @default 2 */
  normType?: number;
  /** Whether a norm that is NaN or infinite throws: reads the value, which captured steps can't. @default false */
  errorIfNonfinite?: boolean;
}

type Parameters = Tensor | Iterable<Tensor>;

function listOf(parameters: Parameters): Tensor[] {
  const list = parameters instanceof Tensor ? [parameters] : [...parameters];
  for (const item of list) if (!(item instanceof Tensor)) throw expected('Tensors', 'parameters', item);
  return list;
}

const gradientsOf = (parameters: Parameters): Tensor[] =>
  listOf(parameters).flatMap(({ grad }) => (grad === null ? [] : [grad.detach()]));

/** By device and dtype, which LibTorch's operators on lists want alike. */
function* grouped(tensors: readonly Tensor[]): Iterable<Tensor[]> {
  const groups = new Map<string, Tensor[]>();
  for (const tensor of tensors) {
    const key = `${tensor.device} ${tensor.dtype}`;
    const group = groups.get(key);
    if (group) group.push(tensor);
    else groups.set(key, [tensor]);
  }
  yield* groups.values();
}

/** The norm of all tensors as one vector, as a tensor (`torch.nn.utils.get_total_norm`); 0 of none. */
export function getTotalNorm(
  tensors: Parameters,
  { normType = 2, errorIfNonfinite = false }: NormOptions = {},
): Tensor {
  const list = listOf(tensors);
  if (typeof normType !== 'number' || Number.isNaN(normType)) throw expected('a number', 'normType', normType);
  if (list.length === 0) return torch.tensor(0, { dtype: 'float32' });
  const total = tidy(() => {
    const norms = [...grouped(list)].flatMap((group) => torch._foreachNorm(group, normType));
    const { device } = list[0]!;
    return torch.linalg.vectorNorm(torch.stack(norms.map((norm) => norm.to(device))), normType);
  });
  if (errorIfNonfinite && !Number.isFinite(total.item()))
    throw new IsotorchError(
      'ERR_DATA',
      `The total norm of order ${normType} is ${total.item()}, so gradients can't be clipped by it`,
    );
  return total;
}

/**
 * Scales all gradients so that their norm as one vector is at most `maxNorm` (`torch.nn.utils.clip_grad_norm_`).
 * @returns the norm before.
 * @throws ERR_DATA with `errorIfNonfinite` where it is NaN or infinite.
 * @example loss.backward(); nn.utils.clipGradNorm_(model.parameters(), 1); optimizer.step();
 */
export function clipGradNorm_(parameters: Parameters, maxNorm: number, options: NormOptions = {}): Tensor {
  if (typeof maxNorm !== 'number' || !(maxNorm >= 0)) throw expected('a number of 0 or more', 'maxNorm', maxNorm);
  return torch.noGrad(() => {
    const gradients = gradientsOf(parameters);
    const total = getTotalNorm(gradients, options);
    scale(gradients, maxNorm, total);
    return total;
  });
}

/** `clipGradNorm_` with a norm that is known (`torch.nn.utils.clip_grads_with_norm_`). */
export function clipGradsWithNorm_(parameters: Parameters, maxNorm: number, totalNorm: Tensor): void {
  torch.noGrad(() => scale(gradientsOf(parameters), maxNorm, totalNorm));
}

function scale(gradients: readonly Tensor[], maxNorm: number, total: Tensor): void {
  tidy(() => {
    // Multiplying by 1 where nothing is to do costs less than asking whether there is.
    const factor = torch
      .tensor(maxNorm, { dtype: total.dtype, device: total.device })
      .div(total.add(1e-6))
      .clamp(null, 1);
    for (const group of grouped(gradients)) torch._foreachMul_(group, factor.to(group[0]!.device));
  });
}

/** Cuts each entry of all gradients to [−clipValue, clipValue] (`torch.nn.utils.clip_grad_value_`). */
export function clipGradValue_(parameters: Parameters, clipValue: number): void {
  positive(clipValue, 'clipValue');
  torch.noGrad(() => {
    for (const group of grouped(gradientsOf(parameters))) {
      torch._foreachClampMin_(group, -clipValue);
      torch._foreachClampMax_(group, clipValue);
    }
  });
}

/** All parameters in a row, [sum of sizes] (`torch.nn.utils.parameters_to_vector`); gradients flow back. */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  return torch.cat(listOf(parameters).map((parameter) => parameter.reshape([-1])));
}

/**
 * The way back (`torch.nn.utils.vector_to_parameters`): the vector's values are copied into the parameters.
 * @throws ERR_SHAPE where the sizes don't add up.
 */
export function vectorToParameters(vector: Tensor, parameters: Iterable<Parameter>): void {
  if (!(vector instanceof Tensor)) throw expected('a Tensor', 'vector', vector);
  const list = listOf(parameters);
  const sizes = list.map((parameter) => parameter.numel());
  const sum = sizes.reduce((total, size) => total + size, 0);
  if (vector.ndim !== 1 || vector.numel() !== sum)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected a vector of ${sum} values for the parameters but received [${vector.shape.join(', ')}]`,
    );
  torch.noGrad(() =>
    tidy(() => {
      let from = 0;
      for (const [i, parameter] of list.entries()) {
        parameter.copy_(vector.narrow(0, from, sizes[i]!).view(parameter.shape));
        from += sizes[i]!;
      }
    }),
  );
}
