// `losses`: SoftMax and the IsoMax family, each a head and a criterion.

export { byName, type LossFamily, type LossName, lossNames } from './byName.js';
export { DisMaxHead, DisMaxLoss } from './dismax.js';
export { Head, type HeadOptions } from './head.js';
export { IsoMaxHead, IsoMaxLoss, type IsoMaxLossOptions } from './isomax.js';
export { IsoMaxPlusHead, IsoMaxPlusLoss } from './isomaxPlus.js';
export { SoftMaxHead, SoftMaxLoss } from './softmax.js';
