// The network that a guard stands before, with the guard's detector: one pass of images gives what the network says of them
// and what the detector says, whether that reads logits, features or the network itself.

import { normalize, type Statistics } from '../../data/index.js';
import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import type { Arrays } from '../arrays/arrays.js';
import { scoreAll } from '../evaluate.js';
import { fitAll, readsFeatures } from '../fitting.js';
import { type AnyDetector, type FitOptions, ImageScorer, joined, looksAtNetwork } from '../images/imageDetector.js';
import type { BatchOptions } from '../network/batches.js';
import { disposeOf, type EvaluatedDataset, type Extracted, extractWith } from '../network/extract.js';
import { type EvaluatedModel, Forward, type ForwardOptions } from '../network/forward.js';

export interface GuardedModel extends Pick<ForwardOptions, 'capture' | 'head' | 'stages'> {
  readonly model: EvaluatedModel;
  /** From images to the model's input, in place of `normalize`. Not part of the file. */
  readonly transform?: ((images: Tensor) => Tensor) | undefined;
}

export class GuardedNetwork {
  readonly #detector: AnyDetector;
  readonly #forward: Forward;
  readonly #scorer: ImageScorer | undefined;

  /** @param statistics what images are normalised with; null where they come as the network takes them */
  constructor({ model, transform, ...options }: GuardedModel, statistics: Statistics | null, detector: AnyDetector) {
    if (transform && statistics)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        'Expected either normalize or a transform before the network but got both',
      );
    this.#detector = detector;
    this.#forward = new Forward(model, {
      ...options,
      features: !looksAtNetwork(detector) && readsFeatures(detector),
      transform: statistics ? (images) => normalize(images, statistics) : transform,
    });
    if (looksAtNetwork(detector)) this.#scorer = new ImageScorer(detector, this.#forward.network, options);
  }

  /** Fits the detector where it has yet to be. */
  async fit(training: EvaluatedDataset, options: FitOptions): Promise<void> {
    await fitAll([this.#detector], this.#forward, training, options);
  }

  /** What `use` makes of the images' arrays and scores, which are freed afterwards. Calls may overlap. */
  async judged<T>(
    dataset: EvaluatedDataset,
    options: BatchOptions,
    use: (arrays: Extracted, scores: Float64Array) => Promise<T>,
  ): Promise<T> {
    const parts: Float64Array[] = [];
    const extracted = await extractWith(this.#forward, dataset, options, async (images) => {
      if (this.#scorer) parts.push(await this.#scorer.score(images));
    });
    try {
      return await use(extracted, this.#scorer ? joined(parts) : await scoresOf(this.#detector, extracted));
    } finally {
      disposeOf(extracted);
    }
  }

  dispose(): void {
    this.#scorer?.dispose();
    this.#forward.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The scores of arrays. @throws ERR_ARGUMENT for a detector that looks at the network */
export async function scoresOf(detector: AnyDetector, arrays: Arrays): Promise<Float64Array> {
  if (looksAtNetwork(detector))
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${detector.name} runs the network itself, so it can't judge arrays: give a network, and images to judge`,
    );
  return (await scoreAll([detector], arrays))[detector.name]!;
}
