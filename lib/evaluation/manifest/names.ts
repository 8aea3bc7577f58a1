// The words that a manifest may use besides those of `isotorch train`.

import { cifarModelNames, modelNames } from '../../training/names.js';

export const networkNames = [...modelNames, ...cifarModelNames] as const;
export type NetworkName = (typeof networkNames)[number];

/** Sets of images that are made and not read. */
export const madeUpNames = ['uniform-noise', 'gaussian-noise', 'pixel-shuffled'] as const;
export type MadeUpName = (typeof madeUpNames)[number];

/** Whose definition the metrics follow, to the last digit; without one they are exact with ties. */
export const profileNames = [
  'isomax-paper',
  'openood-1.5',
  'openood-1.0',
  'pytorch-ood',
  'hendrycks',
  'odin-original',
] as const;
export type ProfileName = (typeof profileNames)[number];
