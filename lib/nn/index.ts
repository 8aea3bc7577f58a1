// `nn`: modules, layers and the first values of their parameters.

export { Buffer, Parameter } from '../tensor/index.js';
export { GELU, type InplaceOptions, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh } from './activations.js';
export { AdaptiveAvgPool2d } from './adaptiveAvgPool2d.js';
export type { FactoryOptions, Pair } from './arguments.js';
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
export { AvgPool2d, type AvgPool2dOptions } from './avgPool2d.js';
export type { FullBackwardHook } from './backwardHooks.js';
export { BatchNorm1d, BatchNorm2d, type BatchNormOptions } from './batchNorm.js';
export { Conv2d, type Conv2dOptions } from './conv2d.js';
export type { Convert } from './convert.js';
export { Dropout } from './dropout.js';
export { Flatten } from './flatten.js';
export * as functional from './functional.js';
export type { ForwardHook, ForwardPreHook, HookOptions } from './hooks.js';
export { Identity } from './identity.js';
export * as init from './init.js';
export { LayerNorm, type LayerNormOptions } from './layerNorm.js';
export { Linear, type LinearOptions } from './linear.js';
export { MaxPool2d, type MaxPool2dOptions } from './maxPool2d.js';
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
export { Sequential } from './sequential.js';
export type { ForeignKeys, LoadOptions, LoadResult, StateDict, StateSource } from './stateDict.js';
export * as utils from './utils/index.js';
