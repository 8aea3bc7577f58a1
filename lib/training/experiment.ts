// An experiment by names: which data, model, loss and recipe. What `isotorch train` does, as a function: names become data sets
// and modules, the rest is `fit`. The run directory's config.json holds the names, so that an evaluation, today or in a year,
// rebuilds the same network.

import { weights } from '../checkpoint/index.js';
import { augmentations } from '../data/augment.js';
import * as data from '../data/index.js';
import { IsotorchError } from '../errors.js';
import type { AugmentationName } from '../known/augmentations.js';
import type { ModelName } from '../known/models.js';
import * as losses from '../losses/index.js';
import * as models from '../models/index.js';
import type { Module, StateSource } from '../nn/index.js';
import { type Device, torch } from '../tensor/index.js';
import { type FitOptions, type FitResult, fit } from './fit.js';
import type { RecipeName } from './recipes.js';
import { type JsonObject, RunDirectory } from './runDirectory.js';

/** What is trained. Everything here goes into config.json. */
export interface Experiment {
  readonly data: data.DatasetName;
  readonly model: ModelName;
  readonly loss: losses.LossName;
  readonly recipe: RecipeName;
  /** Of the initial weights, the batch order and the split into training and validation images. */
  readonly seed: number;
  /** Share of the training images that is held out to validate on; 0 for none. */
  readonly validation: number;
  readonly augment: readonly AugmentationName[];
  /** The classes to train on; the others are held out as unknown. Null for all. */
  readonly classes: readonly number[] | null;
}

export const defaultExperiment: Experiment = {
  data: 'fashion-mnist',
  model: 'convnet',
  loss: 'isomax',
  recipe: 'quickstart',
  seed: 0,
  validation: 0.05,
  augment: [],
  classes: null,
};

export interface TrainOptions
  extends Pick<
    FitOptions,
    'epochs' | 'batchSize' | 'lr' | 'precision' | 'overwrite' | 'signal' | 'onProgress' | 'onEpoch' | 'progressInterval'
  > {
  /** The run directory. */
  readonly out: string;
  /** Go on with the run in `out`. */
  readonly resume?: boolean;
  /** @default the accelerator, where there is one, else the CPU */
  readonly device?: Device | undefined;
  /** Is told what is fetched. */
  readonly log?: ((message: string) => void) | undefined;
}

/**
 * Trains a network from names into a run directory.
 * @throws what `fit` throws; ERR_DATA when the data set can't be had
 */
export async function trainExperiment(experiment: Experiment, options: TrainOptions): Promise<FitResult> {
  const { device = torch.accelerator() ?? 'cpu', log, ...rest } = options;
  const loaded = await data.load(experiment.data, { split: 'train', device, ...(log && { log }) });
  const known = experiment.classes ? loaded.onlyClasses(experiment.classes) : loaded;
  const [held, train] =
    experiment.validation > 0
      ? known.split(experiment.validation, { seed: experiment.seed })
      : ([undefined, known] as const);
  using model = makeModel(experiment, train, device);
  const result = await fit({
    model,
    criterion: losses.byName(experiment.loss).criterion(),
    train,
    validation: held,
    recipe: experiment.recipe,
    seed: experiment.seed,
    // The whole training set's: the same numbers for every split.
    normalize: known.statistics,
    augment: experiment.augment.map((name) => augmentations[name](train.shape)),
    config: { experiment: { ...experiment } },
    ...rest,
  });
  for (const set of new Set([loaded, known, train, held])) set?.dispose();
  return result;
}

/** What a run of `trainExperiment` says of itself. */
export interface TrainedRun {
  readonly experiment: Experiment;
  /** A file with a state dict. */
  readonly weights: string;
  readonly seed: number;
  /** What the images are normalised with. */
  readonly statistics: data.Statistics;
}

/** @throws ERR_FILE for a directory that is no run, one that was not begun by names, or one without the checkpoint */
export function resolveRun({ run: path, checkpoint }: { run: string; checkpoint: 'last' | 'best' }): TrainedRun {
  const run = RunDirectory.open(path);
  const { experiment, training } = run.config() as { experiment?: Experiment; training?: JsonObject };
  if (!experiment || !training)
    throw new IsotorchError(
      'ERR_FILE',
      `The run in ${path} was not begun by names, so its network can't be rebuilt from its config.json. ` +
        'Name the file and the network: --weights, --model and --loss',
    );
  if (!run.hasCheckpoint(checkpoint))
    throw new IsotorchError(
      'ERR_FILE',
      `The run in ${path} has no checkpoint ${checkpoint}.pt ${
        checkpoint === 'best' ? '(it was trained without validation images?)' : 'yet (its first epoch is not done?)'
      }`,
    );
  const statistics = training.normalize as unknown as data.Statistics;
  return { experiment, weights: run.checkpoint(checkpoint), seed: experiment.seed, statistics };
}

/**
 * A new network. Its weights follow from the seed alone, and those before the head from nothing of the loss: networks with
 * different losses start from the same features.
 */
export function makeModel(
  { model, loss, seed }: Pick<Experiment, 'model' | 'loss' | 'seed'>,
  images: Pick<data.ImageDataset, 'shape' | 'classes'>,
  device: Device,
): Module {
  const { head } = losses.byName(loss);
  torch.manualSeed(seed);
  const made = models.byName(model, { inChannels: images.shape[0], numClasses: images.classes.length, head });
  // LibTorch's convolutions take a sixth to a quarter less time on the CPU when channels lie beside each other.
  return made.to({ device, memoryFormat: 'channels_last' });
}

/** The state dict of a checkpoint, wherever it stands in it. Keys are as they are in the file. */
export async function readWeights(path: string): Promise<StateSource> {
  const { state } = await weights(path, { prefixes: [] });
  return state;
}
