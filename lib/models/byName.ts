// The networks by name: lib/known/models.ts says which there are, here stands what makes them.

import { expected } from '../errors.js';
import { type ModelName, modelNames } from '../known/models.js';
import type { Module } from '../nn/index.js';
import { convNet } from './convNet.js';
import type { MakeHead } from './head.js';
import { resnet18, resnet34 } from './resnet.js';
import { resnet20, resnet32, resnet44, resnet56, resnet110 } from './resnetCifar.js';

export { type ModelName, modelNames } from '../known/models.js';

/** What every network takes; each has more options of its own. */
export interface ModelOptions {
  /** Of the images. */
  readonly inChannels?: number;
  readonly numClasses?: number;
  /** The last layer, such as `losses.byName('isomax').head`. @default nn.Linear */
  readonly head?: MakeHead;
}

const makers: { readonly [N in ModelName]: (options: ModelOptions) => Module } = {
  convnet: convNet,
  resnet18,
  resnet34,
  resnet20,
  resnet32,
  resnet44,
  resnet56,
  resnet110,
};

/**
 * A new network by its name.
 * @throws ERR_ARGUMENT for a name that is none of `modelNames`
 * @example const model = models.byName('resnet20', { inChannels: 1, head: losses.byName('isomax').head });
 */
export function byName(name: ModelName, options: ModelOptions = {}): Module {
  if (!Object.hasOwn(makers, name)) throw expected(`one of ${modelNames.join(', ')}`, 'model', name);
  return makers[name](options);
}
