// Which modules of a network are its stages, where nobody has said: the blocks directly in it that give maps, such as the
// `layer1` … `layer4` of a ResNet; in a plain row of layers, the activations.

import { IsotorchError } from '../../errors.js';
import { type AnyModule, GELU, LeakyReLU, Module, ReLU, Sigmoid, SiLU, Tanh } from '../../nn/index.js';
import { Tensor } from '../../tensor/index.js';
import type { EvaluatedModel } from './model.js';
import { whileTapped } from './tap.js';

/** By path, in the order in which they run. @throws ERR_ARGUMENT when there are none */
export function findStages(model: EvaluatedModel, input: Tensor): ReadonlyMap<string, AnyModule> {
  const modules = model instanceof Module ? model.namedModules() : new Map<string, AnyModule>();
  /** Every module that ran, in the order in which they ended, and whether it gave a map. */
  const ran = new Map<AnyModule, boolean>();
  whileTapped(
    new Map(
      [...modules].map(([, module]) => [
        module,
        (result) => void ran.set(module, result instanceof Tensor && result.ndim >= 3),
      ]),
    ),
    () => model.forward(input),
  );
  const stages = model instanceof Module ? stagesIn(model, '', ran) : [];
  if (stages.length === 0)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `Expected blocks or activations in ${model.constructor?.name ?? 'the model'} that give maps [N, C, H, W] but found ` +
        "none: name the modules to look at, stages: ['layer1', 'layer2']",
    );
  const order = [...ran.keys()];
  return new Map(stages.sort(([, a], [, b]) => order.indexOf(a) - order.indexOf(b)));
}

function stagesIn(module: AnyModule, path: string, ran: ReadonlyMap<AnyModule, boolean>): [string, AnyModule][] {
  const children = [...module.namedChildren()]
    .filter(([, child]) => ran.has(child))
    .map(([name, child]): [string, AnyModule] => [path === '' ? name : `${path}.${name}`, child]);
  const blocks = children.filter(([, child]) => child.children().length > 0);
  const maps = blocks.filter(([, child]) => ran.get(child));
  if (maps.length > 0) return maps;
  for (const [inside, child] of blocks) {
    const found = stagesIn(child, inside, ran);
    if (found.length > 0) return found;
  }
  return children.filter(([, child]) => ran.get(child) && activations.some((kind) => child instanceof kind));
}

const activations = [ReLU, LeakyReLU, SiLU, GELU, Sigmoid, Tanh];
