// Modules one after the other.

import { expected } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { Module } from './module.js';
import { ModuleSequence } from './moduleSequence.js';

/** What can stand in a row: takes a tensor and gives one. Whatever else `forward` takes (masks, sizes) is left to its defaults. */
export type SequentialLayer = Module<Tensor, [input: Tensor, ...others: never[]]>;

/**
 * Gives its input to the first module, what that gives to the second, and so on (`torch.nn.Sequential`). Modules are named
 * '0', '1', …, or as the keys of an object.
 * @example new nn.Sequential(new nn.Linear(64, 32), new nn.ReLU(), new nn.Linear(32, 10));
 * @example new nn.Sequential({ fc1: new nn.Linear(64, 32), relu: new nn.ReLU() });
 */
export class Sequential extends ModuleSequence<SequentialLayer, Tensor, Tensor[]> {
  constructor(...layers: SequentialLayer[] | [Readonly<Record<string, SequentialLayer>>]) {
    super();
    const [first] = layers;
    const named = layers.length === 1 && typeof first === 'object' && first !== null && !(first instanceof Module);
    this.add(named ? Object.entries(first) : layers.map((layer) => [undefined, layer as SequentialLayer]));
  }

  /** Those from `start` to before `end`, under the names that they have here. */
  slice(start?: number, end?: number): Sequential {
    return new Sequential(Object.fromEntries(this.part(start, end)));
  }

  override append(layer: SequentialLayer): this {
    if (!(layer instanceof Module)) throw expected('a Module', 'layer', layer);
    return super.append(layer);
  }

  override forward(input: Tensor): Tensor {
    let value = input;
    for (const layer of this) value = layer.forward(value);
    return value;
  }
}
