// Several modules in one field.

import { IsotorchError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import type { AnyModule, Module } from './module.js';
import { ModuleSequence } from './moduleSequence.js';
import { block, mergeEqual } from './print.js';

/**
 * Holds modules named '0', '1', … and does nothing with them (`torch.nn.ModuleList`): a plain array's modules would be
 * neither trained nor saved.
 * @example
 * blocks = new nn.ModuleList([new Block(16), new Block(16)]);
 * forward(x: Tensor) { for (const block of this.blocks) x = block.forward(x); return x; }
 */
export class ModuleList<M extends AnyModule = Module> extends ModuleSequence<M, never, never[]> {
  constructor(modules: Iterable<M> = []) {
    super();
    this.extend(modules);
  }

  /** A list of those from `start` to before `end`, as an array's `slice`. */
  slice(start?: number, end?: number): ModuleList<M> {
    return new ModuleList(this.part(start, end).map(([, module]) => module));
  }

  /** @throws ERR_ARGUMENT always: a list has no order of computing. */
  override forward(..._inputs: Tensor[]): never {
    throw new IsotorchError(
      'ERR_ARGUMENT',
      'A ModuleList has no forward: call its modules, or use nn.Sequential to call one after the other',
    );
  }

  override toString(): string {
    const children = [...this].map((module, i) => [String(i), module.toString()] as const);
    return block(this.constructor.name, this.extraRepr(), mergeEqual(children));
  }
}
