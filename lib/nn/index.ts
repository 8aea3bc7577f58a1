// `nn`: modules, layers and the first values of their parameters.

export { Buffer, Parameter } from '../tensor/index.js';
export type { FactoryOptions } from './arguments.js';
export {
  type Activation,
  type DecoderLayerMasks,
  type DecoderMasks,
  type EncoderLayerMasks,
  type EncoderMasks,
  MultiheadAttention,
  type MultiheadAttentionOptions,
  Transformer,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
  type TransformerMasks,
  type TransformerOptions,
} from './attention/index.js';
export type { FullBackwardHook } from './backwardHooks.js';
export type { Convert } from './convert.js';
export * as functional from './functional/index.js';
export type { ForwardHook, ForwardPreHook, HookOptions } from './hooks.js';
export * as init from './init.js';
export * from './layers/activations.js';
export {
  type AdaptiveLogSoftmaxOptions,
  AdaptiveLogSoftmaxWithLoss,
  type AdaptiveLoss,
} from './layers/adaptiveLogSoftmax.js';
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, type BatchNormOptions } from './layers/batchNorm.js';
export { Bilinear } from './layers/bilinear.js';
export { Conv1d, Conv2d, type Conv2dOptions, Conv3d, type ConvOptions } from './layers/conv.js';
export type { PaddingMode } from './layers/convolution.js';
export {
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeOptions,
} from './layers/convTranspose.js';
export * from './layers/distances.js';
export * from './layers/dropout.js';
export { Embedding, type EmbeddingLayerOptions } from './layers/embedding.js';
export { EmbeddingBag, type EmbeddingBagLayerOptions } from './layers/embeddingBag.js';
export { FractionalMaxPool2d, FractionalMaxPool3d, type FractionalMaxPoolOptions } from './layers/fractionalPooling.js';
export { GroupNorm, type GroupNormOptions } from './layers/groupNorm.js';
export { Identity } from './layers/identity.js';
export { InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, type InstanceNormOptions } from './layers/instanceNorm.js';
export { LayerNorm, type LayerNormOptions, RMSNorm, type RMSNormOptions } from './layers/layerNorm.js';
export * from './layers/lazy.js';
export { Linear, type LinearOptions } from './layers/linear.js';
export { LinearCrossEntropyLoss, type LinearCrossEntropyLossOptions } from './layers/linearCrossEntropyLoss.js';
export * from './layers/losses.js';
export {
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  type Maxima,
  MaxPool1d,
  MaxPool2d,
  type MaxPool2dOptions,
  MaxPool3d,
  type MaxPoolOptions,
} from './layers/maxPooling.js';
export * from './layers/padding.js';
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AvgPool1d,
  AvgPool2d,
  type AvgPool2dOptions,
  AvgPool3d,
  type AvgPool3dOptions,
  type AvgPoolOptions,
  LPPool1d,
  LPPool2d,
  LPPool3d,
} from './layers/pooling.js';
export { PReLU, type PReLUOptions } from './layers/prelu.js';
export * from './layers/reshaping.js';
export * from './layers/responseNorm.js';
export { TripletMarginWithDistanceLoss, type TripletMarginWithDistanceOptions } from './layers/tripletDistanceLoss.js';
export * from './layers/unpooling.js';
export { type AnyModule, Module } from './module.js';
export { ModuleDict } from './moduleDict.js';
export { ModuleList } from './moduleList.js';
export { ParameterDict, ParameterList } from './parameterContainers.js';
export {
  type CellOptions,
  GRU,
  GRUCell,
  LSTM,
  LSTMCell,
  type LSTMOptions,
  type LSTMState,
  type RecurrentOptions,
  RNN,
  RNNCell,
  type RNNCellOptions,
  type RNNOptions,
} from './recurrent/index.js';
export { Sequential, type SequentialLayer } from './sequential.js';
export type { AdaptiveSize, Pair, Size } from './sizes.js';
export type { ForeignKeys, LoadOptions, LoadResult, StateDict, StateSource } from './stateDict.js';
export * as utils from './utils/index.js';
