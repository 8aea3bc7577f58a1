// An experiment by names: which data, model, loss and recipe. What `isotorch train` and `isotorch evaluate` do, as functions:
// names become data sets and modules, the rest is `fit` and `ood.evaluate`. The run directory's config.json holds the names,
// so that an evaluation, today or in a year, rebuilds the same network.

import { types } from 'node:util';
import { formatOf } from '../checkpoint/formats.js';
import { loadSafetensors, loadTorch } from '../checkpoint/index.js';
import { openSource } from '../checkpoint/source.js';
import * as data from '../data/index.js';
import { expected, IsotorchError } from '../errors.js';
import * as losses from '../losses/index.js';
import * as models from '../models/index.js';
import type { Module, StateSource } from '../nn/index.js';
import * as ood from '../ood/index.js';
import { type Device, torch } from '../tensor/index.js';
import { type FitOptions, type FitResult, fit } from './fit.js';
import type { AugmentationName, CifarModelName, ModelName, ScoreName, UnknownName } from './names.js';
import type { RecipeName } from './recipes.js';
import { type CheckpointName, type JsonObject, RunDirectory } from './runDirectory.js';
import { setsAtHand, unknownSet } from './unknowns.js';

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
  const [, height, width] = train.shape;
  const augmentations = { crop: () => data.randomCrop([height, width], 4), flip: () => data.randomHorizontalFlip() };
  const result = await fit({
    model,
    criterion: losses.byName(experiment.loss).criterion(),
    train,
    validation: held,
    recipe: experiment.recipe,
    seed: experiment.seed,
    // The whole training set's: the same numbers for every split.
    normalize: known.statistics,
    augment: experiment.augment.map((name) => augmentations[name]()),
    config: { experiment: { ...experiment } },
    ...rest,
  });
  for (const set of new Set([loaded, known, train, held])) set?.dispose();
  return result;
}

/** What is evaluated: a run of `trainExperiment`, or weights of the same layout from anywhere. */
export type Trained =
  | { readonly run: string; readonly checkpoint: Exclude<CheckpointName, 'state'> }
  | { readonly weights: string; readonly experiment: Pick<Experiment, 'data' | 'model' | 'loss' | 'classes'> };

export interface EvaluateOptions {
  /** @default every set that is on this machine */
  readonly ood?: readonly UnknownName[] | undefined;
  /** @default mps, es, mds, and the one that goes with the loss */
  readonly scores?: readonly ScoreName[] | undefined;
  readonly device?: Device | undefined;
  /** Fetch what is not on this machine. @default true */
  readonly download?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ood.EvaluateProgress) => void) | undefined;
  readonly log?: ((message: string) => void) | undefined;
}

/**
 * Reloads a network and measures how well it tells its test images from unknown ones.
 * @throws ERR_FILE, ERR_FORMAT or ERR_STATE_DICT for a run or a file that doesn't fit; what `ood.evaluate` throws
 */
export async function evaluateExperiment(trained: Trained, options: EvaluateOptions = {}): Promise<ood.Evaluation> {
  const { device = torch.accelerator() ?? 'cpu', scores, download = true, signal, onProgress, log } = options;
  const { experiment, weights, seed, statistics } = await resolveTrained(trained, log);
  const source = { split: 'test', device, download, ...(log && { log }) } as const;
  const whole = await data.load(experiment.data, source);
  const { classes } = experiment;
  const test = classes ? whole.onlyClasses(classes) : whole;
  const heldOut = classes ? whole.subset((label) => !classes.includes(label), 'held-out') : undefined;
  using model = makeModel({ ...experiment, seed: 0 }, test, device);
  model.loadStateDict(await readWeights(weights));

  const names = options.ood ?? (await setsAtHand(experiment.data, heldOut !== undefined));
  if (names.length === 0) throw expected('at least one set of unknown images', 'ood', names);
  const unknown: Record<string, data.ImageDataset> = {};
  for (const name of new Set(names))
    unknown[name] = await unknownSet(name, { like: test, known: experiment.data, heldOut, download, log });
  const evaluation = await ood.evaluate(model, {
    id: test,
    ood: unknown,
    scores: (scores ?? defaultScores(experiment.loss)).map((name) => ood.byName(name)),
    transform: (images) => data.normalize(images, statistics),
    run: { loss: experiment.loss, model: experiment.model, seed },
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  for (const set of new Set([whole, test, heldOut, ...Object.values(unknown)])) set?.dispose();
  return evaluation;
}

/** The papers' three, and the one that the loss's authors use. */
const defaultScores = (loss: losses.LossName): ScoreName[] => [
  ...new Set<ScoreName>(['mps', 'es', 'mds', losses.byName(loss).score]),
];

interface Resolved {
  experiment: Pick<Experiment, 'data' | 'model' | 'loss' | 'classes'>;
  /** A file with a state dict. */
  weights: string;
  seed: number | null;
  /** What the images are normalised with. */
  statistics: data.Statistics;
}

export async function resolveTrained(trained: Trained, log: EvaluateOptions['log']): Promise<Resolved> {
  if ('weights' in trained) {
    const { experiment, weights } = trained;
    const train = await data.load(experiment.data, { split: 'train', ...(log && { log }) });
    const known = experiment.classes ? train.onlyClasses(experiment.classes) : train;
    const { statistics } = known;
    for (const set of new Set([train, known])) set.dispose();
    return { experiment, weights, seed: null, statistics };
  }
  const run = RunDirectory.open(trained.run);
  const { experiment, training } = run.config() as { experiment?: Experiment; training?: JsonObject };
  if (!experiment || !training)
    throw new IsotorchError(
      'ERR_FILE',
      `The run in ${trained.run} was not begun by names, so its network can't be rebuilt from its config.json. ` +
        'Name the file and the network: --weights, --model and --loss',
    );
  if (!run.hasCheckpoint(trained.checkpoint))
    throw new IsotorchError(
      'ERR_FILE',
      `The run in ${trained.run} has no checkpoint ${trained.checkpoint}.pt ${
        trained.checkpoint === 'best'
          ? '(it was trained without validation images?)'
          : 'yet (its first epoch is not done?)'
      }`,
    );
  return {
    experiment,
    weights: run.checkpoint(trained.checkpoint),
    seed: experiment.seed,
    statistics: training.normalize as unknown as data.Statistics,
  };
}

/**
 * A new network. Its weights follow from the seed alone, and those before the head from nothing of the loss: networks with
 * different losses start from the same features.
 */
export function makeModel(
  { model, loss, seed }: Pick<Experiment, 'loss' | 'seed'> & { readonly model: ModelName | CifarModelName },
  images: Pick<data.ImageDataset, 'shape' | 'classes'>,
  device: Device,
): Module {
  const makers: Record<ModelName | CifarModelName, (options: Omit<models.ConvNetOptions, 'width'>) => Module> = {
    convnet: models.convNet,
    resnet18: models.resnet18,
    resnet34: models.resnet34,
    resnet20: models.resnet20,
    resnet32: models.resnet32,
    resnet44: models.resnet44,
    resnet56: models.resnet56,
    resnet110: models.resnet110,
  };
  if (!Object.hasOwn(makers, model)) throw expected(`one of ${Object.keys(makers).join(', ')}`, 'model', model);
  const { head } = losses.byName(loss);
  torch.manualSeed(seed);
  const made = makers[model]({ inChannels: images.shape[0], numClasses: images.classes.length, head });
  // LibTorch's convolutions take a sixth to a quarter less time on the CPU when channels lie beside each other.
  return made.to({ device, memoryFormat: 'channels_last' });
}

/** A state dict, at the top of the file or where PyTorch's users put it. */
export async function readWeights(path: string): Promise<StateSource> {
  const source = await openSource(path);
  const format = await formatOf(source).finally(() => source.close());
  if (format === 'safetensors') return await loadSafetensors(path);
  const content = await loadTorch(path);
  if (types.isMap(content))
    for (const key of ['state_dict', 'model_state_dict', 'model'])
      if (types.isMap(content.get(key))) return content.get(key) as StateSource;
  return content as StateSource;
}
