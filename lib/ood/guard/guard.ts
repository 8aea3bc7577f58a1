// A guard: what stands before a network in production and says which images it should not be asked about. It holds a
// detector, a threshold with its uncertainty, and what is needed to treat images as in training; all of it is one file.

import { normalize, type Statistics } from '../../data/index.js';
import { expected, IsotorchError } from '../../errors.js';
import { Tensor } from '../../tensor/index.js';
import type { Arrays } from '../arrays/arrays.js';
import type { Calibration } from '../calibration/temperature.js';
import { type Detector, learns } from '../detectors/detector.js';
import { byName } from '../detectors/registry.js';
import { type EvaluatedDataset, extractWith } from '../network/extract.js';
import { type EvaluatedModel, Forward, type ForwardOptions } from '../network/forward.js';
import type { Threshold } from '../thresholds/threshold.js';
import { type MakeDetector, readGuard, writeGuard } from './file.js';
import { type Verdict, verdictsOf } from './verdicts.js';

/** What a guard's file holds. */
export interface GuardContent {
  readonly detector: Detector;
  readonly threshold: Threshold;
  /** What the reported probabilities were calibrated by; null for softmax(logits) as it is. */
  readonly calibration: Calibration | null;
  /** The classes' names; null where they have none. */
  readonly classes: readonly string[] | null;
  /** What images are normalised with before they enter the network; null where they come as the network takes them. */
  readonly normalize: Statistics | null;
  /** [channels, height, width] of the images that it was fitted on; null where that is not known. */
  readonly imageShape: readonly number[] | null;
  /** Texts of the user's own, such as the weights' checksum. */
  readonly about: Readonly<Record<string, string>>;
}

/** The network that a guard stands before. */
export interface GuardedModel extends Pick<ForwardOptions, 'capture'> {
  readonly model: EvaluatedModel;
  /** From images to the model's input, in place of `normalize`. Not part of the file. */
  readonly transform?: ((images: Tensor) => Tensor) | undefined;
}

export interface LoadGuardOptions extends Partial<GuardedModel> {
  /** Makes detectors of other names than isotorch's. */
  readonly makeDetector?: MakeDetector;
}

/** Images a pass through the network. */
const BATCH = 256;

export class Guard implements GuardContent {
  readonly detector: Detector;
  readonly threshold: Threshold;
  readonly calibration: Calibration | null;
  readonly classes: readonly string[] | null;
  readonly normalize: Statistics | null;
  readonly imageShape: readonly number[] | null;
  readonly about: Readonly<Record<string, string>>;
  readonly #forward: Forward | undefined;

  /** Use `fitThreshold` or `Guard.load`. The detector becomes the guard's. */
  constructor(content: GuardContent, guarded?: GuardedModel) {
    this.detector = content.detector;
    this.threshold = content.threshold;
    this.calibration = content.calibration;
    this.classes = content.classes;
    this.normalize = content.normalize;
    this.imageShape = content.imageShape;
    this.about = content.about;
    this.#forward = guarded && forwardOf(guarded, content.normalize);
  }

  /**
   * A verdict for each image, in order. In batches off this thread, so a server goes on answering meanwhile.
   *
   * @param images [N, channels, height, width], uint8 or as the model (or `transform`) takes them; on the model's device
   * @throws ERR_ARGUMENT for a guard that was loaded without a model; what model and transform throw
   * @example
   * const [{ label, accepted, why }] = await guard.judge(image.unsqueeze(0));
   */
  async judge(images: Tensor): Promise<Verdict[]> {
    if (!(images instanceof Tensor))
      throw expected('a Tensor of images [N, channels, height, width]', 'images', images);
    if (!this.#forward)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        'This guard was loaded without a network, so it judges arrays only: Guard.load(path, { model })',
      );
    const extracted = await extractWith(this.#forward, setOf(images), { batchSize: BATCH });
    try {
      return await this.judgeArrays(extracted);
    } finally {
      extracted.logits.dispose();
    }
  }

  /**
   * A verdict for each row of numbers that a network has given already. Label and probability are null without logits.
   * @throws ERR_ARGUMENT for arrays that lack what the detector needs; ERR_SHAPE, ERR_DTYPE
   * @example
   * const verdicts = await guard.judgeArrays(ood.arrays({ logits }));
   */
  judgeArrays(arrays: Arrays): Promise<Verdict[]> {
    const { detector, threshold, calibration, classes } = this;
    return verdictsOf(arrays, { detector, threshold, classes, temperature: calibration?.temperature ?? 1 });
  }

  /**
   * Writes one safetensors file with everything but the network and `transform`. It appears whole or not at all.
   * @throws ERR_FILE
   * @example await guard.save('guard.safetensors');
   */
  save(path: string): Promise<void> {
    return writeGuard(path, this);
  }

  /**
   * Reads what `save` wrote, bit for bit. Nothing in the file is executed.
   * @throws ERR_FILE; ERR_FORMAT for a file that is no guard or was tampered with, saying where; ERR_STATE_DICT
   * @example
   * const guard = await ood.Guard.load('guard.safetensors', { model });
   */
  static async load(path: string, options: LoadGuardOptions = {}): Promise<Guard> {
    const { model, makeDetector = byName as MakeDetector, ...rest } = options;
    const content = await readGuard(path, makeDetector);
    return new Guard(content, model && { model, ...rest });
  }

  /** Frees what the guard holds. The model stays its owner's. */
  dispose(): void {
    this.#forward?.dispose();
    if (learns(this.detector)) this.detector.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The network with what comes before it: `transform`, else the normalisation. */
export function forwardOf({ model, transform, capture }: GuardedModel, statistics: Statistics | null): Forward {
  if (transform && statistics)
    throw new IsotorchError('ERR_ARGUMENT', 'Expected either normalize or a transform before the network but got both');
  return new Forward(model, {
    capture,
    transform: statistics ? (images) => normalize(images, statistics) : transform,
  });
}

function setOf(images: Tensor): EvaluatedDataset {
  const size = images.shape[0] ?? 0;
  return {
    name: 'images',
    size,
    *batches(batchSize) {
      for (let start = 0; start < size; start += batchSize) {
        const part = images.narrow(0, start, Math.min(batchSize, size - start)).keep();
        try {
          yield { images: part, labels: null };
        } finally {
          part.dispose();
        }
      }
    },
  };
}
