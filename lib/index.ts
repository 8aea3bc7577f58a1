// The package: tensors and operators at the top, one namespace for each room.

export { type ErrorCode, IsotorchError } from './errors.js';
export * from './tensor/index.js';
