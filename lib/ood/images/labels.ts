// The labels of a batch, for fits by class.

import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import type { Batch } from '../network/batches.js';

/** int64 [N], each a class of the model. @throws ERR_DATA */
export function labelsOf({ images, labels }: Batch, classes: number, detector: string): Tensor {
  if (labels === null)
    throw new IsotorchError('ERR_DATA', `${detector} learns from labelled images, and these have no labels`);
  const [lowest, highest] = [labels.amin().item(), labels.amax().item()];
  if (labels.numel() !== images.shape[0] || lowest < 0 || highest >= classes)
    throw new IsotorchError(
      'ERR_DATA',
      `Expected one label an image, from 0 to ${classes - 1} as the model has ${classes} classes, received ` +
        `${labels.numel()} from ${lowest} to ${highest} for ${images.shape[0]} images`,
    );
  return labels.to('int64');
}
