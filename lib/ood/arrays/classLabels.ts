// Labels are classes of the network: the one check of everything that learns from them or counts with them.

import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';

/**
 * @param classes of the network's logits
 * @param of whose labels they are, or who wants them, for the message
 * @param rows how many images there are
 * @throws ERR_DATA unless each image has one label, from 0 to `classes` − 1
 */
export function checkLabels(labels: Tensor, classes: number, of: string, rows = labels.numel()): void {
  const [lowest, highest] = [Number(labels.amin().item()), Number(labels.amax().item())];
  if (labels.numel() !== rows || lowest < 0 || highest >= classes)
    throw new IsotorchError(
      'ERR_DATA',
      `${of}: expected one label an image, from 0 to ${classes - 1} as the model has ${classes} classes, ` +
        `received ${labels.numel()} from ${lowest} to ${highest} for ${rows} images`,
    );
}
