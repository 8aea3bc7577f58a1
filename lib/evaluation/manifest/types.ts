// A manifest after reading: every default filled in, every shorthand written out, nothing of YAML left.

import type { AugmentationName } from '../../known/augmentations.js';
import type { DatasetName, Split } from '../../known/dataSets.js';
import type { LossName } from '../../known/losses.js';
import type { ProfileName } from '../../known/metrics.js';
import type { ModelName } from '../../known/models.js';
import type { Precision } from '../../known/precisions.js';
import type { SyntheticName } from '../../known/unknownSets.js';
import type { Bootstrap } from '../../report/index.js';
import type { RecipeName } from '../../training/recipes.js';
import type { DetectorChoice } from './detectorSchemas.js';

export interface Manifest {
  readonly name: string;
  /** Networks to train first; null for none. */
  readonly train: Training | null;
  readonly checkpoints: readonly Checkpoint[];
  readonly arrays: readonly ArraySets[];
  /** What the networks know. Empty where there are only arrays. */
  readonly id: readonly KnownSet[];
  readonly detectors: readonly DetectorChoice[];
  /** Null for the tie-correct metrics. */
  readonly profile: ProfileName | null;
  readonly bootstrap: Bootstrap | null;
  /** The folder of the results. */
  readonly out: string;
}

/** As `isotorch train` would, once for each loss and seed. */
export interface Training {
  readonly data: DatasetName;
  readonly model: ModelName;
  readonly recipe: RecipeName;
  /** Null for the recipe's. */
  readonly epochs: number | null;
  readonly batchSize: number | null;
  readonly lr: number | null;
  readonly precision: Precision;
  readonly losses: readonly LossName[];
  readonly seeds: readonly number[];
  readonly validation: number;
  readonly augment: readonly AugmentationName[];
  /** The classes to train on; null for all. */
  readonly classes: readonly number[] | null;
}

/** One network from a file, or one for each seed. */
export interface Checkpoint {
  readonly name: string;
  /** Null for a single network whose seed isn't known. */
  readonly seeds: readonly (number | null)[];
  /** Names of the known sets to measure it on; null for all. */
  readonly id: readonly string[] | null;
  /** In paths, `{seed}` stands for the seed. */
  readonly source: WeightsSource | RunSource;
}

export interface WeightsSource {
  readonly kind: 'weights';
  readonly path: string;
  /** What the keys of the state dict begin with and the network's don't. */
  readonly prefix: string;
  readonly model: ModelName;
  readonly loss: LossName;
  /** Null: as many as the known set has. */
  readonly numClasses: number | null;
  /** Null: the statistics of the known training images. */
  readonly normalize: Normalization | null;
}

/** A run directory of `isotorch train`, which knows model, loss and normalisation. */
export interface RunSource {
  readonly kind: 'run';
  readonly path: string;
  readonly checkpoint: 'last' | 'best';
  /** What it says, where it has been asked already. */
  readonly says?: { readonly model: ModelName; readonly loss: LossName };
}

/** For each channel, of values from 0 to 1. `mean` 0 and `std` 1 leave images as they are. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface KnownSet {
  readonly name: string;
  /** What most detectors that learn are fitted on; null for none. */
  readonly train: DataReference | null;
  /** Known images that no network was trained on, for detectors that are fitted on such; null for none. */
  readonly validation: DataReference | null;
  readonly test: DataReference;
  readonly ood: UnknownSets<DataReference>;
}

export interface UnknownSets<T> {
  readonly near: readonly T[];
  readonly far: readonly T[];
}

export interface DataReference {
  /** In results; of its own within a known set and its unknown ones. */
  readonly name: string;
  readonly source: DataSource;
  /** Only images of these classes; null for all. */
  readonly classes: readonly number[] | null;
  /** Only images from the first up to before the second, counted from 0 and before `classes` are chosen; null for all. */
  readonly rows: readonly [from: number, to: number] | null;
  /** Only the images that a training held out to validate on, or all others; without it both. */
  readonly part?: { readonly which: 'held' | 'trained'; readonly share: number; readonly seed: number };
}

export type DataSource =
  /** By its name; `all` has both splits, for a set that no network was trained on. */
  | { readonly kind: 'set'; readonly set: DatasetName; readonly split: Split | 'all' }
  | { readonly kind: 'synthetic'; readonly set: SyntheticName }
  | { readonly kind: 'idx' | 'npy'; readonly path: string; readonly labels: string | null }
  | { readonly kind: 'folder' | 'tar'; readonly path: string }
  /** The binary version of CIFAR, a folder. */
  | { readonly kind: 'cifar10' | 'cifar100'; readonly path: string; readonly split: Split };

/** Features and logits that some program has written; no model, no images. */
export interface ArraySets {
  readonly name: string;
  readonly loss: string;
  readonly model: string;
  readonly seed: number | null;
  /** A file with weight and bias of the last layer; null for none. */
  readonly head: string | null;
  readonly train: string | null;
  readonly validation: string | null;
  readonly id: ArrayFile;
  readonly ood: UnknownSets<ArrayFile>;
}

export interface ArrayFile {
  readonly name: string;
  readonly path: string;
}
