// How many tensors are alive, when what other tests left to the collector is gone: a count before and one after an await
// would else differ by what was collected meanwhile.

import { memory } from '../../lib/tensor/index.js';

/** Lets finalizers run: they are queued as macrotasks. */
export async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export async function liveTensors(): Promise<number> {
  await collectGarbage();
  return memory().tensors;
}
