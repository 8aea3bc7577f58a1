// Training recipes as plain typed objects: what a paper's table of hyper-parameters says, in one place, with each setting
// commented once. A recipe names no model, loss or data: IsoMax trains with the very settings that SoftMax trains with, and
// that is part of the method's promise. `resolveRecipe` lays a caller's changes over a named recipe.

import { expected } from '../errors.js';

/** Stochastic gradient descent, with `torch.optim.SGD`'s names and defaults of 0 where a setting is left out. */
export interface SgdSettings {
  readonly name: 'sgd';
  /** The learning rate at the start. */
  readonly lr: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  /** L2 penalty on every parameter: weights, biases, batch-norm scales and also prototypes, as the authors train. */
  readonly weightDecay: number;
}

export type ScheduleSettings =
  /** The rate times `gamma` at the start of each of these epochs (counted from 0). */
  | { readonly name: 'multistep'; readonly milestones: readonly number[]; readonly gamma: number }
  /** Half a cosine from the first rate to `minLr` over all epochs. */
  | { readonly name: 'cosine'; readonly minLr: number }
  | { readonly name: 'constant' };

export interface Recipe {
  readonly name: string;
  /** Passes over the training set. */
  readonly epochs: number;
  /** Images a step. The last, smaller batch of an epoch is kept. */
  readonly batchSize: number;
  readonly optimizer: SgdSettings;
  /** How the learning rate moves, once an epoch. */
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
    optimizer: { ...base.optimizer, lr: changes.lr ?? base.optimizer.lr },
    schedule: stretch(base.schedule, epochs / base.epochs),
  };
  checkRecipe(resolved);
  return resolved;
}

function stretch(schedule: ScheduleSettings, factor: number): ScheduleSettings {
  if (schedule.name !== 'multistep' || factor === 1) return schedule;
  return { ...schedule, milestones: schedule.milestones.map((epoch) => Math.max(1, Math.round(epoch * factor))) };
}

function checkRecipe({ epochs, batchSize, optimizer, schedule }: Recipe): void {
  if (!Number.isSafeInteger(epochs) || epochs < 1) throw expected('a whole number of 1 or more', 'epochs', epochs);
  if (!Number.isSafeInteger(batchSize) || batchSize < 1)
    throw expected('a whole number of 1 or more', 'batchSize', batchSize);
  if (optimizer?.name !== 'sgd') throw expected("'sgd'", 'optimizer.name', optimizer?.name);
  if (!(optimizer.lr > 0 && Number.isFinite(optimizer.lr))) throw expected('a positive number', 'lr', optimizer.lr);
  for (const name of ['momentum', 'weightDecay'] as const)
    if (!(optimizer[name] >= 0 && Number.isFinite(optimizer[name])))
      throw expected('a number of 0 or more', `optimizer.${name}`, optimizer[name]);
  const names: readonly string[] = ['multistep', 'cosine', 'constant'];
  if (!names.includes(schedule?.name)) throw expected(`one of ${names.join(', ')}`, 'schedule.name', schedule?.name);
}
