// The losses by name, for recipes and command lines: head, criterion, and the score that the authors use with them.

import { expected } from '../errors.js';
import type { Module } from '../nn/index.js';
import { DisMaxHead, DisMaxLoss } from './dismax.js';
import { GodinHead } from './godin.js';
import type { Head, HeadOptions } from './head.js';
import { IsoMaxHead, IsoMaxLoss, type IsoMaxLossOptions } from './isomax.js';
import { IsoMaxPlusHead, IsoMaxPlusLoss } from './isomaxPlus.js';
import { LogitNormLoss } from './logitNorm.js';
import { SoftMaxHead, SoftMaxLoss } from './softmax.js';

export const lossNames = ['softmax', 'isomax', 'isomaxplus', 'dismax', 'logitnorm', 'godin'] as const;
export type LossName = (typeof lossNames)[number];

export interface LossFamily {
  readonly name: LossName;
  /** As it is written: `IsoMax+`. */
  readonly title: string;
  /** A new first part, in the form that `models` take. */
  head(numFeatures: number, numClasses: number, options?: HeadOptions): Head;
  /** A new second part. The options are for the IsoMax family; the others have none of these. */
  criterion(options?: IsoMaxLossOptions): Module;
  /**
   * The score of logits that its authors use with it: maximum probability, entropic score, minimum distance, or the sum of
   * maximum and mean logit and entropic score. G-ODIN's own score is of h (`GodinHead.numerator`), which logits don't give;
   * of those that they give, the maximum probability comes nearest (docs/losses.md).
   */
  readonly score: 'mps' | 'es' | 'mds' | 'mmles';
}

const families: Readonly<Record<LossName, LossFamily>> = {
  softmax: {
    name: 'softmax',
    title: 'SoftMax',
    head: (...sizes) => new SoftMaxHead(...sizes),
    criterion: () => new SoftMaxLoss(),
    score: 'mps',
  },
  isomax: {
    name: 'isomax',
    title: 'IsoMax',
    head: (...sizes) => new IsoMaxHead(...sizes),
    criterion: (options) => new IsoMaxLoss(options),
    score: 'es',
  },
  isomaxplus: {
    name: 'isomaxplus',
    title: 'IsoMax+',
    head: (...sizes) => new IsoMaxPlusHead(...sizes),
    criterion: (options) => new IsoMaxPlusLoss(options),
    score: 'mds',
  },
  // With its regularisation, as in all but one of the published rows.
  dismax: {
    name: 'dismax',
    title: 'DisMax',
    head: (...sizes) => new DisMaxHead(...sizes),
    criterion: (options) => new DisMaxLoss(options),
    score: 'mmles',
  },
  logitnorm: {
    name: 'logitnorm',
    title: 'LogitNorm',
    head: (...sizes) => new SoftMaxHead(...sizes),
    criterion: () => new LogitNormLoss(),
    score: 'mps',
  },
  godin: {
    name: 'godin',
    title: 'G-ODIN',
    head: (...sizes) => new GodinHead(...sizes),
    criterion: () => new SoftMaxLoss(),
    score: 'mps',
  },
};

/**
 * @throws ERR_ARGUMENT for a name that is none of `lossNames`.
 * @example
 * const { head, criterion } = losses.byName('isomax');
 * const model = models.convNet({ head });
 */
export function byName(name: LossName): LossFamily {
  if (!lossNames.includes(name)) throw expected(`one of ${lossNames.join(', ')}`, 'loss', name);
  return families[name];
}
