// The trainer: PyTorch's five lines in a loop, with what every run needs around them: a schedule, a held-out set, progress,
// checkpoints, a way to stop and to go on. It is short so that you can read it, and copy it where yours must differ.
//
// A run depends on its seed alone: batch order and augmentations on (seed, epoch), dropout and the like on LibTorch's
// generator, whose state is part of a checkpoint. So a run that was stopped, even in the middle of an epoch, and goes on
// ends with the weights of one that was not, bit for bit on the CPU.

import { type AutocastDevice, autocast, GradScaler } from '../amp/index.js';
import { saveTorch } from '../checkpoint/index.js';
import type { BatchOptions, Dataset, Statistics } from '../data/index.js';
import { expected } from '../errors.js';
import { type Precision, precisions } from '../known/precisions.js';
import type { PreparedBatch } from '../losses/index.js';
import { Module } from '../nn/index.js';
import type { Optimizer, Schedule } from '../optim/index.js';
import { type Tensor, torch } from '../tensor/index.js';
import { hashOf, openRun, settingsOf } from './begin.js';
import { Meter, type Reading } from './meter.js';
import { Pace, type Progress } from './pace.js';
import { type Recipe, type RecipeName, resolveRecipe } from './recipes.js';
import type { EpochRecord, JsonObject, RunDirectory } from './runDirectory.js';
import { optimizerOf, scheduleOf } from './schedule.js';
import { TrainingState } from './state.js';
import { Steps } from './steps.js';

/**
 * The second part of a loss: logits [B, classes] and labels int64 [B] → the mean loss, a scalar. One that is a module is in
 * evaluation mode for held-out images, and in training mode again after them.
 */
export interface Criterion {
  forward(logits: Tensor, labels: Tensor): Tensor;
  /**
   * What to train on in place of a batch, such as mixed images; the labels are whatever `forward` takes. It runs within the
   * captured step. A last batch of one image, which can't be mixed with any other, stays as it is.
   */
  preprocess?(images: Tensor, labels: Tensor): PreparedBatch;
}

export interface FitOptions {
  /** On its device already; trained in place, and left in evaluation mode. */
  model: Module;
  /** Such as `new losses.IsoMaxLoss()`. */
  criterion: Criterion;
  /** On the model's device: images, or tensors of any shape. */
  train: Dataset<Tensor>;
  /** Held-out images, measured after each epoch; they choose `best.pt` and nothing else. Never the test set. */
  validation?: Dataset<Tensor> | undefined;

  /** @default 'quickstart' */
  recipe?: RecipeName | Recipe | undefined;
  /** Changes of the recipe. */
  epochs?: number | undefined;
  batchSize?: number | undefined;
  lr?: number | undefined;
  /** Instead of the recipe's; a schedule goes with it. */
  optimizer?: Optimizer;
  /** Stepped once an epoch, with the loss (the validation's if there is one); OneCycleLR and CyclicLR after each step. */
  schedule?: Schedule;

  /** How images are normalised. @default the training set's statistics, where it has any; they serve the validation set too */
  normalize?: Statistics;
  /** For the training images. @default none */
  augment?: NonNullable<BatchOptions['augment']>;
  /** Of batch order, augmentation and dropout. Weights are there before `fit`: seed them where they are made. @default 0 */
  seed?: number;

  /**
   * What matrix products and convolutions are computed in (autocast); weights and losses stay float32. Gradients of float16
   * are kept from vanishing by a GradScaler. @default 'float32'
   */
  precision?: Precision | undefined;
  /**
   * Whether a step is captured: recorded once, replayed off this thread, to the same bits. False for a model or criterion that
   * reads values or decides by them. @default true
   */
  capture?: boolean | undefined;

  /** The run directory. Without one nothing is written. */
  out?: string | undefined;
  /** Replace a run that is in `out`. @default false: it is an error */
  overwrite?: boolean;
  /** Go on with the run in `out`, given the same model and settings. @default false */
  resume?: boolean;
  /** What else belongs into config.json, such as names of data, model and loss. */
  config?: JsonObject;

  /** Stops training after the step in hand; the run is saved so that it can go on. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Milliseconds between two calls of `onProgress`. Each reads the running loss from the device. @default 250 */
  progressInterval?: number;
  onEpoch?: ((record: EpochRecord) => void) | undefined;
}

export interface FitResult {
  /** All of the run, those before a resumption included. */
  readonly epochs: readonly EpochRecord[];
  /** Whether `signal` ended it early. */
  readonly stopped: boolean;
}

/**
 * Trains a model.
 *
 * @throws ERR_ARGUMENT for settings out of range, or that differ from those of the run to go on with; ERR_DATA when the loss
 *   is no longer finite, with the step; ERR_FILE for a run directory that holds a run already or is in use; ERR_STATE_DICT
 *   when a checkpoint belongs to another model
 * @example
 * const run = await training.fit({ model, criterion, train, validation, recipe: 'isomax-paper', epochs: 30, out: 'runs/a' });
 * console.log(run.epochs.at(-1)?.validation?.accuracy);
 */
export async function fit(options: FitOptions): Promise<FitResult> {
  const { model, criterion, train, validation, seed = 0, augment = [], signal, onProgress, onEpoch } = options;
  const { precision = 'float32' } = options;
  if (!train || train.size === 0) throw expected('a data set with at least one image', 'train', train);
  if (!precisions.includes(precision)) throw expected(`one of ${precisions.join(', ')}`, 'precision', precision);
  const recipe = resolveRecipe(options.recipe ?? 'quickstart', {
    epochs: options.epochs,
    batchSize: options.batchSize,
    lr: options.lr,
  });
  const { epochs, batchSize } = recipe;
  const normalize = options.normalize ?? train.statistics;
  const steps = Math.ceil(train.size / batchSize);

  const config = settingsOf(options, recipe, normalize);
  using run = openRun(options, config);
  torch.manualSeed(seed);
  const optimizer = options.optimizer ?? optimizerOf(recipe, model);
  const schedule = options.optimizer ? options.schedule : scheduleOf(recipe, optimizer, steps);
  using meter = new Meter(train.device);
  using sums = new Meter(train.device);
  const loader = train.batches(batchSize, { shuffle: true, seed, augment, ...(normalize && { normalize }) });
  const validationLoader = validation?.batches(Math.max(batchSize, 256), normalize && { normalize });
  using scaler = new GradScaler({ enabled: precision === 'float16', device: train.device });
  const forward = (inputs: Tensor, labels: Tensor) => {
    const logits = model.forward(inputs);
    return { logits, loss: criterion.forward(logits, labels) };
  };
  const kind = train.device.split(':')[0] as AutocastDevice;
  const compute: typeof forward =
    precision === 'float32' ? forward : (inputs, labels) => autocast(kind, precision, () => forward(inputs, labels));
  using trainStep = new Steps((picks) => {
    const batch = loader.gather(picks);
    const mix = batch.inputs.shape[0]! > 1 && criterion.preprocess;
    const { images, labels, kept } = mix
      ? mix.call(criterion, batch.inputs, batch.labels)
      : { ...batch, kept: batch.labels };
    const { logits, loss } = compute(images, labels);
    optimizer.zeroGrad();
    scaler.scale(loss).backward();
    scaler.step(optimizer);
    scaler.update();
    meter.add(loss, logits, kept);
  }, options.capture);
  using validationStep = new Steps((picks) => {
    torch.noGrad(() => {
      const { inputs, labels } = validationLoader!.gather(picks);
      const { logits, loss } = compute(inputs, labels);
      sums.add(loss, logits, labels);
    });
  }, options.capture);
  const interval = options.progressInterval ?? 250;
  const pace = new Pace({ epochs, steps, interval, onProgress });
  const state = new TrainingState({
    model,
    optimizer,
    schedule,
    scaler,
    meter,
    pace,
    device: train.device,
    configHash: hashOf(config),
  });
  if (run && options.resume && run.hasCheckpoint('state')) await state.load(run.checkpoint('state'));
  const records = run ? run.keepEpochs(state.epoch) : [];

  while (state.epoch < epochs) {
    await trainEpoch();
    const trained = await meter.read(` of epoch ${state.epoch + 1}`);
    const validated = validationLoader && !signal?.aborted ? await validate() : undefined;
    if (signal?.aborted) {
      if (run) await state.save(run.checkpoint('state'));
      model.eval();
      return { epochs: records, stopped: true };
    }
    const record: EpochRecord = {
      epoch: state.epoch + 1,
      loss: trained.loss,
      accuracy: trained.accuracy,
      ...(validated && { validation: { loss: validated.loss, accuracy: validated.accuracy } }),
      learningRate: optimizer.paramGroups[0]!.lr,
      seconds: pace.seconds,
      imagesPerSecond: train.size / pace.seconds,
    };
    if (!schedule?.isPerStep) schedule?.step(validated?.loss ?? trained.loss);
    state.nextEpoch();
    records.push(record);
    if (run) await saveEpoch(run, record);
    onEpoch?.(record);
  }
  model.eval();
  return { epochs: records, stopped: false };

  /** The steps of this epoch that are still to do, up to its end or the signal. */
  async function trainEpoch(): Promise<void> {
    model.train();
    pace.begin(state.step * batchSize);
    const picks = loader.picks({ epoch: state.epoch, from: state.step });
    while (state.step < steps && !signal?.aborted) {
      const most = schedule?.isPerStep ? 1 : Math.min(pace.stepsIn(interval / 1000), steps - state.step);
      const count = await trainStep.take(picks, most, signal);
      if (schedule?.isPerStep && count > 0) schedule.step();
      state.step += count;
      pace.stepped(count);
      await pace.report('train', state.epoch, state.step, steps, meter);
    }
    picks.return();
  }

  /** Loss and accuracy on held-out images; meaningless when the signal came. */
  async function validate(): Promise<Reading> {
    model.eval();
    if (criterion instanceof Module) criterion.eval();
    sums.reset();
    pace.begin(0);
    const picks = validationLoader!.picks({ epoch: 0 });
    for (let step = 0; step < validationLoader!.length && !signal?.aborted; ) {
      step += await validationStep.take(picks, Math.min(4, validationLoader!.length - step), signal);
      await pace.report('validate', state.epoch, step, validationLoader!.length, sums);
    }
    picks.return();
    pace.validated();
    if (criterion instanceof Module) criterion.train();
    return await sums.read(` of validation after epoch ${state.epoch + 1}`);
  }

  /** The state comes last: should the process end before it is written, the epoch is done again, to the same bits. */
  async function saveEpoch(run: RunDirectory, record: EpochRecord): Promise<void> {
    run.appendEpoch(record);
    await saveWeights(run.checkpoint('last'));
    if (record.validation && record.validation.accuracy > state.best) {
      state.best = record.validation.accuracy;
      await saveWeights(run.checkpoint('best'));
    }
    await state.save(run.checkpoint('state'));
  }

  /** A plain state dict, as `torch.save(model.state_dict(), path)` writes it. */
  async function saveWeights(path: string): Promise<void> {
    const weights = model.stateDict();
    await saveTorch(path, weights);
    for (const tensor of weights.values()) tensor.dispose();
  }
}
