// Running statistics of batch norm for weights that never met a batch, such as averaged ones.

import { expected } from '../../errors.js';
import type { AnyModule, Module } from '../../nn/index.js';
import { type Device, Tensor, tidy, torch } from '../../tensor/index.js';
import { AveragedModel } from './averagedModel.js';

interface HasStatistics {
  momentum: number | null;
  resetRunningStats(): void;
}

const hasStatistics = (module: object): module is HasStatistics =>
  'resetRunningStats' in module && 'momentum' in module;

/**
 * `torch.optim.swa_utils.update_bn`: a pass over the data in training mode, in which every batch counts alike. Without batch norm
 * it does nothing.
 * @param loader batches: the input, an array whose first entry it is, or an object with it under `images`
 * @throws ERR_ARGUMENT for batches of another form
 * @example await optim.swaUtils.updateBn(train.batches(256), averaged);
 */
export async function updateBn(
  loader: Iterable<unknown> | AsyncIterable<unknown>,
  model: Module<unknown, [Tensor]>,
  { device }: { device?: Device } = {},
): Promise<void> {
  const inner = model instanceof AveragedModel ? model.model : model;
  const within = <T>(fn: () => T): T => (model instanceof AveragedModel ? model.during(fn) : fn());
  const norms = (inner as unknown as AnyModule)
    .modules()
    .filter((module: object) => hasStatistics(module)) as unknown[] as HasStatistics[];
  if (norms.length === 0) return;
  const momenta = norms.map(({ momentum }) => momentum);
  const { training } = inner;
  within(() => {
    for (const norm of norms) norm.resetRunningStats();
  });
  inner.train();
  for (const norm of norms) norm.momentum = null;
  try {
    for await (const batch of loader)
      within(() => torch.noGrad(() => tidy(() => void inner.forward(inputOf(batch, device)))));
  } finally {
    for (const [i, norm] of norms.entries()) norm.momentum = momenta[i]!;
    inner.train(training);
  }
}

function inputOf(batch: unknown, device: Device | undefined): Tensor {
  const [first] = Array.isArray(batch) ? batch : [batch];
  const input: unknown = first instanceof Tensor ? first : (first as { images?: unknown } | null)?.images;
  if (!(input instanceof Tensor)) throw expected('batches with a Tensor', 'loader', batch);
  return device === undefined ? input : input.to(device);
}
