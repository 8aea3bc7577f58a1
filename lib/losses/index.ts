// `losses`: SoftMax, the IsoMax family and its closest relatives, each a head and a criterion.

export { byName, type LossFamily, type LossName, lossNames } from './byName.js';
export { DisMaxHead, DisMaxLoss, type DisMaxLossOptions } from './dismax.js';
export type { PreparedBatch } from './fractional.js';
export { GodinHead, type GodinHeadOptions, type Similarity } from './godin.js';
export { Head, type HeadOptions } from './head.js';
export { IsoMaxHead, IsoMaxLoss, type IsoMaxLossOptions } from './isomax.js';
export { IsoMaxPlusHead, IsoMaxPlusLoss } from './isomaxPlus.js';
export { LogitNormLoss, type LogitNormLossOptions } from './logitNorm.js';
export { SoftMaxHead, SoftMaxLoss } from './softmax.js';
