// The losses by name, for recipes and command lines: lib/known/losses.ts says which there are and what is known of them, here
// stands what makes their two parts.

import { expected } from '../errors.js';
import { type LossEntry, type LossName, lossNames, lossTable } from '../known/losses.js';
import type { Module } from '../nn/index.js';
import { DisMaxHead, DisMaxLoss } from './dismax.js';
import { GodinHead } from './godin.js';
import type { Head, HeadOptions } from './head.js';
import { IsoMaxHead, IsoMaxLoss, type IsoMaxLossOptions } from './isomax.js';
import { IsoMaxPlusHead, IsoMaxPlusLoss } from './isomaxPlus.js';
import { LogitNormLoss } from './logitNorm.js';
import { SoftMaxHead, SoftMaxLoss } from './softmax.js';

export { type LossName, lossNames } from '../known/losses.js';

export interface LossFamily extends Pick<LossEntry, 'title' | 'score'> {
  readonly name: LossName;
  /** A new first part, in the form that `models` take. */
  head(numFeatures: number, numClasses: number, options?: HeadOptions): Head;
  /** A new second part. The options are for the IsoMax family; the others have none of these. */
  criterion(options?: IsoMaxLossOptions): Module;
}

interface Parts {
  readonly head: new (numFeatures: number, numClasses: number, options?: HeadOptions) => Head;
  readonly criterion: new (options?: object) => Module;
}

const parts: { readonly [N in LossName]: Parts } = {
  softmax: { head: SoftMaxHead, criterion: SoftMaxLoss },
  isomax: { head: IsoMaxHead, criterion: IsoMaxLoss },
  isomaxplus: { head: IsoMaxPlusHead, criterion: IsoMaxPlusLoss },
  // With its regularisation, as in all but one of the published rows.
  dismax: { head: DisMaxHead, criterion: DisMaxLoss },
  logitnorm: { head: SoftMaxHead, criterion: LogitNormLoss },
  godin: { head: GodinHead, criterion: SoftMaxLoss },
};

/**
 * @throws ERR_ARGUMENT for a name that is none of `lossNames`.
 * @example
 * const { head, criterion } = losses.byName('isomax');
 * const model = models.convNet({ head });
 */
export function byName(name: LossName): LossFamily {
  if (!lossNames.includes(name)) throw expected(`one of ${lossNames.join(', ')}`, 'loss', name);
  const { head: FirstPart, criterion: SecondPart } = parts[name];
  const { title, score } = lossTable[name];
  return {
    ...{ name, title, score },
    head: (...sizes) => new FirstPart(...sizes),
    criterion: (options) => new SecondPart(options),
  };
}
