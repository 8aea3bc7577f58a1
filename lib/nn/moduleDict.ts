// Modules by name.

import { IsotorchError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { type AnyModule, Module } from './module.js';

/**
 * Holds modules by name, in the order in which they came, and does nothing with them (`torch.nn.ModuleDict`).
 * @example
 * heads = new nn.ModuleDict({ colour: new nn.Linear(8, 3), shape: new nn.Linear(8, 5) });
 * forward(x: Tensor, task: string) { return this.heads.get(task)!.forward(x); }
 */
export class ModuleDict<M extends AnyModule = Module> extends Module<never, never[]> {
  readonly #modules = new Map<string, M>();

  constructor(modules: Readonly<Record<string, M>> | Iterable<readonly [string, M]> = {}) {
    super();
    this.update(modules);
  }

  /** Adds a module, or puts it in the place of the one of that name. Returns this dict. */
  set(name: string, module: M): this {
    if (!this.#modules.has(name)) this.registerModule(name, module);
    else {
      // All anew, so that it keeps its place.
      const renewed = [...this.#modules].map(([key, old]) => [key, key === name ? module : old] as const);
      this.clear();
      for (const [key, value] of renewed) this.#modules.set(key, this.registerModule(key, value));
    }
    this.#modules.set(name, module);
    return this;
  }

  /** `set` for each. Returns this dict. */
  update(modules: Readonly<Record<string, M>> | Iterable<readonly [string, M]>): this {
    for (const [name, module] of Symbol.iterator in modules ? modules : Object.entries(modules)) this.set(name, module);
    return this;
  }

  get(name: string): M | undefined {
    return this.#modules.get(name);
  }

  has(name: string): boolean {
    return this.#modules.has(name);
  }

  /** Takes a module out and gives it; undefined where there is none. */
  pop(name: string): M | undefined {
    const module = this.#modules.get(name);
    this.#modules.delete(name);
    this.unregister(name);
    return module;
  }

  clear(): void {
    for (const name of [...this.#modules.keys()]) this.pop(name);
  }

  get size(): number {
    return this.#modules.size;
  }

  keys(): IterableIterator<string> {
    return this.#modules.keys();
  }

  values(): IterableIterator<M> {
    return this.#modules.values();
  }

  entries(): IterableIterator<[string, M]> {
    return this.#modules.entries();
  }

  [Symbol.iterator](): IterableIterator<[string, M]> {
    return this.entries();
  }

  /** @throws ERR_ARGUMENT always: a dict has no order of computing. */
  override forward(..._inputs: Tensor[]): never {
    throw new IsotorchError('ERR_ARGUMENT', 'A ModuleDict has no forward: call its modules');
  }
}
