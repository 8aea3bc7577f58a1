// Activation shaping: features are cut, pruned or scaled before the last layer sees them, and any detector then scores what
// it makes of them (shaped.ts). A shaping is a name, settings and, where it learns, a state, as a detector is.

import { expected } from '../../errors.js';
import type { Settings } from '../../known/detectorSettings.js';
import { Tensor, tidy, torch } from '../../tensor/index.js';
import { arrays } from '../arrays/arrays.js';
import type { TrainingArrays } from '../arrays/chunks.js';
import { type Learner, needed } from '../detectors/detector.js';
import { type Pass, passOver } from '../detectors/fitted.js';
import { type Learned, Learnt, type LearntInit } from '../detectors/learnt.js';

export interface Shaping {
  /** Short, of lower-case letters, digits and `-`: the part after the `+` in a shaped detector's name. */
  readonly name: string;
  /** Every setting, defaults included. */
  readonly settings: Settings;
  /**
   * A row's result depends on that row alone.
   * @param features [N, D], floating point
   * @returns [N, D] of the same dtype and device; another tensor
   * @throws ERR_ARGUMENT before a fit; ERR_SHAPE, ERR_DTYPE
   */
  shape(features: Tensor): Tensor;
}

/** A shaping that learns from features of training images. */
export interface FittedShaping extends Shaping, Learner {
  /** As a detector learns, from features alone. */
  fit(training: TrainingArrays): Promise<void>;
}

export function shapingLearns(shaping: Shaping): shaping is FittedShaping {
  return 'fit' in shaping;
}

/** @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE for what are no features [N, D] */
export function checkFeatures(features: Tensor, shaping: string): void {
  if (!(features instanceof Tensor)) throw expected('a Tensor of features [N, D]', `${shaping}’s features`, features);
  needed(arrays({ features }), ['features'], shaping);
}

export interface ShapingRecipe<S extends string> extends LearntInit<S> {
  readonly settings: Settings;
  /** Gives what is to be learnt, whose tensors are taken over. */
  learn(pass: Pass<'features'>): Promise<Learned<S>>;
  /** Called in a scope, without recording gradients, with what was learnt on the features' device. */
  shape(features: Tensor, learnt: Learned<S>): Tensor;
}

/** The shaping that a recipe describes. */
export function fittedShaping<const S extends string>(recipe: ShapingRecipe<S>): FittedShaping {
  return new RecipeShaping(recipe);
}

class RecipeShaping<S extends string> extends Learnt<S> implements FittedShaping {
  readonly settings: Settings;
  readonly #recipe: ShapingRecipe<S>;

  constructor(recipe: ShapingRecipe<S>) {
    super(recipe.name, recipe.shapes);
    this.settings = recipe.settings;
    this.#recipe = recipe;
  }

  async fit(training: TrainingArrays): Promise<void> {
    this.replace(await this.#recipe.learn(passOver(training, ['features'], this.name)));
  }

  shape(features: Tensor): Tensor {
    checkFeatures(features, this.name);
    return tidy(() => torch.noGrad(() => this.#recipe.shape(features, this.on(features.device))));
  }
}
