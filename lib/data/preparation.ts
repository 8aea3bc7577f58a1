// What happens to a batch's pixels on their way into a network: augmentations in turn, then normalisation. Only operators,
// so that a captured step can contain it; what is random was drawn before.
import { expected, IsotorchError } from '../errors.js';
import { capture, type Tensor } from '../tensor/index.js';
import type { Augmentation } from './augment.js';
import type { ImageShape } from './imageShape.js';
import { SeededRandom } from './random.js';
import type { Statistics } from './statistics.js';
import { normalize } from './transforms.js';

/** A change that draws nothing, or draws from LibTorch's own generators. Images keep their shape. */
export type PlainAugmentation = (images: Tensor) => Tensor;

export class Preparation {
  readonly #steps: readonly (Augmentation | PlainAugmentation)[];
  readonly #statistics: (() => Statistics) | undefined;
  /** The images' shape before each step. */
  readonly #shapes: ImageShape[] = [];
  /** How many parameters each step draws. */
  readonly #counts: number[] = [];

  /** @throws ERR_ARGUMENT for a step that is none; ERR_SHAPE for images that are too small for one */
  constructor(
    augment: readonly (Augmentation | PlainAugmentation)[],
    wanted: boolean | Statistics,
    examples: { readonly shape: readonly number[]; readonly statistics?: Statistics | undefined },
  ) {
    if (!Array.isArray(augment) || !augment.every(isStep))
      throw expected('an array of augmentations such as randomCrop(28, 4)', 'augment', augment);
    this.#steps = augment;
    // Asked for late: measuring a set's own statistics takes a pass over it.
    this.#statistics = wanted === false ? undefined : wanted === true ? () => own(examples.statistics) : () => wanted;
    // Augmentations that draw are for images; others take what comes.
    let shape = examples.shape as ImageShape;
    for (const step of augment) {
      this.#shapes.push(shape);
      if (typeof step === 'function') {
        this.#counts.push(0);
        continue;
      }
      this.#counts.push(step.draw(shape, 0, new SeededRandom('count')).length);
      shape = step.outputShape?.(shape) ?? shape;
    }
  }

  /** Whether anything is drawn anew each epoch. */
  get isRandom(): boolean {
    return this.#steps.length > 0;
  }

  /** All parameters of all steps for `count` images; `stream` gives the random numbers of each step. */
  draw(count: number, stream: (step: number) => SeededRandom): Int32Array[] {
    return this.#steps.flatMap((step, i) =>
      typeof step === 'function' ? [] : step.draw(this.#shapes[i]!, count, stream(i)),
    );
  }

  /** @param picks int64 [1 + parameters, B]: places, then what `draw` gave, for the images of this batch */
  apply(images: Tensor, picks: Tensor): Tensor {
    const [rows] = picks.shape;
    const parameters = this.#counts.reduce((sum, count) => sum + count, 0);
    if (rows !== 1 + parameters)
      throw new IsotorchError(
        'ERR_SHAPE',
        `Expected picks of this loader, int64 [${1 + parameters}, B], but received [${picks.shape.join(', ')}]`,
      );
    let row = 1;
    let changed = images;
    for (const [i, step] of this.#steps.entries()) {
      if (typeof step === 'function') {
        changed = step(changed);
        continue;
      }
      const drawn = Array.from({ length: this.#counts[i]! }, () => picks.select(0, row++));
      changed = step.apply(changed, drawn);
    }
    return this.#statistics ? normalize(changed, capture.outside(this.#statistics)) : changed;
  }
}

function own(statistics: Statistics | undefined): Statistics {
  if (statistics === undefined) throw expected('statistics, as this data set has none of its own,', 'normalize', true);
  return statistics;
}

function isStep(step: unknown): boolean {
  if (typeof step === 'function') return true;
  const { draw, apply } = (step ?? {}) as Partial<Augmentation>;
  return typeof draw === 'function' && typeof apply === 'function';
}
