// What a detector has learnt, and the rules that go with it: nothing before a fit, all of it at once, copies in, gone with
// dispose.

import { IsotorchError } from '../../errors.js';
import { Tensor, tidy } from '../../tensor/index.js';
import type { State } from '../detectors/detector.js';

export class Learnt {
  readonly #detector: string;
  readonly #problem: (state: State) => string | undefined;
  #state: State | undefined;

  /**
   * @param detector its name, for messages
   * @param problem what is wrong with names or shapes of a state, if anything; dtypes are float64
   */
  constructor(detector: string, problem: (state: State) => string | undefined) {
    this.#detector = detector;
    this.#problem = problem;
  }

  get isFitted(): boolean {
    return this.#state !== undefined;
  }

  get state(): State {
    if (this.#state === undefined)
      throw new IsotorchError('ERR_ARGUMENT', `${this.#detector} has learnt nothing yet: call fit or load before`);
    return this.#state;
  }

  /** A part of it, on the device of `like`. */
  part(name: string, like: Tensor): Tensor {
    return this.state[name]!.to(like.device);
  }

  /**
   * Takes these tensors over, in place of what was there; where it throws they are gone and the rest is as it was.
   * @throws ERR_DATA when one has values that are not finite
   */
  replace(state: State): void {
    const bad = Object.entries(state).find(([, tensor]) => tidy(() => !tensor.isfinite().all().item()));
    if (bad !== undefined) {
      for (const tensor of Object.values(state)) tensor.dispose();
      throw new IsotorchError(
        'ERR_DATA',
        `${this.#detector}: expected finite numbers but its ${bad[0]} are not: the network gives NaN or infinities for some training images`,
      );
    }
    for (const tensor of Object.values(state)) tensor.keep();
    this.dispose();
    this.#state = state;
  }

  /** Takes copies. @throws ERR_STATE_DICT */
  load(state: State): void {
    const wrong = Object.entries(state).find(([, tensor]) => !(tensor instanceof Tensor) || tensor.dtype !== 'float64');
    const problem = wrong ? `${wrong[0]} is not a float64 tensor` : this.#problem(state);
    if (problem !== undefined)
      throw new IsotorchError('ERR_STATE_DICT', `Expected what state() of ${this.#detector} gives, but ${problem}`);
    this.dispose();
    this.#state = Object.fromEntries(
      Object.entries(state).map(([name, tensor]) => [name, tensor.to({ dtype: 'float64', copy: true }).keep()]),
    );
  }

  dispose(): void {
    for (const tensor of Object.values(this.#state ?? {})) tensor.dispose();
    this.#state = undefined;
  }
}
