// What image detectors that learn have in common: nothing before a fit, all of it at once, copies in, gone with dispose.

import { IsotorchError } from '../../errors.js';
import { Tensor, tidy } from '../../tensor/index.js';
import type { Settings, State } from '../detectors/detector.js';
import type { EvaluatedDataset } from '../network/batches.js';
import type { Network } from '../network/network.js';
import type { FitOptions, FittedImageDetector } from './imageDetector.js';

export abstract class LearningDetector implements FittedImageDetector {
  abstract readonly name: string;
  abstract readonly settings: Settings;
  readonly needs = ['network'] as const;
  #state: State | undefined;

  abstract score(images: Tensor, network: Network): Tensor;
  abstract fit(network: Network, training: EvaluatedDataset, options?: FitOptions): Promise<void>;

  /** What is wrong with names or shapes of a state, if anything; its tensors are float64. */
  protected abstract problemOf(state: State): string | undefined;

  get isFitted(): boolean {
    return this.#state !== undefined;
  }

  state(): State {
    if (this.#state === undefined)
      throw new IsotorchError('ERR_ARGUMENT', `${this.name} has learnt nothing yet: call fit or load before`);
    return this.#state;
  }

  /**
   * Takes these tensors over, in place of what was there; where it throws they are gone and the rest is as it was.
   * @throws ERR_DATA when one has values that are not finite
   */
  protected replace(state: State): void {
    const bad = Object.entries(state).find(([, tensor]) => tidy(() => !tensor.isfinite().all().item()));
    if (bad !== undefined) {
      for (const tensor of Object.values(state)) tensor.dispose();
      throw new IsotorchError(
        'ERR_DATA',
        `${this.name}: expected finite numbers but its ${bad[0]} are not: the network gives NaN or infinities for some training images`,
      );
    }
    for (const tensor of Object.values(state)) tensor.keep();
    this.dispose();
    this.#state = state;
  }

  load(state: State): void {
    const wrong = Object.entries(state).find(([, tensor]) => !(tensor instanceof Tensor) || tensor.dtype !== 'float64');
    const problem = wrong ? `${wrong[0]} is not a float64 tensor` : this.problemOf(state);
    if (problem !== undefined)
      throw new IsotorchError('ERR_STATE_DICT', `Expected what state() of ${this.name} gives, but ${problem}`);
    const copies = Object.entries(state).map(([name, tensor]) => [name, tidy(() => tensor.clone()).keep()] as const);
    this.dispose();
    this.#state = Object.fromEntries(copies);
  }

  dispose(): void {
    for (const tensor of Object.values(this.#state ?? {})) tensor.dispose();
    this.#state = undefined;
  }
}
