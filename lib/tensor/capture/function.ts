// Records a function by itself, also within a step that is being recorded: what autograd calls later, on whatever thread.

import { native } from '../../native.js';
import { tidy } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** A record, and what the function gave when it was made; a null result is one that is not there. */
export interface RecordedRun<T extends Tensor | null> {
  id: number;
  results: T[];
}

/**
 * Runs `fn` and records it as a function of `inputs`, whatever they are called by in it.
 * @throws ERR_CAPTURE as captured steps do; ERR_AUTOGRAD where it writes into an input.
 */
export function recordFunction<T extends Tensor | null>(inputs: Float64Array, fn: () => T[]): RecordedRun<T> {
  native.beginFunction(inputs);
  let open = true;
  try {
    const results = tidy(fn);
    open = false;
    return { id: native.endFunction(Float64Array.from(results, (tensor) => tensor?.handle ?? 0)), results };
  } finally {
    if (open) native.abortFunction();
  }
}
