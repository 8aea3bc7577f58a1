// Looking into a network without changing it: while a function runs, chosen modules tell what they are given and what they
// give, and what they give may be replaced. A tap is a `forward` on the instance itself, in front of its class's; it is gone
// when the function returns or throws. It works in captured steps too, where it is run once, while recording.

import type { AnyModule } from '../../nn/index.js';

/**
 * Called after the module, with its result and what it was given; what it gives, if anything, takes the result's place. A
 * module that runs several times calls it each time.
 */
export type Tap = (output: unknown, inputs: readonly unknown[]) => unknown;

/**
 * What `fn` gives while the modules are tapped.
 * @example
 * whileTapped(new Map([[model.fc, (_, [input]) => { features = input; }]]), () => model.forward(images));
 */
export function whileTapped<T>(taps: ReadonlyMap<AnyModule, Tap>, fn: () => T): T {
  const restore: (() => void)[] = [];
  try {
    for (const [module, tap] of taps) restore.push(place(module, tap));
    return fn();
  } finally {
    for (const undo of restore.reverse()) undo();
  }
}

function place(module: AnyModule, tap: Tap): () => void {
  const own = Object.getOwnPropertyDescriptor(module, 'forward'); // there if someone has placed one before
  const forward = module.forward as (...inputs: unknown[]) => unknown;
  const tapped = (...inputs: unknown[]): unknown => {
    const output = forward.apply(module, inputs);
    return tap(output, inputs) ?? output;
  };
  // Not enumerable: a module's fields are those that can be listed.
  Object.defineProperty(module, 'forward', { value: tapped, configurable: true, writable: true, enumerable: false });
  return () => {
    if (own) Object.defineProperty(module, 'forward', own);
    else Reflect.deleteProperty(module, 'forward');
  };
}
