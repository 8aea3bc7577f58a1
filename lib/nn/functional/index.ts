// `nn.functional`: what `torch.nn.functional` has, in camelCase and with its defaults. Inputs and what must be given come
// first, by position; what has a default is in a last object. Operators that PyTorch takes from LibTorch as they are
// (`conv2d`, `pad`, …) are those of `torch`, with their signatures.

export * from './activations.js';
export * from './attention.js';
export * from './classification.js';
export * from './convolution.js';
export * from './distance.js';
export * from './dropout.js';
export * from './embedding.js';
export * from './fractionalPooling.js';
export * from './metric.js';
export {
  type AffineOptions,
  batchNorm,
  groupNorm,
  instanceNorm,
  type LocalResponseOptions,
  layerNorm,
  localResponseNorm,
  rmsNorm,
  type StatisticsOptions,
} from './normalization.js';
export * from './pooling.js';
export type { Reduction, ReductionOptions } from './reduction.js';
export * from './regression.js';
export * from './unpooling.js';
export * from './vision.js';
