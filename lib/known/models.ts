// The networks by name. A network is one row here, its layers in a file of lib/models, and one line in lib/models/byName.ts,
// which the compiler asks for.

import { namesOf } from './table.js';

export interface ModelEntry {
  /** One line for help. */
  readonly about: string;
}

export const modelTable = {
  convnet: { about: 'a small convolutional network for small images' },
  resnet18: { about: 'ResNet-18 of basic blocks, torchvision’s keys' },
  resnet34: { about: 'ResNet-34' },
  resnet20: { about: 'ResNet-20 for 32×32 images, the keys of the common CIFAR-10 checkpoints' },
  resnet32: { about: 'ResNet-32, of the same kind' },
  resnet44: { about: 'ResNet-44' },
  resnet56: { about: 'ResNet-56' },
  resnet110: { about: 'ResNet-110' },
} as const satisfies Record<string, ModelEntry>;

export type ModelName = keyof typeof modelTable;
export const modelNames = namesOf(modelTable);
