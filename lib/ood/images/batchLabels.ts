// The labels of a batch, for fits by class.

import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import { checkLabels } from '../arrays/classLabels.js';
import type { Batch } from '../network/batches.js';

/** int64 [N], each a class of the model, beside what was computed of the images. @throws ERR_DATA */
export function labelsOf({ images, labels }: Batch, classes: number, detector: string, { device }: Tensor): Tensor {
  if (labels === null)
    throw new IsotorchError('ERR_DATA', `${detector} learns from labelled images, and these have no labels`);
  checkLabels(labels, classes, detector, images.shape[0]!);
  return labels.to({ dtype: 'int64', device });
}
