// One network of the plan in earnest: where its weights are and what has to be known to use them, and the model itself, which
// is made when a job first needs it.

import { join } from 'node:path';
import { types } from 'node:util';
import { normalize, type Statistics } from '../../data/index.js';
import { IsotorchError } from '../../errors.js';
import { dataSets } from '../../known/dataSets.js';
import type { LossName } from '../../known/losses.js';
import type { ModelName } from '../../known/models.js';
import type { Module } from '../../nn/index.js';
import { hashFile } from '../../ood/index.js';
import { Forward } from '../../ood/network/forward.js';
import { type Device, Tensor } from '../../tensor/index.js';
import { makeModel, readWeights, resolveRun } from '../../training/experiment.js';
import type { NetworkEntry } from '../networks.js';
import type { ImageRequest, ImageSets } from './images.js';

/** Everything that decides what the network computes, but for the images. */
export interface AboutNetwork {
  readonly model: ModelName;
  readonly loss: LossName;
  readonly seed: number | null;
  /** A file. */
  readonly weights: string;
  /** sha256, in hex, of the file. */
  readonly hash: string;
  readonly prefix: string;
  readonly classes: number;
  readonly channels: number;
  readonly normalize: Statistics;
}

/** The run directory of a network that the evaluation trains. */
export const runFolder = (out: string, network: string): string => join(out, 'runs', network);

/**
 * @param test the known images whose shape the network takes
 * @param train those that give the statistics of normalisation where nobody else does; null for none
 * @throws ERR_FILE and others for a run or weights that can't be read; what reading the images throws
 */
export async function aboutNetwork(
  { id, seed, source }: NetworkEntry,
  { out, images, test, train }: { out: string; images: ImageSets; test: ImageRequest; train: ImageRequest | null },
): Promise<AboutNetwork> {
  const { shape, classes } = await images.about(test);
  const channels = shape[0];
  if (source.kind === 'weights') {
    const { model, loss, path: weights, prefix, numClasses } = source;
    const statistics = source.normalize ?? (train && (await images.about(train)).statistics);
    const count = numClasses ?? classes.length;
    if (statistics === null || count === 0)
      throw new IsotorchError(
        'ERR_DATA',
        `${id}: expected ${count === 0 ? 'numClasses, as the known images have no labels' : 'normalize'}`,
      );
    const hash = await hashFile(weights);
    return { model, loss, seed, weights, hash, prefix, classes: count, channels, normalize: statistics };
  }
  const [run, checkpoint] =
    source.kind === 'run' ? [source.path, source.checkpoint] : [runFolder(out, id), 'last' as const];
  const { experiment, weights, seed: trained, statistics } = resolveRun({ run, checkpoint });
  return {
    ...{
      model: experiment.model,
      loss: experiment.loss,
      seed: seed ?? trained,
      weights,
      hash: await hashFile(weights),
    },
    ...{ prefix: '', classes: experiment.classes?.length ?? dataSets[experiment.data].classes.length, channels },
    normalize: statistics,
  };
}

/** A network in memory. */
export interface LoadedNetwork extends Disposable {
  readonly forward: Forward;
}

/**
 * The network, ready to be run; whoever asked disposes of it.
 * @throws ERR_FORMAT, ERR_STATE_DICT for weights that are not this network's
 */
export async function loadNetwork(about: AboutNetwork, device: Device): Promise<LoadedNetwork> {
  const { channels, classes, weights, prefix } = about;
  const names = Array.from({ length: classes }, (_, i) => String(i));
  // The seed is of weights that are replaced at once.
  const model = makeModel({ ...about, seed: 0 }, { shape: [channels, 1, 1], classes: names }, device);
  try {
    await readInto(model, weights, prefix);
    const forward = new Forward(model, { features: true, transform: (images) => normalize(images, about.normalize) });
    return {
      forward,
      [Symbol.dispose]: () => {
        forward.dispose();
        model.dispose();
      },
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function readInto(model: Module, weights: string, prefix: string): Promise<void> {
  const state = await readWeights(weights);
  try {
    model.loadStateDict(state, { prefix });
  } finally {
    for (const value of types.isMap(state) ? state.values() : Object.values(state))
      if (value instanceof Tensor) value.dispose();
  }
}
