// What may stand for the unknown beside the data sets: images that are made and not read, and the classes that were held out
// of a training. What makes the images is in lib/data/synthetic.ts.

import { dataSetNames } from './dataSets.js';

export const syntheticNames = ['uniform-noise', 'gaussian-noise', 'pixel-shuffled'] as const;
export type SyntheticName = (typeof syntheticNames)[number];

export const unknownNames = [...dataSetNames, 'held-out', ...syntheticNames] as const;
export type UnknownName = (typeof unknownNames)[number];
