// The trainer: PyTorch's five lines in a loop, with what every run needs around them: a schedule, a held-out set, progress,
// checkpoints, a way to stop and to go on. It is short so that you can read it, and copy it where yours must differ.
//
// A run depends on its seed alone: batch order and augmentations on (seed, epoch), dropout and the like on LibTorch's
// generator, whose state is part of a checkpoint. So a run that was stopped, even in the middle of an epoch, and goes on
// ends with the weights of one that was not, bit for bit on the CPU.

import { type AutocastDevice, autocast, GradScaler } from '../amp/index.js';
import { positive, wholeNumber } from '../arguments.js';
import { saveTorch } from '../checkpoint/index.js';
import type { BatchOptions, Collate, Statistics } from '../data/index.js';
import { expected } from '../errors.js';
import { type Precision, precisions } from '../known/precisions.js';
import type { PreparedBatch } from '../losses/index.js';
import { Module, utils } from '../nn/index.js';
import type { Optimizer, Schedule } from '../optim/index.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';
import { type AveragedSettings, Averaging } from './averaging.js';
import { hashOf, openRun, settingsOf } from './begin.js';
import { type AnyDataset, feedOf, type StepBatch } from './feed.js';
import { checkGoal, type EarlyStopping, type Goal, hasStalled, isBest } from './goal.js';
import { checkMetrics, Meter, type Metrics, type Reading } from './meter.js';
import { Pace, type Progress } from './pace.js';
import { type Recipe, type RecipeName, resolveRecipe } from './recipes.js';
import type { EpochRecord, JsonObject, RunDirectory } from './runDirectory.js';
import { optimizerOf, scheduleOf } from './schedule.js';
import { TrainingState } from './state.js';
import { Steps } from './steps.js';

/**
 * The second part of a loss: what the model gives, such as logits [B, classes], and what it should, such as labels int64 [B] →
 * the mean loss, a scalar. One that is a module is in evaluation mode for held-out images, and in training mode again after them.
 */
export interface Criterion<Outputs = Tensor> {
  forward(outputs: Outputs, targets: Tensor): Tensor;
  /**
   * What to train on in place of a batch, such as mixed images; the labels are whatever `forward` takes. It runs within the
   * captured step. A last batch of one image, which can't be mixed with any other, stays as it is.
   */
  preprocess?(images: Tensor, labels: Tensor): PreparedBatch;
}

/** Where training stands at a step. Means are those of the epoch so far. */
export interface StepRecord extends Omit<Reading, 'images'> {
  /** Both counted from 1; steps within the epoch. */
  readonly epoch: number;
  readonly step: number;
  readonly learningRate: number;
}

export interface FitOptions<Outputs = Tensor, Inputs extends unknown[] = Tensor[]> {
  /** On its device already; trained in place, and left in evaluation mode. */
  model: Module<Outputs, Inputs>;
  /** Such as `new losses.IsoMaxLoss()`, `new nn.MSELoss()`, or `{ forward: (outputs, targets) => … }`. */
  criterion: Criterion<Outputs>;
  /** On the model's device: images, tensors of any shape, or a set of your own with `get`. Where it has no labels, inputs are the targets. */
  train: AnyDataset;
  /** Held-out examples, measured after each epoch; they choose `best.pt` and when to stop early. Never the test set. */
  validation?: AnyDataset | undefined;
  /** How examples of a set with `get` become a batch. @default `data.collate`, which stacks pairs */
  collate?: Collate<never> | undefined;
  /** Numbers to follow beside the loss and, where targets are classes, the accuracy. */
  metrics?: Metrics<Outputs> | undefined;

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

  /** Gradients are scaled so that their norm, all as one vector, is at most this. @default they stay */
  clipGradNorm?: number | undefined;
  /** Each entry of the gradients is cut to ± this. @default they stay */
  clipGradValue?: number | undefined;
  /** Batches a step: their gradients are summed, each by its share of the step's examples. @default 1 */
  accumulate?: number | undefined;
  /** Averaged weights to validate, save and end with. @default none */
  averaged?: AveragedSettings | undefined;
  /** Ends training after `patience` epochs without a better number. @default never */
  earlyStopping?: EarlyStopping | undefined;
  /** What makes an epoch the best, whose weights are `best.pt`. @default validation accuracy; loss where targets are no classes */
  keepBest?: Goal | undefined;

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
  /** After each epoch, when it is saved. Waited for, where it is async. */
  onEpoch?: ((record: EpochRecord) => void) | undefined;
  /** After each `stepInterval` steps of an epoch. Waited for, where it is async; each call reads the running means from the device. */
  onStep?: ((record: StepRecord) => void) | undefined;
  /** @default 100 */
  stepInterval?: number;
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
export async function fit<Outputs = Tensor, Inputs extends unknown[] = Tensor[]>(
  options: FitOptions<Outputs, Inputs>,
): Promise<FitResult> {
  const { model, criterion, train, validation, seed = 0, augment = [], signal, onProgress, onEpoch, onStep } = options;
  const { precision = 'float32', metrics = {}, accumulate = 1, clipGradNorm, clipGradValue, collate } = options;
  const { earlyStopping, keepBest } = options;
  if (!train || train.size === 0) throw expected('a data set with at least one image', 'train', train);
  checkMetrics(metrics);
  wholeNumber(accumulate, 'accumulate');
  const stepInterval = wholeNumber(options.stepInterval ?? 100, 'stepInterval');
  if (clipGradNorm !== undefined) positive(clipGradNorm, 'clipGradNorm');
  if (clipGradValue !== undefined) positive(clipGradValue, 'clipGradValue');
  checkGoal('earlyStopping', earlyStopping, Object.keys(metrics));
  checkGoal('keepBest', keepBest, Object.keys(metrics));
  if (!precisions.includes(precision)) throw expected(`one of ${precisions.join(', ')}`, 'precision', precision);
  const recipe = resolveRecipe(options.recipe ?? 'quickstart', {
    epochs: options.epochs,
    batchSize: options.batchSize,
    lr: options.lr,
  });
  const { epochs, batchSize } = recipe;
  const normalize = options.normalize ?? ('get' in train ? undefined : train.statistics);
  const feed = feedOf(train, {
    batchSize,
    accumulate,
    collate,
    shuffle: true,
    seed,
    augment,
    ...(normalize && { normalize }),
  });
  const held =
    validation && feedOf(validation, { batchSize: Math.max(batchSize, 256), collate, ...(normalize && { normalize }) });
  const steps = feed.length;

  const config = settingsOf(options, recipe, normalize);
  using run = openRun(options, config);
  torch.manualSeed(seed);
  const optimizer = options.optimizer ?? optimizerOf(recipe, model);
  const schedule = options.optimizer ? options.schedule : scheduleOf(recipe, optimizer, steps);
  using meter = new Meter(train.device, metrics);
  using sums = new Meter(train.device, metrics);
  using scaler = new GradScaler({ enabled: precision === 'float16', device: train.device });
  using averaging = options.averaged && new Averaging(model, options.averaged, epochs);
  const forward = (inputs: readonly Tensor[], targets: Tensor) => {
    const outputs = model.forward(...(inputs as unknown[] as Inputs));
    return { outputs, loss: criterion.forward(outputs, targets) };
  };
  const kind = train.device.split(':')[0] as AutocastDevice;
  const compute: typeof forward =
    precision === 'float32' ? forward : (inputs, targets) => autocast(kind, precision, () => forward(inputs, targets));
  using trainStep = new Steps((picks) => {
    optimizer.zeroGrad();
    for (const batch of feed.batches(picks)) tidy(() => learn(batch));
    if (clipGradNorm !== undefined || clipGradValue !== undefined) clip();
    scaler.step(optimizer);
    scaler.update();
    averaging?.stepped();
  }, options.capture);
  using validationStep = new Steps((picks) => {
    torch.noGrad(() => {
      for (const { inputs, labels } of held!.batches(picks)) {
        const weighed = () => compute(inputs, labels);
        const { outputs, loss } = averaging ? averaging.during(weighed) : weighed();
        sums.add(loss, outputs, labels, inputs[0]!.shape[0]!);
      }
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
    averaging,
    pace,
    device: train.device,
    configHash: hashOf(config),
  });
  if (run && options.resume && run.hasCheckpoint('state')) await state.load(run.checkpoint('state'));
  const records = run ? run.keepEpochs(state.epoch) : [];

  while (state.epoch < epochs && !hasStalled(records, earlyStopping)) {
    await trainEpoch();
    const trained = await meter.read(` of epoch ${state.epoch + 1}`);
    if (!signal?.aborted) averaging?.epochEnded(state.epoch + 1);
    const validated = held && !signal?.aborted ? await validate() : undefined;
    if (signal?.aborted) {
      if (run) await state.save(run.checkpoint('state'));
      model.eval();
      return { epochs: records, stopped: true };
    }
    const record: EpochRecord = {
      epoch: state.epoch + 1,
      loss: trained.loss,
      accuracy: trained.accuracy,
      ...(trained.metrics && { metrics: trained.metrics }),
      ...(validated && { validation: measuresOf(validated) }),
      learningRate: optimizer.paramGroups[0]!.lr,
      seconds: pace.seconds,
      imagesPerSecond: train.size / pace.seconds,
    };
    if (!schedule?.isPerStep) schedule?.step(validated?.loss ?? trained.loss);
    state.nextEpoch();
    records.push(record);
    if (run) await saveEpoch(run, record);
    await onEpoch?.(record);
  }
  averaging?.finish();
  model.eval();
  return { epochs: records, stopped: false };

  /** One batch of a step: its gradients are added to those that are there. */
  function learn({ inputs, labels, share, isLast }: StepBatch): void {
    const images = inputs[0]!.shape[0]!;
    const mixed =
      images > 1 && inputs.length === 1 && criterion.preprocess ? criterion.preprocess(inputs[0]!, labels) : undefined;
    const { outputs, loss } = compute(mixed ? [mixed.images] : inputs, mixed?.labels ?? labels);
    scaler.scale(share === 1 ? loss : loss.mul(share)).backward();
    meter.add(loss, outputs, mixed?.kept ?? labels, images, isLast);
  }

  function clip(): void {
    const parameters = optimizer.paramGroups.flatMap(({ params }) => params);
    scaler.unscale_(optimizer);
    if (clipGradValue !== undefined) utils.clipGradValue_(parameters, clipGradValue);
    if (clipGradNorm !== undefined) tidy(() => void utils.clipGradNorm_(parameters, clipGradNorm));
  }

  /** The steps of this epoch that are still to do, up to its end or the signal. */
  async function trainEpoch(): Promise<void> {
    model.train();
    pace.begin(state.step * batchSize * accumulate);
    const picks = feed.picks({ epoch: state.epoch, from: state.step });
    while (state.step < steps && !signal?.aborted) {
      const untilHook = onStep ? stepInterval - (state.step % stepInterval) : steps;
      const most = schedule?.isPerStep ? 1 : Math.min(pace.stepsIn(interval / 1000), steps - state.step, untilHook);
      const count = await trainStep.take(picks, most, signal);
      if (schedule?.isPerStep && count > 0) schedule.step();
      state.step += count;
      pace.stepped(count);
      await pace.report('train', state.epoch, state.step, steps, meter);
      if (onStep && count > 0 && state.step % stepInterval === 0) await tellStep(onStep);
    }
    picks.return();
  }

  async function tellStep(tell: NonNullable<typeof onStep>): Promise<void> {
    const reading = measuresOf(await meter.read(` of epoch ${state.epoch + 1}`));
    const learningRate = optimizer.paramGroups[0]!.lr;
    await tell({ epoch: state.epoch + 1, step: state.step, ...reading, learningRate });
  }

  /** Loss and accuracy on held-out images; meaningless when the signal came. */
  async function validate(): Promise<Reading> {
    model.eval();
    if (criterion instanceof Module) criterion.eval();
    sums.reset();
    pace.begin(0);
    const picks = held!.picks({ epoch: 0 });
    for (let step = 0; step < held!.length && !signal?.aborted; ) {
      step += await validationStep.take(picks, Math.min(4, held!.length - step), signal);
      await pace.report('validate', state.epoch, step, held!.length, sums);
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
    const usual =
      record.validation && ({ metric: Number.isNaN(record.validation.accuracy) ? 'loss' : 'accuracy' } as Goal);
    const goal = keepBest ?? usual;
    if (goal && isBest(records, goal)) await saveWeights(run.checkpoint('best'));
    await state.save(run.checkpoint('state'));
  }

  /** A plain state dict, as `torch.save(model.state_dict(), path)` writes it; of the averages, where there are any. */
  async function saveWeights(path: string): Promise<void> {
    const weights = averaging ? averaging.during(() => model.stateDict()) : model.stateDict();
    await saveTorch(path, weights);
    for (const tensor of weights.values()) tensor.dispose();
  }
}

const measuresOf = ({ images: _, ...measures }: Reading) => measures;
