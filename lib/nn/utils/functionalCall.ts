// A module's forward with other tensors than its own (`torch.func.functional_call`): for gradients of gradients of training
// steps, ensembles, and the like.

import { expected, IsotorchError } from '../../errors.js';
import { Buffer, Parameter, Tensor } from '../../tensor/index.js';
import type { AnyModule, Module } from '../module.js';
import { snakeCase } from '../names.js';

type Fields = Record<string, unknown>;

/** The field of the module that holds its tensor of that name. */
function fieldOf(owner: AnyModule, name: string): string | undefined {
  return Object.entries(owner).find(
    ([field, value]) => (value instanceof Parameter || value instanceof Buffer) && snakeCase(field) === name,
  )?.[0];
}

/**
 * What `module.forward(...args)` gives with the tensors of `tensors`, by path, in the places of its own; those that are not
 * there stay. Gradients flow to the given tensors.
 * @throws ERR_ARGUMENT for paths where the module has no field with a parameter or buffer
 * @example const adapted = functionalCall(net, { weight: net.weight.sub(gradient.mul(0.1)) }, x);
 */
export function functionalCall<Output, Inputs extends unknown[]>(
  module: Module<Output, Inputs>,
  tensors: Readonly<Record<string, Tensor>> | Iterable<readonly [string, Tensor]>,
  ...args: Inputs
): Output {
  const entries = Symbol.iterator in tensors ? [...tensors] : Object.entries(tensors);
  const replaced = entries.map(([path, tensor]) => {
    if (!(tensor instanceof Tensor)) throw expected('a Tensor', path, tensor);
    const dot = path.lastIndexOf('.');
    const owner = module.getSubmodule(path.slice(0, Math.max(dot, 0)));
    const field = fieldOf(owner, path.slice(dot + 1));
    if (field === undefined)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `${module.constructor.name} has no field with a parameter or a buffer at ${JSON.stringify(path)}`,
      );
    return { fields: owner as unknown as Fields, field, tensor };
  });
  const before = replaced.map(({ fields, field }) => fields[field]);
  try {
    for (const { fields, field, tensor } of replaced) fields[field] = tensor;
    return module.forward(...args);
  } finally {
    for (const [i, { fields, field }] of replaced.entries()) fields[field] = before[i];
  }
}
