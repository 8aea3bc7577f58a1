// The losses by name: how they are written, what their last layer is, and which score goes with them. A loss is one row here,
// its formula in a file of lib/losses, and one line in lib/losses/byName.ts, which the compiler asks for.

import { namesOf } from './table.js';

export interface LossEntry {
  /** As it is written: `IsoMax+`. */
  readonly title: string;
  /** The last layer: w·f + b, one of distances to prototypes, or another, which files of arrays can't hold. */
  readonly head: 'affine' | 'distance' | 'other';
  /**
   * The score of logits that its authors use with it: the maximum probability is what a plain network offers, IsoMax goes with
   * the entropic score, IsoMax+ with the minimum distance, DisMax with the sum of maximum and mean logit and entropic score.
   * G-ODIN's own score is of h (`GodinHead.numerator`), which logits don't give; of those that they give, the maximum
   * probability comes nearest (docs/losses.md).
   */
  readonly score: 'mps' | 'es' | 'mds' | 'mmles';
}

export const lossTable = {
  softmax: { title: 'SoftMax', head: 'affine', score: 'mps' },
  isomax: { title: 'IsoMax', head: 'distance', score: 'es' },
  isomaxplus: { title: 'IsoMax+', head: 'distance', score: 'mds' },
  dismax: { title: 'DisMax', head: 'distance', score: 'mmles' },
  logitnorm: { title: 'LogitNorm', head: 'affine', score: 'mps' },
  godin: { title: 'G-ODIN', head: 'other', score: 'mps' },
} as const satisfies Record<string, LossEntry>;

export type LossName = keyof typeof lossTable;
export const lossNames = namesOf(lossTable);

/** Those that the quickstart trains and compares. */
export const quickstartLosses = ['softmax', 'isomax', 'isomaxplus'] as const satisfies LossName[];
