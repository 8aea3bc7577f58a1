// Modules one after the other.

import { expected } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { Module } from './module.js';

/**
 * Gives its input to the first module, what that gives to the second, and so on (`torch.nn.Sequential`). Modules are named
 * '0', '1', …, or as the keys of an object.
 * @example new nn.Sequential(new nn.Linear(64, 32), new nn.ReLU(), new nn.Linear(32, 10));
 * @example new nn.Sequential({ fc1: new nn.Linear(64, 32), relu: new nn.ReLU() });
 */
export class Sequential extends Module {
  readonly #layers: Module[] = [];

  constructor(...layers: Module[] | [Readonly<Record<string, Module>>]) {
    super();
    const [first] = layers;
    const named =
      layers.length === 1 && typeof first === 'object' && first !== null && !(first instanceof Module)
        ? Object.entries(first)
        : layers.map((layer, i) => [String(i), layer as Module] as const);
    for (const [name, layer] of named) this.#add(name, layer);
  }

  #add(name: string, layer: Module): void {
    this.registerModule(name, layer);
    this.#layers.push(layer);
  }

  /** Adds a module at the end, named by its place. Returns this module. */
  append(layer: Module): this {
    if (!(layer instanceof Module)) throw expected('a Module', 'layer', layer);
    this.#add(String(this.#layers.length), layer);
    return this;
  }

  get length(): number {
    return this.#layers.length;
  }

  /** The module at that place, from the end if negative. */
  at(index: number): Module | undefined {
    return this.#layers.at(index);
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#layers[Symbol.iterator]();
  }

  override forward(input: Tensor): Tensor {
    let value = input;
    for (const layer of this.#layers) value = layer.forward(value);
    return value;
  }
}
