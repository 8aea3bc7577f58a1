export * from './dtype.js';
export type { TensorOptions } from './factory.js';
export { Generator } from './random.js';
export { memory, tidy } from './scope.js';
export { Buffer, type NestedArray, Parameter, Tensor, type ToOptions } from './tensor.js';
export { type Torch, torch } from './torch.js';
