// Functions that run with a module's forward: before it, on what it is given, and after it, on what it gives. A captured step
// records what they do; when hooks come or go, it records anew.

import { expected } from '../errors.js';
import { capture } from '../tensor/index.js';
import type { AnyModule } from './module.js';

/** What registering a hook gives: ends it. */
export interface HookHandle {
  /** Removes the hook; a second time does nothing. */
  remove(): void;
  [Symbol.dispose](): void;
}

/** Runs before `forward`; what it gives, if anything, takes the place of the inputs (an array) or of the only one. */
export type ForwardPreHook<M = AnyModule> = (module: M, inputs: readonly unknown[]) => unknown;

/** Runs after `forward`; what it gives, if anything, takes the place of the output. */
export type ForwardHook<M = AnyModule> = (module: M, inputs: readonly unknown[], output: unknown) => unknown;

export interface HookOptions {
  /** Whether it runs before the hooks that are there instead of after them. @default false */
  prepend?: boolean;
}

type Hook = (module: AnyModule, inputs: readonly unknown[], output?: unknown) => unknown;
interface Entries {
  readonly before: readonly Hook[];
  readonly after: readonly Hook[];
}

const none: Entries = { before: [], after: [] };

/** A module's hooks. */
export class Hooks {
  /** Replaced, never changed: a record of a step knows by it whether it still holds. */
  #entries: Entries = none;
  readonly #read = () => this.#entries;

  add(kind: keyof Entries, hook: unknown, { prepend = false }: HookOptions): HookHandle {
    if (typeof hook !== 'function') throw expected('a function', 'hook', hook);
    const own: Hook = (...args) => hook(...args); // a function of its own: removed is this one, not an equal one
    const before = this.#entries[kind];
    this.#entries = { ...this.#entries, [kind]: prepend ? [own, ...before] : [...before, own] };
    const remove = () => {
      const left = { ...this.#entries, [kind]: this.#entries[kind].filter((other) => other !== own) };
      this.#entries = left.before.length + left.after.length === 0 ? none : left;
    };
    return { remove, [Symbol.dispose]: remove };
  }

  /** `forward` of the module with the hooks around it. */
  run(module: AnyModule, forward: (...inputs: unknown[]) => unknown, inputs: unknown[]): unknown {
    capture.dependsOn(this.#read);
    const { before, after } = this.#entries;
    let given = inputs;
    for (const hook of before) {
      const changed = hook(module, given);
      if (changed !== undefined) given = Array.isArray(changed) ? changed : [changed];
    }
    let output = forward.apply(module, given);
    for (const hook of after) output = hook(module, given, output) ?? output;
    return output;
  }
}
