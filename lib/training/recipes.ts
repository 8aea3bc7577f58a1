// Training recipes as plain typed objects: what a paper's table of hyper-parameters says, in one place, with each setting
// commented once. A recipe names no model, loss or data: IsoMax trains with the very settings that SoftMax trains with, and
// that is part of the method's promise. `resolveRecipe` lays a caller's changes over a named recipe.

import { expected } from '../errors.js';
import {
  type OptimizerName,
  optimizerNamed,
  optimizerNames,
  optimizers,
  type SettingsOf,
} from '../known/optimizers.js';
import { checkedSettings } from '../known/optimSettings.js';
import {
  type ScheduleName,
  type ScheduleSettingsOf,
  scheduleNamed,
  scheduleNames,
  schedules,
} from '../known/schedules.js';

/** An optimizer whose steps need nothing but gradients. */
export type RecipeOptimizer = Exclude<OptimizerName, 'LBFGS'>;

/** Any of them by name, with PyTorch's defaults where a setting is left out. */
export type OptimizerSettings = {
  [N in RecipeOptimizer]: { readonly name: N | Lowercase<N> } & Readonly<Partial<SettingsOf<N>>>;
}[RecipeOptimizer];

/** A schedule that settings say wholly. */
export type RecipeSchedule = Exclude<
  ScheduleName,
  'LambdaLR' | 'MultiplicativeLR' | 'SequentialLR' | 'ChainedScheduler'
>;

export type ScheduleSettings =
  /** The rate times `gamma` at the start of each of these epochs (counted from 0). */
  | { readonly name: 'multistep'; readonly milestones: readonly number[]; readonly gamma: number }
  /** Half a cosine from the first rate to `minLr` over all epochs. */
  | { readonly name: 'cosine'; readonly minLr: number }
  | { readonly name: 'constant' }
  /** Any of PyTorch's. CosineAnnealingLR, PolynomialLR and OneCycleLR last as long as the run if nothing else is said. */
  | {
      [N in RecipeSchedule]: { readonly name: N | Lowercase<N> } & Readonly<Partial<ScheduleSettingsOf<N>>>;
    }[RecipeSchedule];

export interface Recipe {
  readonly name: string;
  /** Passes over the training set. */
  readonly epochs: number;
  /** Images a step. The last, smaller batch of an epoch is kept. */
  readonly batchSize: number;
  /** Its weight decay is for every parameter: weights, biases, batch-norm scales and also prototypes, as the authors train. */
  readonly optimizer: OptimizerSettings;
  /** How the learning rate moves: once an epoch, OneCycleLR and CyclicLR after each step. */
  readonly schedule: ScheduleSettings;
}

/**
 * The recipe of the IsoMax papers for 32×32 images, the same for every loss
 * (dlmacedo/entropic-out-of-distribution-detection, `main.py`, `agents/classifier.py`).
 */
const isomaxPaper: Recipe = {
  name: 'isomax-paper',
  epochs: 300,
  batchSize: 64,
  optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 },
  schedule: { name: 'multistep', milestones: [150, 200, 250], gamma: 0.1 },
};

/** A few minutes on two cores: bigger batches, and a cosine to zero because four epochs leave no room for plateaus. */
const quickstart: Recipe = {
  name: 'quickstart',
  epochs: 4,
  batchSize: 128,
  optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 },
  schedule: { name: 'cosine', minLr: 0 },
};

export const recipes = { 'isomax-paper': isomaxPaper, quickstart } as const;

export type RecipeName = keyof typeof recipes;

/** What a caller may change of a recipe without writing one. */
export interface RecipeChanges {
  readonly epochs?: number | undefined;
  readonly batchSize?: number | undefined;
  readonly lr?: number | undefined;
}

/**
 * The recipe to train with: a named one or your own, with changes laid over it. With another number of epochs, the
 * milestones of a multi-step schedule move in proportion (150, 200, 250 of 300 become 15, 20, 25 of 30).
 * @throws ERR_ARGUMENT for an unknown name or a setting out of range.
 */
export function resolveRecipe(recipe: RecipeName | Recipe, changes: RecipeChanges = {}): Recipe {
  const base = typeof recipe === 'string' ? recipes[recipe] : recipe;
  if (typeof base !== 'object' || base === null)
    throw expected(`a recipe or one of ${Object.keys(recipes).join(', ')}`, 'recipe', recipe);
  const epochs = changes.epochs ?? base.epochs;
  const resolved: Recipe = {
    ...base,
    epochs,
    batchSize: changes.batchSize ?? base.batchSize,
    optimizer: changes.lr === undefined ? base.optimizer : { ...base.optimizer, lr: changes.lr },
    schedule: stretch(base.schedule, epochs / base.epochs),
  };
  checkRecipe(resolved);
  return resolved;
}

function stretch(schedule: ScheduleSettings, factor: number): ScheduleSettings {
  if (!('milestones' in schedule) || schedule.milestones === undefined || factor === 1) return schedule;
  return { ...schedule, milestones: schedule.milestones.map((epoch) => Math.max(1, Math.round(epoch * factor))) };
}

/** The settings of any but the three short ones, for a run of so many epochs and steps in each. */
export function scheduleSettings({ epochs, schedule }: Recipe, stepsPerEpoch: number): object {
  const { name, ...settings } = schedule;
  const whole: Record<string, object> = {
    CosineAnnealingLR: { tMax: epochs },
    PolynomialLR: { totalIters: epochs },
    OneCycleLR: { epochs, stepsPerEpoch },
  };
  return { ...whole[scheduleNamed(name) ?? ''], ...settings };
}

const stepping: readonly string[] = optimizerNames.filter((name) => name !== 'LBFGS');
const sayable: readonly string[] = scheduleNames.filter((name) => Object.keys(schedules[name].settings).length > 0);

function checkRecipe(recipe: Recipe): void {
  const { epochs, batchSize, optimizer, schedule } = recipe;
  if (!Number.isSafeInteger(epochs) || epochs < 1) throw expected('a whole number of 1 or more', 'epochs', epochs);
  if (!Number.isSafeInteger(batchSize) || batchSize < 1)
    throw expected('a whole number of 1 or more', 'batchSize', batchSize);
  const known = optimizerNamed(String(optimizer?.name));
  if (known === undefined || !stepping.includes(known))
    throw expected(`one of ${stepping.join(', ')}`, 'optimizer.name', optimizer?.name);
  const { name: _, ...settings } = optimizer;
  checkedSettings(known, optimizers[known].settings, settings);
  const { lr } = settings;
  if (lr !== undefined && lr <= 0) throw expected('a positive number', 'lr', lr);
  if (['multistep', 'cosine', 'constant'].includes(schedule?.name)) return;
  const named = scheduleNamed(String(schedule?.name));
  if (named === undefined || !sayable.includes(named))
    throw expected(`one of multistep, cosine, constant, ${sayable.join(', ')}`, 'schedule.name', schedule?.name);
  checkedSettings(named, schedules[named].settings, scheduleSettings(recipe, 1));
}
