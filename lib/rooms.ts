// The rooms of the package: tensors and operators at the top, one namespace for each room. Its types are the package's types;
// what programs get at run time is index.ts.

export * as amp from './amp/index.js';
export * as checkpoint from './checkpoint/index.js';
export * as data from './data/index.js';
export { type ErrorCode, IsotorchError } from './errors.js';
export * as evaluation from './evaluation/index.js';
export * as losses from './losses/index.js';
export * as models from './models/index.js';
export * as nn from './nn/index.js';
export * as ood from './ood/index.js';
export * as optim from './optim/index.js';
export * as report from './report/index.js';
export {
  ExportedModel,
  type LoadPackageOptions,
  type LoadScriptOptions,
  loadPackage,
  loadScript,
  type ScriptInput,
  ScriptModule,
  type ScriptOutput,
} from './script/index.js';
export * from './tensor/index.js';
export * as training from './training/index.js';
