// `nn`: modules, layers and the first values of their parameters.

export { Buffer, Parameter } from '../tensor/index.js';
export { GELU, type InplaceOptions, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh } from './activations.js';
export { AdaptiveAvgPool2d } from './adaptiveAvgPool2d.js';
export type { FactoryOptions, Pair } from './arguments.js';
export { AvgPool2d, type AvgPool2dOptions } from './avgPool2d.js';
export { BatchNorm1d, BatchNorm2d, type BatchNormOptions } from './batchNorm.js';
export { Conv2d, type Conv2dOptions } from './conv2d.js';
export type { Convert } from './convert.js';
export { Dropout } from './dropout.js';
export { Flatten } from './flatten.js';
export * as functional from './functional.js';
export { Identity } from './identity.js';
export * as init from './init.js';
export { Linear, type LinearOptions } from './linear.js';
export { MaxPool2d, type MaxPool2dOptions } from './maxPool2d.js';
export { type AnyModule, Module } from './module.js';
export { ModuleList } from './moduleList.js';
export { Sequential } from './sequential.js';
export type { ForeignKeys, LoadOptions, LoadResult, StateDict, StateSource } from './stateDict.js';
