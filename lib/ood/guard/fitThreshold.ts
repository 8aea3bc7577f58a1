// From a network and held-out known images to a guard.

import type { Statistics } from '../../data/index.js';
import { IsotorchError } from '../../errors.js';
import type { Arrays } from '../arrays/arrays.js';
import { fitTemperature } from '../calibration/temperature.js';
import { checkTraining } from '../fitting.js';
import { type AnyDetector, isUnfitted } from '../images/imageDetector.js';
import type { BatchOptions, EvaluatedDataset } from '../network/batches.js';
import type { EvaluatedModel } from '../network/forward.js';
import { fitThresholdFromScores, type ThresholdOptions } from '../thresholds/threshold.js';
import { Guard } from './guard.js';
import { type GuardedModel, GuardedNetwork, scoresOf } from './network.js';

export interface GuardOptions extends ThresholdOptions {
  /**
   * The detector, which becomes the guard’s: disposing of the guard frees what it has learnt. Until there is a guard it stays
   * yours. One that learns must be fitted, on training images: not on these, which then would look too familiar.
   */
  score: AnyDetector;
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

export interface FitThresholdOptions extends GuardOptions, Omit<GuardedModel, 'model'>, BatchOptions {
  /**
   * Fits the detector first, where it has yet to learn: the images that the network was trained on, or for `temp-scale` and
   * `kl-matching` held-out ones that are not in `validation`.
   */
  train?: EvaluatedDataset | undefined;
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
 * const score = ood.mahalanobis(); // reads features, and learns from `train`
 * const guard = await ood.fitThreshold(model, validation, { score, train, accept: 0.95, normalize: train.statistics });
 * const { label, accepted, why } = (await guard.judge(images))[0];
 * await guard.save('guard.safetensors');
 */
export async function fitThreshold(
  model: EvaluatedModel,
  validation: EvaluatedDataset & { readonly classes?: readonly string[]; readonly shape?: readonly number[] },
  { train, normalize, transform, capture, head, stages, ...options }: FitThresholdOptions,
): Promise<Guard> {
  const { score, batchSize, signal, onProgress } = options;
  if (train === undefined) checkFitted(score);
  else checkTraining([score], train, undefined);
  const guarded = { model, transform, capture, head, stages };
  using network = new GuardedNetwork(guarded, normalize ?? null, score);
  const batches = {
    ...(batchSize !== undefined && { batchSize }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  };
  if (train !== undefined) await network.fit(train, { ...batches, capture });
  const content = await network.judged(validation, batches, (arrays, scores) =>
    contentOf(arrays, scores, { classes: validation.classes, ...options }),
  );
  return new Guard({ ...content, normalize: normalize ?? null, imageShape: validation.shape ?? null }, guarded);
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
  const scores = await scoresOf(options.score, validation);
  return new Guard({ ...(await contentOf(validation, scores, options)), normalize: null, imageShape: null });
}

async function contentOf(
  arrays: Arrays,
  scores: Float64Array,
  { score, calibrate = false, classes, about = {}, ...wanted }: GuardOptions,
) {
  return {
    detector: score,
    threshold: fitThresholdFromScores(scores, wanted),
    calibration: calibrate ? await fitTemperature(arrays, { by: calibrate }) : null,
    classes: classes && classes.length > 0 ? [...classes] : null,
    about: { ...about },
  };
}

function checkFitted(detector: AnyDetector): void {
  if (isUnfitted(detector))
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${detector.name} learns from training images and has not yet: give \`train\`, or await detector.fit(…) first. ` +
        'Fitting it on the validation images would make these look too familiar, and the threshold too high',
    );
}
