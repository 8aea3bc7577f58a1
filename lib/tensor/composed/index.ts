// What Python defines above the dispatcher, where its defaults or its meaning differ from the operator of the same name
// (`torch/functional.py`, `torch/_tensor.py`). These stand in `torch` and on `Tensor` in the operators' place; the operators
// themselves stay under `torch.ops.aten`.

import type { Tensor } from '../tensor.js';
import { type LuMethod, lu } from './factorization.js';
import { stft } from './fourier.js';
import { pcaLowrank, svdLowrank } from './lowRank.js';
import { cdist, norm } from './norms.js';
import { blockDiag, cartesianProd, chainMatmul, einsum, tensordot } from './products.js';
import * as reversed from './reversed.js';
import { polygamma, where } from './selfSecond.js';
import {
  atleast1d,
  atleast2d,
  atleast3d,
  broadcastShapes,
  broadcastTensors,
  meshgrid,
  unravelIndex,
} from './shapes.js';
import { nonzero, split } from './splitting.js';
import { type UniqueConsecutiveMethod, type UniqueMethod, unique, uniqueConsecutive } from './unique.js';

/** In `torch`. */
export const composedFunctions = {
  atleast1d,
  atleast2d,
  atleast3d,
  blockDiag,
  broadcastShapes,
  broadcastTensors,
  cartesianProd,
  cdist,
  chainMatmul,
  einsum,
  lu,
  meshgrid,
  nonzero,
  norm,
  pcaLowrank,
  split,
  stft,
  svdLowrank,
  tensordot,
  unique,
  uniqueConsecutive,
  unravelIndex,
};

/** On `Tensor`, which is the first argument. */
export const composedMethods = {
  lu,
  nonzero,
  norm,
  polygamma,
  split,
  stft,
  unique,
  uniqueConsecutive,
  where,
  ...reversed,
};

type Method<F> = F extends (self: Tensor, ...args: infer A) => infer R ? (...args: A) => R : never;
/** Those with one signature; an overloaded one would keep only its last. */
type Plain = Omit<typeof composedMethods, 'lu' | 'nonzero' | 'unique' | 'uniqueConsecutive'>;

export type ComposedMethods = { [Name in keyof Plain]: Method<Plain[Name]> } & {
  lu: LuMethod;
  nonzero: { (options?: { asTuple?: false }): Tensor; (options: { asTuple: true }): Tensor[] };
  unique: UniqueMethod;
  uniqueConsecutive: UniqueConsecutiveMethod;
};
