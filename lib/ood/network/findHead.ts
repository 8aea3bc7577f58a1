// Which module of a network is its last layer: of all linear layers and heads of losses, the one whose result is the very
// tensor that the model gives. Seen by running one input, so that it is a fact and no guess by name or place.

import { IsotorchError } from '../../errors.js';
import { Head } from '../../losses/index.js';
import { type AnyModule, Linear, Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { EvaluatedModel } from './model.js';
import { whileTapped } from './tap.js';

/** @throws ERR_ARGUMENT when no such module gives the model's result */
export function findHead(model: EvaluatedModel, input: Tensor): AnyModule {
  const candidates = model instanceof Module ? [...model.namedModules()].filter(([, inside]) => isHead(inside)) : [];
  const outputs = new Map<AnyModule, unknown>();
  const output = whileTapped(
    new Map(candidates.map(([, module]) => [module, (result) => void outputs.set(module, result)])),
    () => model.forward(input),
  );
  const found = [...outputs].findLast(([, result]) => result === output);
  if (found) return found[0];
  const name = model.constructor?.name ?? 'The model';
  const advice =
    "Give head: the path of its last layer, such as 'classifier', or the module. A model that is one function, such as a " +
    'TorchScript, has no layer to look at: let it give features, and put a head behind it';
  throw new IsotorchError(
    'ERR_ARGUMENT',
    candidates.length === 0
      ? `Features are what a network's last layer is given, and ${name} shows no nn.Linear and no head of a loss. ${advice}`
      : `Features are what a network's last layer is given, but the result of ${name} comes from none of ` +
          `${candidates.map(([path]) => path || name).join(', ')}. ${advice}`,
  );
}

function isHead(module: AnyModule): boolean {
  return module instanceof Linear || module instanceof Head;
}
