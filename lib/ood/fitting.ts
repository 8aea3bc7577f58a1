// What has to learn before an evaluation can score: it learns from the network's own training images, and every detector of
// arrays from the same pass over them.

import { IsotorchError } from '../errors.js';
import type { Need } from '../known/detectors.js';
import { type Detector, type FittedDetector, learns } from './detectors/detector.js';
import {
  type AnyDetector,
  type FitOptions,
  type FittedImageDetector,
  isUnfitted,
  looksAtArrays,
  looksAtNetwork,
} from './images/imageDetector.js';
import { checkAborted, checkDataset, type EvaluatedDataset } from './network/batches.js';
import { disposeOf, extractWith } from './network/extract.js';
import type { Forward } from './network/forward.js';

/** Whether a pass must give features for it, and the last layer with them. */
export function readsFeatures(detector: Detector): boolean {
  const needs: Need[] = [...detector.needs, ...(learns(detector) ? detector.learnsFrom : [])];
  return needs.some((need) => need === 'features' || need === 'head' || need === 'affine head');
}

/** Fits what has to learn: detectors of arrays in one pass of the training set, the others in passes of their own. */
export async function fitAll(
  scores: readonly AnyDetector[],
  forward: Forward,
  train: EvaluatedDataset | undefined,
  options: FitOptions,
): Promise<void> {
  const unfitted = scores.filter(isUnfitted);
  if (unfitted.length === 0 || train === undefined) return;
  const { validation, ...rest } = options;
  const ofArrays = unfitted.filter(looksAtArrays) as FittedDetector[];
  if (ofArrays.length > 0) {
    const training = await extractWith(forward, train, rest);
    try {
      for (const detector of ofArrays) {
        await detector.fit(training);
        checkAborted(options.signal);
      }
    } finally {
      disposeOf(training);
    }
  }
  for (const detector of unfitted)
    if (looksAtNetwork(detector)) await (detector as FittedImageDetector).fit(forward.network, train, options);
}

export function checkTraining(
  scores: readonly AnyDetector[],
  train: EvaluatedDataset | undefined,
  validation: FitOptions['validation'],
): void {
  const unfitted = scores.filter(isUnfitted);
  if (train !== undefined) checkDataset(train, 'train');
  else if (unfitted.length > 0)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${unfitted.map(({ name }) => name).join(', ')} must learn from training images before scoring: give train: the set ` +
        'that the network was trained on, or detectors that were fitted or loaded',
    );
  if (validation === undefined) return;
  checkDataset(validation?.known, 'validation.known');
  checkDataset(validation?.unknown, 'validation.unknown');
}
