// `models`: networks by name. Their heads come from outside, so that any loss fits any of them.

export { byName, type ModelName, type ModelOptions, modelNames } from './byName.js';
export { ConvNet, type ConvNetOptions, convNet } from './convNet.js';
export type { MakeHead } from './head.js';
export { BasicBlock, ResNet, type ResNetOptions, resnet18, resnet34 } from './resnet.js';
export {
  CifarResNet,
  type CifarResNetOptions,
  resnet20,
  resnet32,
  resnet44,
  resnet56,
  resnet110,
} from './resnetCifar.js';
