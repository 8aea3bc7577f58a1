// Modules in an order, named by their places: what ModuleList and Sequential share.

import { expected } from '../errors.js';
import { type AnyModule, Module } from './module.js';

/** Where `index` points among `length`, from the end if negative. @throws ERR_INDEX outside of it. */
export function placeAmong(index: number, length: number, last = length - 1): number {
  const place = Number.isInteger(index) ? (index < 0 ? index + length : index) : Number.NaN;
  if (!(place >= 0 && place <= last)) throw expected(`a place among ${length}`, 'index', index, 'ERR_INDEX');
  return place;
}

export abstract class ModuleSequence<M extends AnyModule, Output, Inputs extends unknown[]> extends Module<
  Output,
  Inputs
> {
  #items: (readonly [name: string, module: M])[] = [];

  /** Takes names from those given, or from their places. */
  protected add(modules: Iterable<readonly [name: string | undefined, module: M]>): void {
    for (const [name = String(this.#items.length), module] of modules)
      this.#items.push([name, this.registerModule(name, module)]);
  }

  /** The same modules in another order, or others. Those whose places changed change their names. */
  #become(items: readonly (readonly [string, M])[]): void {
    for (const [, module] of items) if (!(module instanceof Module)) throw expected('a Module', 'module', module);
    for (const [name] of this.#items) this.unregister(name);
    this.#items = [];
    this.add(items);
  }

  /** `items` named by their places. */
  #renumber(modules: readonly M[]): void {
    this.#become(modules.map((module, i) => [String(i), module]));
  }

  /** Adds a module at the end. Returns this one. */
  append(module: M): this {
    this.add([[undefined, module]]);
    return this;
  }

  /** Adds modules at the end. Returns this one. */
  extend(modules: Iterable<M>): this {
    for (const module of modules) this.append(module);
    return this;
  }

  /** Puts a module before the one at `index`; all are then named by their places. Returns this one. */
  insert(index: number, module: M): this {
    const place = placeAmong(index, this.length, this.length);
    this.#renumber([...this].toSpliced(place, 0, module));
    return this;
  }

  /** Puts a module in the place of the one at `index`. Returns this one. */
  set(index: number, module: M): this {
    const place = placeAmong(index, this.length);
    this.#become(this.#items.map((item, i) => (i === place ? [item[0], module] : item)));
    return this;
  }

  /** Takes the module at `index` (default: the last) out; those after it move up. */
  pop(index = -1): M {
    const place = placeAmong(index, this.length);
    const taken = this.#items[place]![1];
    this.#renumber([...this].toSpliced(place, 1));
    return taken;
  }

  get length(): number {
    return this.#items.length;
  }

  /** The module at that place, from the end if negative. */
  at(index: number): M | undefined {
    return this.#items.at(index)?.[1];
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#items.map(([, module]) => module)[Symbol.iterator]();
  }

  /** Names and modules from `start` to before `end`, as an array's `slice`. */
  protected part(start?: number, end?: number): (readonly [name: string, module: M])[] {
    return this.#items.slice(start, end);
  }
}
