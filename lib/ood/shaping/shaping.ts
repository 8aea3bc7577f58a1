// Activation shaping: features are cut, pruned or scaled before the last layer sees them, and any detector then scores what
// it makes of them (shaped.ts). A shaping is a name, settings and, where it learns, a state, as a detector is.

import { expected } from '../../errors.js';
import { Tensor, tidy, torch } from '../../tensor/index.js';
import { arrays } from '../arrays/arrays.js';
import { type FittedDetector, needed, type Settings } from '../detectors/detector.js';
import { Learner, type LearnerInit, type Shapes, type StateOf } from '../detectors/learner.js';

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
export interface FittedShaping
  extends Shaping,
    Pick<FittedDetector, 'isFitted' | 'fit' | 'state' | 'load' | 'dispose'> {}

export function shapingLearns(shaping: Shaping): shaping is FittedShaping {
  return 'fit' in shaping;
}

/** @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE for what are no features [N, D] */
export function checkFeatures(features: Tensor, shaping: string): void {
  if (!(features instanceof Tensor)) throw expected('a Tensor of features [N, D]', `${shaping}’s features`, features);
  needed(arrays({ features }), ['features'], shaping);
}

export interface LearntShapingInit<S extends Shapes> extends LearnerInit<S> {
  readonly settings: Settings;
  /** Called in a scope, without recording gradients, with the state on the features' device. */
  readonly formula: (features: Tensor, state: StateOf<S>) => Tensor;
}

/** A fitted shaping from what is its own: what it learns and how it shapes. */
export class LearntShaping<S extends Shapes> extends Learner<S> implements FittedShaping {
  readonly settings: Settings;
  readonly #formula: LearntShapingInit<S>['formula'];

  constructor(init: LearntShapingInit<S>) {
    super(init);
    this.settings = init.settings;
    this.#formula = init.formula;
  }

  shape(features: Tensor): Tensor {
    checkFeatures(features, this.name);
    return tidy(() => torch.noGrad(() => this.#formula(features, this.fitting({ features }))));
  }
}
