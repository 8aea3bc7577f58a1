// Gradients as values, and the modes that switch recording off and on again.

import { types } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import { native } from '../native.js';
import { dependsOn } from './capture/recording.js';
import { hooksNow } from './gradientHooks.js';
import { Tensor } from './tensor.js';

function handles(tensors: readonly (Tensor | null)[], name: string, optional = false): Float64Array {
  return Float64Array.from(tensors, (tensor) => {
    if (tensor instanceof Tensor) return tensor.handle;
    if (optional && (tensor === null || tensor === undefined)) return 0;
    throw expected('Tensors', name, tensor);
  });
}

/** One tensor stands for an array of it, as in PyTorch. */
function listed<T extends Tensor | null>(given: Tensor | readonly T[], name: string): readonly (Tensor | T)[] {
  if (given instanceof Tensor) return [given];
  if (!Array.isArray(given)) throw expected('a Tensor or an array of Tensors', name, given);
  return given;
}

/**
 * The gradients of the sum of `outputs` with respect to each of `inputs` (`torch.autograd.grad`).
 * @returns one tensor for each input, of its shape; null where `allowUnused` and it took no part.
 * @throws ERR_AUTOGRAD if an input took no part, or nothing was recorded.
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: {
    gradOutputs?: Tensor | readonly (Tensor | null)[];
    retainGraph?: boolean;
    createGraph?: boolean;
    allowUnused?: false;
  },
): Tensor[];
export function grad(outputs: Tensor | readonly Tensor[], inputs: Tensor | readonly Tensor[]): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: {
    gradOutputs?: Tensor | readonly (Tensor | null)[];
    retainGraph?: boolean;
    createGraph?: boolean;
    allowUnused?: boolean;
  },
): (Tensor | null)[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: {
    gradOutputs?: Tensor | readonly (Tensor | null)[];
    retainGraph?: boolean;
    createGraph?: boolean;
    allowUnused?: boolean;
  } = {},
): (Tensor | null)[] {
  const from = listed(outputs, 'outputs');
  const to = listed(inputs, 'inputs');
  const { createGraph = false, retainGraph = createGraph, allowUnused = false } = options;
  const seeds = listed(options.gradOutputs ?? from.map(() => null), 'gradOutputs');
  if (seeds.length !== from.length) {
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `Expected one of gradOutputs for each output (${from.length}) but received ${seeds.length}`,
    );
  }
  dependsOn(hooksNow);
  const gradients = native.grad(
    handles(from, 'outputs'),
    handles(to, 'inputs'),
    handles(seeds, 'gradOutputs', true),
    retainGraph,
    createGraph,
    allowUnused,
  );
  return gradients.map((handle) => (handle === null ? null : new Tensor(handle)));
}

function withGradMode<T>(enabled: boolean, fn: () => T): T {
  if (typeof fn !== 'function') throw expected('a function', 'fn', fn);
  const before = native.gradMode(enabled);
  try {
    return refuseAsync(fn());
  } finally {
    native.gradMode(before);
  }
}

/** The mode ends when `fn` returns; what an async one does after its first await would run outside of it. */
export function refuseAsync<T>(result: T): T {
  if (types.isPromise(result)) {
    result.catch(() => {});
    throw new IsotorchError('ERR_ARGUMENT', 'Expected a function that returns its result but received an async one');
  }
  return result;
}

/** Runs `fn` without recording for backward (`torch.no_grad`). */
export const noGrad = <T>(fn: () => T): T => withGradMode(false, fn);

/** Runs `fn` with recording, inside noGrad (`torch.enable_grad`). */
export const enableGrad = <T>(fn: () => T): T => withGradMode(true, fn);

export const isGradEnabled = (): boolean => native.gradMode();

/** Runs `fn` in inference mode (`torch.inference_mode`): faster than noGrad, and its tensors never take part in a graph. */
export function inferenceMode<T>(fn: () => T): T {
  if (typeof fn !== 'function') throw expected('a function', 'fn', fn);
  native.beginInference(true);
  try {
    return refuseAsync(fn());
  } finally {
    native.endInference();
  }
}
