// The guard of a run: fitted on the images that the training held out, kept in the run directory beside the weights that it
// belongs to, and refused for any others.

import { existsSync } from 'node:fs';
import * as data from '../data/index.js';
import { IsotorchError } from '../errors.js';
import { type DetectorEntry, detectorSpecs } from '../known/detectors.js';
import type { ModelName } from '../known/models.js';
import { parseDetector } from '../known/parseDetector.js';
import * as losses from '../losses/index.js';
import type { Module } from '../nn/index.js';
import * as ood from '../ood/index.js';
import { type Device, torch } from '../tensor/index.js';
import { makeModel, readWeights, resolveRun } from './experiment.js';
import { RunDirectory } from './runDirectory.js';

/** A run, or a guard's file with the weights that it was fitted to; without weights it judges arrays only. */
export type Guarded =
  | { readonly run: string; readonly checkpoint: 'last' | 'best' }
  | {
      readonly guard: string;
      readonly network?:
        | { readonly weights: string; readonly model: ModelName; readonly loss: losses.LossName }
        | undefined;
    };

export interface OpenGuardOptions {
  /** @default 0.95, or what the run's guard was fitted for */
  readonly accept?: number | undefined;
  /**
   * Any name of `ood.byName`, with its default settings. One that learns is fitted on the images that the run was trained on.
   * @default the one that goes with the loss: mps for SoftMax, es for IsoMax, mds for IsoMax+, mmles for DisMax
   */
  readonly score?: string | undefined;
  /** Fit the run's guard anew. */
  readonly refit?: boolean | undefined;
  readonly device?: Device | undefined;
  /** Is told what is fetched and fitted. */
  readonly log?: ((message: string) => void) | undefined;
}

/**
 * A guard that is ready to judge. A run's is read from its `guard.safetensors`; where there is none, or with `refit`, it is
 * fitted on the run's validation images and saved there.
 *
 * @throws ERR_ARGUMENT when the run's guard is for another score or share than asked for, and for a score that learns from
 *   held-out images, which are those of the threshold; ERR_DATA for a run without validation images; ERR_STATE_DICT for a
 *   guard that was fitted to other weights; what `Guard.load` and `fitThreshold` throw
 * @example
 * const guard = await training.openGuard({ run: 'runs/c10', checkpoint: 'last' });
 * const verdicts = await guard.judge(images);
 */
export async function openGuard(guarded: Guarded, options: OpenGuardOptions = {}): Promise<ood.Guard> {
  const { device = torch.accelerator() ?? 'cpu' } = options;
  if ('guard' in guarded) {
    const stored = await ood.Guard.load(guarded.guard);
    const { network } = guarded;
    return network ? await withModel(stored, guarded.guard, network, device) : stored;
  }
  const path = RunDirectory.open(guarded.run).file('guard.safetensors');
  if (options.refit || !existsSync(path)) return await fitGuard(guarded, path, { ...options, device });
  const { experiment, weights } = resolveRun(guarded);
  const stored = await ood.Guard.load(path);
  const { accept = stored.threshold.accept, score = stored.detector.name } = options;
  if (accept !== stored.threshold.accept || score !== stored.detector.name)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${path} is a guard for score ${stored.detector.name} that accepts ${stored.threshold.accept} of known images, ` +
        `and ${score} with ${accept} is asked for. --refit fits it anew`,
    );
  return await withModel(stored, path, { weights, ...experiment }, device);
}

/** @throws ERR_STATE_DICT unless the guard was fitted to these weights */
async function withModel(
  stored: ood.Guard,
  path: string,
  { weights, ...names }: { weights: string; model: ModelName; loss: losses.LossName },
  device: Device,
): Promise<ood.Guard> {
  const { imageShape, classes } = stored;
  if (!imageShape || !classes)
    throw new IsotorchError('ERR_FORMAT', `${path}: expected a guard that knows its images' shape and classes`);
  const hash = await ood.hashFile(weights);
  if (stored.about.weights !== undefined && stored.about.weights !== hash)
    throw new IsotorchError(
      'ERR_STATE_DICT',
      `${path} was fitted to other weights than those in ${weights}: its threshold says nothing about them. ` +
        'Fit it anew; for a run, with --refit',
    );
  const model = makeModel({ ...names, seed: 0 }, { shape: imageShape as data.ImageShape, classes }, device);
  await loadInto(model, weights);
  return new ood.Guard(stored, { model, capture: false });
}

async function fitGuard(
  guarded: Extract<Guarded, { run: string }>,
  path: string,
  { accept, score, log, device = 'cpu' }: OpenGuardOptions,
): Promise<ood.Guard> {
  const { experiment, weights, statistics } = resolveRun(guarded);
  const { validation, seed } = experiment;
  if (!(validation > 0))
    throw new IsotorchError(
      'ERR_DATA',
      `The run in ${guarded.run} was trained without validation images, and a threshold must not be fitted on the images ` +
        'that were trained on. Fit a guard on others with ood.fitThreshold, and name it with --guard',
    );
  const detector = detectorOf(score ?? losses.byName(experiment.loss).score, statistics);
  if (ood.isUnfitted(detector)) log?.(`Fitting ${detector.name} on the run's training images`);
  log?.(`Fitting the threshold on the run's validation images`);
  const loaded = await data.load(experiment.data, { split: 'train', device, ...(log && { log }) });
  const known = experiment.classes ? loaded.onlyClasses(experiment.classes) : loaded;
  const [held, rest] = known.split(validation, { seed });
  try {
    const model = makeModel({ ...experiment, seed: 0 }, held, device);
    await loadInto(model, weights);
    const guard = await ood.fitThreshold(model, held, {
      score: detector,
      train: rest,
      ...(accept !== undefined && { accept }),
      normalize: statistics,
      capture: false,
      about: { weights: await ood.hashFile(weights), checkpoint: guarded.checkpoint },
    });
    if (guard.threshold.warning) log?.(`The threshold: ${guard.threshold.warning}`);
    await guard.save(path);
    return guard;
  } finally {
    for (const set of new Set([loaded, known, held, rest])) set.dispose();
  }
}

/** With its default settings, but for the deviations that the run's images were divided by. */
function detectorOf(name: string, { std }: data.Statistics): ood.AnyDetector {
  const spec = parseDetector(name);
  const entry: DetectorEntry = detectorSpecs[spec.name];
  if (entry.fitsOn === 'validation')
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${name} learns from held-out images, and those of a run are for the threshold. Choose another score, or fit a guard with ` +
        'ood.fitThreshold on images of your own, and name it with --guard',
    );
  return ood.byName(name, 'std' in entry.settings ? { std } : {});
}

async function loadInto(model: Module, weights: string): Promise<void> {
  model.loadStateDict(await readWeights(weights));
}
