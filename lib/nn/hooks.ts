// Functions that run with a module's forward: before it, on what it is given, and after it, on what it gives. A captured step
// records what they do; when hooks come or go, it records anew.

import { expected } from '../errors.js';
import type { HookHandle } from '../tensor/index.js';
import { type FullBackwardHook, runWithBackwardHooks } from './backwardHooks.js';
import type { AnyModule } from './module.js';

/** Runs before `forward`; what it gives, if anything, takes the place of the inputs (an array) or of the only one. */
export type ForwardPreHook<M = AnyModule> = (module: M, inputs: readonly unknown[]) => unknown;

/** Runs after `forward`; what it gives, if anything, takes the place of the output. */
export type ForwardHook<M = AnyModule, Output = unknown> = (
  module: M,
  inputs: readonly unknown[],
  output: Output,
) => unknown;

export interface HookOptions {
  /** Whether it runs before the hooks that are there instead of after them. @default false */
  prepend?: boolean;
}

type Hook = (module: AnyModule, inputs: readonly unknown[], output?: unknown) => unknown;
interface Entries {
  readonly before: readonly Hook[];
  readonly after: readonly Hook[];
  readonly backward: readonly Hook[];
}

const none: Entries = { before: [], after: [], backward: [] };

/** A module's hooks. */
export class Hooks {
  /** Replaced, never changed, and undefined where there are none: a record of a step knows by it whether it still holds. */
  entries: Entries | undefined;

  add(kind: keyof Entries, hook: unknown, { prepend = false }: HookOptions): HookHandle {
    if (typeof hook !== 'function') throw expected('a function', 'hook', hook);
    const own: Hook = (...args) => hook(...args); // a function of its own: removed is this one, not an equal one
    const entries = this.entries ?? none;
    this.entries = { ...entries, [kind]: prepend ? [own, ...entries[kind]] : [...entries[kind], own] };
    const remove = () => this.#remove(kind, own);
    return { remove, [Symbol.dispose]: remove };
  }

  #remove(kind: keyof Entries, hook: Hook): void {
    if (this.entries === undefined) return;
    const left = { ...this.entries, [kind]: this.entries[kind].filter((other) => other !== hook) };
    this.entries = left.before.length + left.after.length + left.backward.length === 0 ? undefined : left;
  }

  /** `forward` of the module with the hooks around it. */
  run(module: AnyModule, forward: (...inputs: unknown[]) => unknown, inputs: unknown[]): unknown {
    const { before, after, backward } = this.entries ?? none;
    let given = inputs;
    for (const hook of before) {
      const changed = hook(module, given);
      if (changed !== undefined) given = Array.isArray(changed) ? changed : [changed];
    }
    const plain = (values: unknown[]) => forward.apply(module, values);
    let output =
      backward.length === 0
        ? plain(given)
        : runWithBackwardHooks(module, backward as readonly FullBackwardHook<never>[], plain, given);
    for (const hook of after) output = hook(module, given, output) ?? output;
    return output;
  }
}
