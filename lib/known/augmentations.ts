// The augmentations by name, for training images. What each does to a batch is in lib/data/augment.ts.

import { namesOf } from './table.js';

export interface AugmentationEntry {
  /** One line for help. */
  readonly about: string;
}

export const augmentationTable = {
  crop: { about: 'a window of the image’s own size at a random place, after padding by four pixels' },
  flip: { about: 'mirrored left to right, every second image' },
} as const satisfies Record<string, AugmentationEntry>;

export type AugmentationName = keyof typeof augmentationTable;
export const augmentationNames = namesOf(augmentationTable);
