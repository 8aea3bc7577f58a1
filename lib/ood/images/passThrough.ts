// One pass of a training set through a network, as the fits make it: what is computed of the images is captured, what is
// done with it (sums, extremes) runs here on its small results.

import { type Tensor, tidy, torch } from '../../tensor/index.js';
import { type Batch, checkDataset, type EvaluatedDataset, forBatches } from '../network/batches.js';
import type { Network } from '../network/network.js';
import { Runner } from '../network/runner.js';
import type { FitOptions } from './imageDetector.js';

/**
 * @param compute images → tensors, with the network in evaluation mode and without recording for backward
 * @param use is given these tensors, which end with the call, the batch, and the number of images before it
 * @returns how many images there were
 */
export async function passThrough<Result extends readonly Tensor[]>(
  network: Network,
  dataset: EvaluatedDataset,
  { capture = true, ...options }: FitOptions,
  compute: (images: Tensor) => Result,
  use: (result: Result, batch: Batch, start: number) => void,
): Promise<number> {
  checkDataset(dataset, 'training');
  using runner = new Runner(network.model, (images) => torch.noGrad(() => compute(images)), {
    capture,
    name: 'the fit',
  });
  return await forBatches(
    dataset,
    options,
    async (batch, start) => {
      const result = await runner.run(batch.images);
      try {
        tidy(() => {
          use(result, batch, start);
        });
      } finally {
        for (const tensor of result) tensor.dispose();
      }
    },
    network,
  );
}
