// The losses by name, for recipes and command lines: head, criterion, and the score that the authors use with them.

import { expected } from '../errors.js';
import type { Module } from '../nn/index.js';
import type { Head, HeadOptions } from './head.js';
import { IsoMaxHead, IsoMaxLoss, type IsoMaxLossOptions } from './isomax.js';
import { IsoMaxPlusHead, IsoMaxPlusLoss } from './isomaxPlus.js';
import { SoftMaxHead, SoftMaxLoss } from './softmax.js';

export const lossNames = ['softmax', 'isomax', 'isomaxplus'] as const;
export type LossName = (typeof lossNames)[number];

export interface LossFamily {
  readonly name: LossName;
  /** As it is written: `IsoMax+`. */
  readonly title: string;
  /** A new first part, in the form that `models` take. */
  head(numFeatures: number, numClasses: number, options?: HeadOptions): Head;
  /** A new second part; SoftMax has no options. */
  criterion(options?: IsoMaxLossOptions): Module;
  /** Which score tells known from unknown best with it: maximum probability, entropic or minimum distance. */
  readonly score: 'mps' | 'es' | 'mds';
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
