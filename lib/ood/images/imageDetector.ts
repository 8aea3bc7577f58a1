// The contract of detectors that need the network itself and not only the numbers it gave: they look at its gradients or at
// maps inside of it, or run it again. As with `Detector`, images in, one number an image out, larger = more in-distribution.

import { expected, IsotorchError } from '../../errors.js';
import type { Settings } from '../../known/detectorSettings.js';
import { Tensor, torch } from '../../tensor/index.js';
import type { Detector, FittedDetector, Learner } from '../detectors/detector.js';
import { type BatchOptions, checkDataset, type EvaluatedDataset, forBatches } from '../network/batches.js';
import type { Network } from '../network/network.js';
import { Runner } from '../network/runner.js';

export interface ImageDetector {
  /** Short, of lower-case letters, digits and `-`; the name in results.json. */
  readonly name: string;
  /** Every setting, defaults included. */
  readonly settings: Settings;
  /** What tells it from a `Detector`. */
  readonly needs: readonly ['network'];
  /**
   * One number an image: **larger = more in-distribution**. An image's number depends on that image alone. It computes with
   * tensors only and reads no value, so that whoever calls it for many batches can capture it.
   *
   * @param images as a data set gives them; the network's transform is applied here
   * @returns float64 [N] on the network's device, in the scope around
   * @throws ERR_ARGUMENT before a fit, or when the network has not what it needs; ERR_SHAPE, ERR_DTYPE
   */
  score(images: Tensor, network: Network): Tensor;
}

export interface FitOptions extends BatchOptions {
  /** Known and unknown images of neither training nor test, for detectors that weigh layers with them. */
  validation?: { readonly known: EvaluatedDataset; readonly unknown: EvaluatedDataset } | undefined;
  /** Whether the passes are captured. @default true */
  capture?: boolean | undefined;
}

/** An image detector that learns from training images. */
export interface FittedImageDetector extends ImageDetector, Learner {
  /** What `fit` reads besides the network. */
  readonly learnsFrom: readonly 'labels'[];
  /**
   * Learns from known images in few passes, batch by batch, with memory that doesn't grow with their number. A second fit
   * forgets the first; one that fails changes nothing.
   *
   * @throws ERR_DATA for values that are not finite, or labels that are missing where they are needed; ERR_ABORTED; ERR_SHAPE
   */
  fit(network: Network, training: EvaluatedDataset, options?: FitOptions): Promise<void>;
}

export type AnyDetector = Detector | ImageDetector;

/** Whether it is an `ImageDetector`. */
export function looksAtNetwork(detector: AnyDetector): detector is ImageDetector {
  return (detector.needs as readonly string[]).includes('network');
}

export function looksAtArrays(detector: AnyDetector): detector is Detector {
  return !looksAtNetwork(detector);
}

/** Whether it has to learn before it can score. */
export function isUnfitted(detector: AnyDetector): detector is FittedDetector | FittedImageDetector {
  return 'fit' in detector && !(detector as FittedDetector).isFitted;
}

/** A detector with the network that it looks at, batch by batch: captured where that can be, and each result checked. */
export class ImageScorer {
  readonly name: string;
  readonly #runner: Runner<Tensor>;

  constructor(detector: ImageDetector, network: Network, { capture = true }: { capture?: boolean | undefined } = {}) {
    this.name = detector.name;
    const score = (images: Tensor): Tensor => {
      const result: unknown = torch.noGrad(() => detector.score(images, network));
      checkScores(result, images.shape[0]!, detector.name);
      return result.to('float64');
    };
    this.#runner = new Runner(network.model, score, { capture, name: `the detector ${detector.name}` });
  }

  /** The scores of a batch. */
  async score(images: Tensor): Promise<Float64Array> {
    const scores = await this.#runner.run(images);
    try {
      return (await scores.toArray()) as Float64Array;
    } finally {
      scores.dispose();
    }
  }

  dispose(): void {
    this.#runner.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * The scores of every image of a data set, in order.
 *
 * @throws ERR_ABORTED, ERR_DATA for an empty set, and what detector, network and transform throw
 * @example
 * const network = new ood.Network(model, { transform: (images) => data.normalize(images, train.statistics) });
 * const scores = await ood.scoreImages(ood.odin({ std: train.statistics.std }), network, test);
 */
export async function scoreImages(
  detector: ImageDetector,
  network: Network,
  dataset: EvaluatedDataset,
  options: Omit<FitOptions, 'validation'> = {},
): Promise<Float64Array> {
  checkDataset(dataset, 'dataset');
  using scorer = new ImageScorer(detector, network, options);
  const parts: Float64Array[] = [];
  await forBatches(dataset, options, async ({ images }) => void parts.push(await scorer.score(images)), network);
  return joined(parts);
}

/** The scores of batches, one after the other. */
export function joined(parts: readonly Float64Array[]): Float64Array {
  const scores = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const part of parts) {
    scores.set(part, start);
    start += part.length;
  }
  return scores;
}

function checkScores(result: unknown, rows: number, detector: string): asserts result is Tensor {
  if (!(result instanceof Tensor)) throw expected('a Tensor', `the result of score ${detector}`, result);
  if (result.ndim !== 1 || result.shape[0] !== rows)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected one number an image, [${rows}], from score ${detector} but received [${result.shape.join(', ')}]`,
    );
}
