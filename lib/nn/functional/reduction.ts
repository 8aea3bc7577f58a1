// What becomes of a loss for each element: kept, averaged or summed. LibTorch counts them.

import { expected } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';

export type Reduction = 'none' | 'mean' | 'sum';

export interface ReductionOptions {
  /** `'none'` keeps a loss for each element, `'sum'` adds them. @default 'mean' */
  reduction?: Reduction;
}

const codes: Readonly<Record<Reduction, number>> = { none: 0, mean: 1, sum: 2 };

/** LibTorch's number of it. */
export function reductionCode(reduction: Reduction): number {
  if (typeof reduction !== 'string' || !Object.hasOwn(codes, reduction))
    throw expected("'none', 'mean' or 'sum'", 'reduction', reduction);
  return codes[reduction];
}

/** The same with operators, for losses that LibTorch has not. */
export function reduce(loss: Tensor, reduction: Reduction): Tensor {
  const code = reductionCode(reduction);
  return code === codes.none ? loss : code === codes.mean ? loss.mean() : loss.sum();
}
