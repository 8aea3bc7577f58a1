// From a network and held-out known images to a guard.

import type { Statistics } from '../../data/index.js';
import { IsotorchError } from '../../errors.js';
import type { Arrays } from '../arrays/arrays.js';
import { fitTemperature } from '../calibration/temperature.js';
import { type Detector, learns } from '../detectors/detector.js';
import { scoreAll } from '../evaluate.js';
import { type EvaluatedDataset, type ExtractOptions, extractWith } from '../network/extract.js';
import type { EvaluatedModel } from '../network/forward.js';
import { fitThresholdFromScores, type ThresholdOptions } from '../thresholds/threshold.js';
import { forwardOf, Guard, type GuardedModel } from './guard.js';

export interface GuardOptions extends ThresholdOptions {
  /**
   * The detector, which becomes the guard’s. One that learns must be fitted, on training images: not on these, which then
   * would look too familiar.
   */
  score: Detector;
  /**
   * Fits the temperature of the reported probabilities on the same images, which then need labels. Scores and decisions stay
   * as they are. @default false
   */
  calibrate?: 'nll' | 'ece' | false;
  /** Names of the classes. @default the data set's, if it has any */
  classes?: readonly string[] | undefined;
  /** Texts to keep in the file. */
  about?: Readonly<Record<string, string>>;
}

export interface FitThresholdOptions
  extends GuardOptions,
    Omit<GuardedModel, 'model'>,
    Pick<ExtractOptions, 'batchSize' | 'signal' | 'onProgress'> {
  /** Training statistics that images are normalised with; kept in the file, unlike a `transform`. */
  normalize?: Statistics | undefined;
}

/**
 * A guard that accepts `accept` of the images that are like `validation`.
 *
 * @param validation known images that were neither trained on nor are reported on, at least 20 for `accept: 0.95`; their
 *   number decides how sure the threshold is: see `guard.threshold.acceptance` and `.warning`
 * @throws ERR_DATA for too few images, or scores that are not finite; ERR_ARGUMENT for a detector that was not fitted, for
 *   `calibrate` without labels; what `extract` throws
 * @example
 * const guard = await ood.fitThreshold(model, validation, { score: ood.entropic(), accept: 0.95, normalize: train.statistics });
 * const { label, accepted, why } = (await guard.judge(images))[0];
 * await guard.save('guard.safetensors');
 */
export async function fitThreshold(
  model: EvaluatedModel,
  validation: EvaluatedDataset & { readonly classes?: readonly string[]; readonly shape?: readonly number[] },
  { normalize, transform, capture, batchSize, signal, onProgress, ...options }: FitThresholdOptions,
): Promise<Guard> {
  checkFitted(options.score);
  const guarded = { model, transform, capture };
  using forward = forwardOf(guarded, normalize ?? null);
  const extracted = await extractWith(forward, validation, {
    ...(batchSize !== undefined && { batchSize }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  try {
    const content = await contentOf(extracted, { classes: validation.classes, ...options });
    return new Guard({ ...content, normalize: normalize ?? null, imageShape: validation.shape ?? null }, guarded);
  } finally {
    extracted.logits.dispose();
    extracted.labels?.dispose();
  }
}

/**
 * The same from arrays, for networks of any framework. The guard then judges arrays.
 * @throws as `fitThreshold`
 * @example
 * const guard = await ood.fitThresholdFromArrays(ood.arrays({ logits, labels }), { score: ood.entropic() });
 * const verdicts = await guard.judgeArrays(ood.arrays({ logits: others }));
 */
export async function fitThresholdFromArrays(validation: Arrays, options: GuardOptions): Promise<Guard> {
  checkFitted(options.score);
  return new Guard({ ...(await contentOf(validation, options)), normalize: null, imageShape: null });
}

async function contentOf(arrays: Arrays, { score, calibrate = false, classes, about = {}, ...wanted }: GuardOptions) {
  const { [score.name]: scores } = await scoreAll([score], arrays);
  return {
    detector: score,
    threshold: fitThresholdFromScores(scores!, wanted),
    calibration: calibrate ? await fitTemperature(arrays, { by: calibrate }) : null,
    classes: classes && classes.length > 0 ? [...classes] : null,
    about: { ...about },
  };
}

function checkFitted(detector: Detector): void {
  if (learns(detector) && !detector.isFitted)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${detector.name} learns from training images and has not yet: await detector.fit(…) on them first. ` +
        'Fitting it on the validation images would make these look too familiar, and the threshold too high',
    );
}
