// What a module has inside: its public fields that hold modules, parameters and buffers, in the order of their declaration,
// and what was registered under a literal name, where it was registered.

import { expected, IsotorchError } from '../errors.js';
import { Buffer, Parameter } from '../tensor/index.js';
import type { AnyModule } from './module.js';
import { snakeCase } from './names.js';

export type Part = AnyModule | Parameter | Buffer;

interface Registered {
  value: Part;
  /** How many fields there were before it: its place among them. */
  after: number;
}

export class Parts {
  readonly #registered = new Map<string, Registered>();

  constructor(
    readonly owner: AnyModule,
    readonly isModule: (value: unknown) => value is AnyModule,
  ) {}

  register<P extends Part>(name: string, value: P): P {
    if (typeof name !== 'string' || name === '' || name.includes('.'))
      throw expected('a name without dots', 'name', name);
    if (this.all().some(([taken]) => taken === name)) throw this.#twice(name);
    this.#registered.set(name, { value, after: Object.keys(this.owner).length });
    return value;
  }

  unregister(name: string): void {
    this.#registered.delete(name);
  }

  /**
   * Everything of the owner alone, in order of declaration. A value registered under a literal name has that name only, even
   * if a field holds it too.
   */
  all(): [string, Part][] {
    const literal = new Set<unknown>();
    const queue = [...this.#registered];
    for (const [, { value }] of queue) literal.add(value);
    const found: [string, Part][] = [];
    const { owner } = this;
    for (const [i, field] of Object.keys(owner).entries()) {
      while (queue[0] !== undefined && queue[0][1].after <= i) take(queue.shift() as [string, Registered]);
      const value: unknown = owner[field as keyof AnyModule];
      if (this.#isPart(value) && !literal.has(value)) found.push([snakeCase(field), value]);
      else if (Array.isArray(value) && value.some((item) => this.#isPart(item))) throw this.#inArray(field);
    }
    for (const entry of queue) take(entry);
    const names = new Set<string>();
    for (const [name] of found) {
      if (names.has(name)) throw this.#twice(name);
      names.add(name);
    }
    return found;

    function take([name, { value }]: [string, Registered]): void {
      found.push([name, value]);
    }
  }

  #isPart(value: unknown): value is Part {
    return this.isModule(value) || value instanceof Parameter || value instanceof Buffer;
  }

  #twice(name: string): IsotorchError {
    return new IsotorchError('ERR_ARGUMENT', `${this.owner.constructor.name} has two parts named ${name}`);
  }

  #inArray(field: string): IsotorchError {
    return new IsotorchError(
      'ERR_ARGUMENT',
      `${this.owner.constructor.name}.${field} is an array of modules or parameters, which would be neither trained nor saved. ` +
        `Use new nn.ModuleList(…), or a #private field if they belong to another module`,
    );
  }
}
