// A guard: what stands before a network in production and says which images it should not be asked about. It holds a
// detector, a threshold with its uncertainty, and what is needed to treat images as in training; all of it is one file.

import type { Statistics } from '../../data/index.js';
import { expected, IsotorchError } from '../../errors.js';
import { Tensor } from '../../tensor/index.js';
import type { Arrays } from '../arrays/arrays.js';
import type { Calibration } from '../calibration/temperature.js';
import { learns } from '../detectors/detector.js';
import type { LoadDetectorOptions } from '../detectors/file.js';
import type { AnyDetector } from '../images/imageDetector.js';
import type { EvaluatedDataset } from '../network/batches.js';
import type { Threshold } from '../thresholds/threshold.js';
import { type GuardContent, readGuard, writeGuard } from './file.js';
import { type GuardedModel, GuardedNetwork, scoresOf } from './network.js';
import { type Verdict, verdictsOf } from './verdicts.js';

export interface LoadGuardOptions extends Partial<GuardedModel>, Pick<LoadDetectorOptions, 'makeDetector'> {}

/** Images a pass through the network. */
const BATCH = 256;

export class Guard implements GuardContent {
  readonly detector: AnyDetector;
  readonly threshold: Threshold;
  readonly calibration: Calibration | null;
  readonly classes: readonly string[] | null;
  readonly normalize: Statistics | null;
  readonly imageShape: readonly number[] | null;
  readonly about: Readonly<Record<string, string>>;
  readonly #network: GuardedNetwork | undefined;

  /** Use `fitThreshold` or `Guard.load`. The detector becomes the guard's: `dispose` frees what it has learnt. */
  constructor(content: GuardContent, guarded?: GuardedModel) {
    this.detector = content.detector;
    this.threshold = content.threshold;
    this.calibration = content.calibration;
    this.classes = content.classes;
    this.normalize = content.normalize;
    this.imageShape = content.imageShape;
    this.about = content.about;
    if (guarded) this.#network = new GuardedNetwork(guarded, content.normalize, content.detector);
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
    if (!this.#network)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        'This guard was loaded without a network, so it judges arrays only: Guard.load(path, { model })',
      );
    return await this.#network.judged(setOf(images), { batchSize: BATCH }, (arrays, scores) =>
      this.#verdicts(arrays, scores),
    );
  }

  /**
   * A verdict for each row of numbers that a network has given already. Label and probability are null without logits.
   * @throws ERR_ARGUMENT for arrays that lack what the detector needs, and a detector that runs the network; ERR_SHAPE,
   *   ERR_DTYPE
   * @example
   * const verdicts = await guard.judgeArrays(ood.arrays({ logits }));
   */
  async judgeArrays(arrays: Arrays): Promise<Verdict[]> {
    return await this.#verdicts(arrays, await scoresOf(this.detector, arrays));
  }

  #verdicts(arrays: Arrays, scores: Float64Array): Promise<Verdict[]> {
    const { threshold, calibration, classes } = this;
    const temperature = calibration?.temperature ?? 1;
    return verdictsOf(arrays, scores, { detector: this.detector.name, threshold, classes, temperature });
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
    const { model, makeDetector, ...rest } = options;
    const content = await readGuard(path, makeDetector);
    return new Guard(content, model && { model, ...rest });
  }

  /** Frees what the guard holds, its detector's state too. The model stays its owner's. */
  dispose(): void {
    this.#network?.dispose();
    if (learns(this.detector)) this.detector.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
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
