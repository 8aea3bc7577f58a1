// Training a network of the manifest, as `isotorch train` would, in `runs/<network>` under the results: what is done stays done,
// what was stopped goes on, and a run with other settings, from an earlier manifest, is put aside and not lost.

import { existsSync, renameSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { loadTorch } from '../../checkpoint/index.js';
import { IsotorchError } from '../../errors.js';
import type { Device } from '../../tensor/index.js';
import { type Experiment, type TrainOptions, trainExperiment } from '../../training/experiment.js';
import { resolveRecipe } from '../../training/recipes.js';
import { RunDirectory } from '../../training/runDirectory.js';
import type { NetworkEntry } from '../networks.js';

type Source = Extract<NetworkEntry['source'], { kind: 'trained' }>;

export interface TrainNetworkOptions extends Pick<TrainOptions, 'signal' | 'onProgress' | 'log'> {
  readonly device: Device;
}

/** Whether the run in a folder is this network's, and has come to its end. */
export async function isTrained(source: Source, folder: string): Promise<boolean> {
  if (!RunDirectory.exists(folder) || !isSame(source, folder)) return false;
  const run = RunDirectory.open(folder);
  if (!run.hasCheckpoint('state') || !run.hasCheckpoint('last')) return false;
  try {
    const state = await loadTorch<Map<string, unknown>>(run.checkpoint('state'), { keys: ['epoch'] });
    return state.get('epoch') === recipeOf(source).epochs;
  } catch (error) {
    if (error instanceof IsotorchError) return false;
    throw error;
  }
}

/**
 * Trains to the end.
 * @throws ERR_ABORTED when it was stopped, and saved; what `fit` throws
 */
export async function trainNetwork(source: Source, folder: string, options: TrainNetworkOptions): Promise<void> {
  const { epochs, batchSize, lr, precision } = source.training;
  if (RunDirectory.exists(folder) && !isSame(source, folder)) {
    const aside = asideOf(folder);
    renameSync(folder, aside);
    options.log?.(`${folder} holds a run with other settings, which is now in ${aside}`);
  }
  const { stopped } = await trainExperiment(experimentOf(source), {
    ...{ epochs: epochs ?? undefined, batchSize: batchSize ?? undefined, lr: lr ?? undefined, precision },
    ...{ ...options, out: folder, resume: RunDirectory.exists(folder) },
  });
  if (stopped) throw new IsotorchError('ERR_ABORTED', `The training in ${folder} was stopped, and saved`);
}

function experimentOf({ training, loss, seed }: Source): Experiment {
  const { data, model, recipe, validation, augment, classes } = training;
  return { data, model, loss, recipe, seed, validation, augment, classes };
}

function recipeOf({ training }: Source) {
  const { recipe, epochs, batchSize, lr } = training;
  const changes = Object.entries({ epochs, batchSize, lr }).map(([key, value]) => [key, value ?? undefined]);
  return resolveRecipe(recipe, Object.fromEntries(changes));
}

/** Whether a run was begun with these settings. A config.json that can't be read is none of ours. */
function isSame(source: Source, folder: string): boolean {
  try {
    const { experiment, training } = RunDirectory.open(folder).config() as {
      experiment?: unknown;
      training?: { recipe?: unknown; precision?: unknown };
    };
    const begun = [experiment, training?.recipe, training?.precision ?? 'float32'];
    const wanted = [experimentOf(source), recipeOf(source), source.training.precision];
    return isDeepStrictEqual(begun, JSON.parse(JSON.stringify(wanted)));
  } catch (error) {
    if (error instanceof IsotorchError && error.code === 'ERR_FORMAT') return false;
    throw error;
  }
}

function asideOf(folder: string): string {
  for (let n = 1; ; n++) if (!existsSync(`${folder}~${n}`)) return `${folder}~${n}`;
}
