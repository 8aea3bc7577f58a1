// Detectors that learn from arrays, each from a recipe that is only its formula: what it learns in which passes over the
// training arrays, and how it scores with that. Nothing here records gradients.

import { IsotorchError } from '../../errors.js';
import type { Settings } from '../../known/detectorSettings.js';
import type { Need } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { Arrays } from '../arrays/arrays.js';
import { forChunks, type TrainingArrays } from '../arrays/chunks.js';
import { type FittedDetector, type Needed, needed } from './detector.js';
import { type Learned, Learnt, type LearntInit } from './learnt.js';

/** Goes once through the training arrays; what `use` makes is freed after each chunk unless kept. Gives the number of rows. */
export type Pass<L extends Need> = (use: (chunk: Needed<L>) => void, rows?: number) => Promise<number>;

export interface Recipe<N extends Need, L extends Need, S extends string> extends LearntInit<S> {
  readonly settings: Settings;
  readonly needs: readonly N[];
  readonly learnsFrom: readonly L[];
  /** As `Detector.rows`. */
  readonly rows?: number;
  /** Gives what is to be learnt, whose tensors are taken over. */
  learn(pass: Pass<L>, training: TrainingArrays): Promise<Learned<S>>;
  /** Called in a scope, without recording gradients, with what was learnt on the arrays' device. */
  score(parts: Needed<N>, learnt: Learned<S>): Tensor;
}

/** The detector that a recipe describes. */
export function fittedDetector<const N extends Need, const L extends Need, const S extends string>(
  recipe: Recipe<N, L, S>,
): FittedDetector {
  return new RecipeDetector(recipe);
}

class RecipeDetector<N extends Need, L extends Need, S extends string> extends Learnt<S> implements FittedDetector {
  readonly settings: Settings;
  readonly needs: readonly N[];
  readonly learnsFrom: readonly L[];
  readonly rows: number | undefined;
  readonly #recipe: Recipe<N, L, S>;

  constructor(recipe: Recipe<N, L, S>) {
    super(recipe.name, recipe.shapes, recipe.inFeaturesDtype);
    ({ settings: this.settings, needs: this.needs, learnsFrom: this.learnsFrom, rows: this.rows } = recipe);
    this.#recipe = recipe;
  }

  async fit(training: TrainingArrays): Promise<void> {
    this.replace(await this.#recipe.learn(passOver(training, this.learnsFrom, this.name), training));
  }

  score(arrays: Arrays): Tensor {
    this.state();
    return torch.noGrad(() =>
      tidy(() => {
        const parts = needed(arrays, this.needs, this.name);
        this.#checkSizes(arrays, parts);
        return this.#recipe.score(parts, this.on((arrays.features ?? arrays.logits)!.device));
      }),
    );
  }

  #checkSizes({ name, logits, features, head }: Arrays, parts: object): void {
    if ('logits' in parts) this.checkSize('C', logits!.shape[1]!);
    if (!('features' in parts)) return;
    const size = features!.shape[1]!;
    this.checkSize('D', size);
    if (head?.kind === 'affine' && head.weight.shape[1] !== size)
      throw new IsotorchError(
        'ERR_SHAPE',
        `${this.name}: expected features of the last layer’s size, ${head.weight.shape[1]}, received ${size} in ${name}`,
      );
  }
}

/**
 * Passes over training arrays, for those who learn from them: each chunk is checked for what is needed, and that its features
 * and logits are as wide as before and finite.
 *
 * @throws (pass) ERR_DATA for numbers that are not finite and for no rows at all; ERR_SHAPE; as `needed`
 */
export function passOver<const L extends Need>(
  training: TrainingArrays,
  learnsFrom: readonly L[],
  learner: string,
): Pass<L> {
  return async (use, rows) => {
    const sizes: { features?: number; logits?: number } = {};
    const seen = await forChunks(
      training,
      (chunk, start) => {
        const parts = needed(chunk, learnsFrom, learner);
        for (const part of ['features', 'logits'] as const) {
          if (!(part in parts)) continue;
          const size = chunk[part]!.shape[1]!;
          sizes[part] ??= size;
          if (sizes[part] !== size)
            throw new IsotorchError(
              'ERR_SHAPE',
              `${learner}: expected ${sizes[part]} ${part} as before, received ${size} in ${chunk.name}`,
            );
          checkFinite(chunk[part]!, `${learner}: expected finite ${part}`, chunk.name, start);
        }
        torch.noGrad(() => use(parts));
      },
      rows,
    );
    if (seen === 0) throw new IsotorchError('ERR_DATA', `${learner}: expected training images but there are none`);
    return seen;
  };
}

/** The sum is finite only if all values are, or where they overflow; one look at the values tells. */
function checkFinite(values: Tensor, expects: string, set: string, start: number): void {
  if (Number.isFinite(values.sum().item())) return;
  const bad = values.isfinite().all(1).logicalNot().nonzero();
  if (bad.shape[0] === 0) return;
  const row = start + Number(bad.select(0, 0).item());
  throw new IsotorchError('ERR_DATA', `${expects} but row ${row} of ${set} has NaN or an infinity`);
}
