// What can be asked for by name, as plain lists: a command's help reads them without loading LibTorch.

import type { DatasetName } from '../data/index.js';
import type { LossName } from '../losses/index.js';

export const datasetNames = ['fashion-mnist', 'mnist', 'kmnist', 'notmnist', 'digits'] as const satisfies DatasetName[];

export const modelNames = ['convnet', 'resnet18', 'resnet34'] as const;
export type ModelName = (typeof modelNames)[number];
/** Networks that are not trained here, but loaded. */
export const cifarModelNames = ['resnet20', 'resnet32', 'resnet44', 'resnet56', 'resnet110'] as const;
export type CifarModelName = (typeof cifarModelNames)[number];

export const lossNames = [
  'softmax',
  'isomax',
  'isomaxplus',
  'dismax',
  'logitnorm',
  'godin',
] as const satisfies LossName[];

/** Those that the quickstart trains and compares. */
export const quickstartLosses = ['softmax', 'isomax', 'isomaxplus'] as const satisfies LossName[];

/** Detectors of logits that learn nothing; `ood.byName` has the others. */
export const scoreNames = ['mps', 'es', 'mds', 'mmls', 'mmles', 'mmleps', 'energy', 'gen'] as const;
export type ScoreName = (typeof scoreNames)[number];

/** Sets of unknown images: other data sets, the classes that were held out of training, and made-up images. */
export const unknownNames = [
  ...datasetNames,
  'held-out',
  'uniform-noise',
  'gaussian-noise',
  'pixel-shuffled',
] as const satisfies (DatasetName | string)[];
export type UnknownName = (typeof unknownNames)[number];

export const augmentationNames = ['crop', 'flip'] as const;
export type AugmentationName = (typeof augmentationNames)[number];

export const precisions = ['float32', 'bfloat16', 'float16'] as const;
export type Precision = (typeof precisions)[number];
