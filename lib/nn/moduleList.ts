// Several modules in one field.

import { IsotorchError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { type AnyModule, Module } from './module.js';
import { block, mergeEqual } from './print.js';

/**
 * Holds modules named '0', '1', … and does nothing with them (`torch.nn.ModuleList`): a plain array's modules would be
 * neither trained nor saved.
 * @example
 * blocks = new nn.ModuleList([new Block(16), new Block(16)]);
 * forward(x: Tensor) { for (const block of this.blocks) x = block.forward(x); return x; }
 */
export class ModuleList<M extends AnyModule = Module> extends Module<never, never[]> {
  readonly #list: M[] = [];

  constructor(modules: Iterable<M> = []) {
    super();
    for (const module of modules) this.append(module);
  }

  /** Adds a module at the end. Returns this list. */
  append(module: M): this {
    this.registerModule(String(this.#list.length), module);
    this.#list.push(module);
    return this;
  }

  get length(): number {
    return this.#list.length;
  }

  /** The module at that place, from the end if negative. */
  at(index: number): M | undefined {
    return this.#list.at(index);
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#list[Symbol.iterator]();
  }

  /** @throws ERR_ARGUMENT always: a list has no order of computing. */
  override forward(..._inputs: Tensor[]): never {
    throw new IsotorchError(
      'ERR_ARGUMENT',
      'A ModuleList has no forward: call its modules, or use nn.Sequential to call one after the other',
    );
  }

  override toString(): string {
    const children = this.#list.map((module, i) => [String(i), module.toString()] as const);
    return block(this.constructor.name, this.extraRepr(), mergeEqual(children));
  }
}
