// A run of `isotorch train`, or weights of the same layout, is a plan of one network: what `isotorch evaluate RUN` and the
// quickstart do goes the way of a manifest, from checkpoint to rows to report, with every detector and every form of output.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Statistics } from '../data/index.js';
import { expected, IsotorchError } from '../errors.js';
import { lossTable } from '../known/losses.js';
import type { UnknownName } from '../known/unknownSets.js';
import {
  type Failure,
  type Report,
  type ResultRow,
  type SavedReport,
  type Skipped,
  saveReport,
} from '../report/index.js';
import { torch } from '../tensor/index.js';
import { describeEnvironment } from '../training/environment.js';
import { type Experiment, resolveRun } from '../training/experiment.js';
import type { CheckpointName } from '../training/runDirectory.js';
import { workThrough } from './execute/execute.js';
import type { RunManifestOptions } from './execute/run.js';
import { type DetectorChoice, detectorChoice } from './manifest/detectorSchemas.js';
import type { Checkpoint, DataReference, Manifest } from './manifest/types.js';
import { type Plan, planManifest } from './plan.js';
import { setsAtHand, unknownSet } from './unknownSets.js';

/** What is evaluated: a run of `trainExperiment`, or weights of the same layout from anywhere. */
export type Trained =
  | { readonly run: string; readonly checkpoint: Exclude<CheckpointName, 'state'> }
  | { readonly weights: string; readonly experiment: Pick<Experiment, 'data' | 'model' | 'loss' | 'classes'> };

export interface EvaluateRunsOptions extends RunManifestOptions {
  /** @default every set that is on this machine */
  readonly ood?: readonly UnknownName[] | undefined;
  /**
   * Detectors, any name of `ood.byName`, with their default settings. Those that learn are fitted on the images that the run
   * was trained on, or on those that it held out.
   * @default mps, es, mds, and the one that goes with the loss
   */
  readonly scores?: readonly string[] | undefined;
  /** The folder of the report, and of what the work may be taken up from. @default none: nothing is written */
  readonly out?: string | undefined;
}

export interface RunsResult {
  readonly report: Report;
  /** One for each network, unknown set and score, in this order. */
  readonly results: readonly ResultRow[];
  /** Detectors that a network rules out. */
  readonly skipped: readonly Skipped[];
  readonly failures: readonly Failure[];
  /** Null where nothing was written. */
  readonly files: SavedReport | null;
}

/**
 * Reloads networks and measures how well they tell the test images of their data set from unknown ones.
 * @param trained of one data set and with the same classes
 * @throws ERR_FILE, ERR_FORMAT or ERR_STATE_DICT for a run or a file that doesn't fit; ERR_ARGUMENT for detectors that none of
 *   the networks allows; ERR_ABORTED
 * @example
 * const { results, failures } = await evaluation.evaluateRuns([{ run: 'runs/c10', checkpoint: 'last' }], { scores: ['es', 'knn'] });
 */
export async function evaluateRuns(
  trained: readonly Trained[],
  options: EvaluateRunsOptions = {},
): Promise<RunsResult> {
  const { out, device = torch.accelerator() ?? 'cpu', log } = options;
  const plan = await planRuns(trained, { ...options, out: out ?? '' });
  for (const { network, detector, reason } of plan.skipped)
    log?.(`${detector} is left out on ${network}: it ${reason}`);
  const folder = out ?? (await mkdtemp(join(tmpdir(), 'isotorch-evaluation-')));
  try {
    return await workThrough({ ...plan, out: folder }, options, async ({ run, rows, figures }) => {
      if (rows.length === 0 && run.ledger.first !== undefined) throw run.ledger.first;
      const results = inOrder(rows, plan).map(({ network, distance, intervals, profile, ...row }) => row);
      const { failures } = run.ledger;
      const shown = figures.map(({ network, ...figure }) => figure);
      const about = { environment: describeEnvironment(device), skipped: plan.skipped, failures };
      const report = { ...about, results, figures: shown };
      return {
        report,
        results,
        skipped: plan.skipped,
        failures,
        files: out === undefined ? null : await saveReport(out, report),
      };
    });
  } finally {
    if (out === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** The plan of some runs. @throws as `evaluateRuns` */
export async function planRuns(
  trained: readonly Trained[],
  { ood, scores, out = '' }: Pick<EvaluateRunsOptions, 'ood' | 'scores' | 'out'>,
): Promise<Plan> {
  const networks = trained.map(describe);
  const [first] = networks;
  if (first === undefined) throw expected('at least one run', 'trained', trained);
  const { data, classes } = first.experiment;
  if (networks.some(({ experiment }) => experiment.data !== data || String(experiment.classes) !== String(classes)))
    throw new IsotorchError('ERR_ARGUMENT', 'Expected runs of one data set and with the same classes');
  const names = [...new Set(ood ?? (await setsAtHand({ data, classes })))];
  if (names.length === 0) throw expected('at least one set of unknown images', 'ood', names);
  const wanted = scores ?? networks.flatMap(({ experiment: { loss } }) => ['mps', 'es', 'mds', lossTable[loss].score]);
  const manifest: Manifest = {
    ...{ name: 'evaluation', train: null, arrays: [], profile: null, bootstrap: null, out },
    checkpoints: networks.map(({ checkpoint }) => checkpoint),
    id: [
      {
        name: data,
        ...knownImages(first),
        ood: { near: [], far: names.map((name) => unknownSet(name, { data, classes })) },
      },
    ],
    detectors: [...new Set(wanted)].map((name) => choose(name, first.statistics)),
  };
  const plan = planManifest(manifest);
  const [skipped] = plan.skipped;
  if (skipped !== undefined && plan.counts.measure === 0)
    throw new IsotorchError('ERR_ARGUMENT', `${skipped.detector} ${skipped.reason}`);
  return plan;
}

interface Described {
  readonly experiment: Pick<Experiment, 'data' | 'model' | 'loss' | 'classes'>;
  /** The part of the training images that the run held out; null where there is none, or it isn't known. */
  readonly held: { readonly share: number; readonly seed: number } | null;
  readonly statistics: Statistics | null;
  readonly checkpoint: Checkpoint;
}

function describe(trained: Trained): Described {
  if ('weights' in trained) {
    const { experiment, weights: path } = trained;
    const { model, loss } = experiment;
    const source = { kind: 'weights', path, prefix: '', model, loss, numClasses: null, normalize: null } as const;
    return { experiment, held: null, statistics: null, checkpoint: entry(experiment, null, source) };
  }
  const { experiment, seed, statistics } = resolveRun(trained);
  const { model, loss, validation: share } = experiment;
  const { run: path, checkpoint } = trained;
  const source = { kind: 'run', path, checkpoint, says: { model, loss } } as const;
  return {
    experiment,
    held: share > 0 ? { share, seed } : null,
    statistics,
    checkpoint: entry(experiment, seed, source),
  };
}

const entry = (
  { model, loss }: Described['experiment'],
  seed: number | null,
  source: Checkpoint['source'],
): Checkpoint => ({
  ...{ name: `${model}-${loss}`, seeds: [seed], id: null, source },
});

/** What detectors may learn from, and what is tested. */
function knownImages({ experiment: { data, classes }, held }: Described) {
  const of = (split: 'train' | 'test', which?: 'held' | 'trained'): DataReference => ({
    ...{ name: data, source: { kind: 'set', set: data, split }, classes, rows: null },
    ...(which && held && { part: { which, ...held } }),
  });
  return { train: of('train', 'trained'), validation: held && of('train', 'held'), test: of('test') };
}

/** With default settings, but for the deviations that the run's images were divided by. */
function choose(name: string, statistics: Statistics | null): DetectorChoice {
  const choice = detectorChoice(name);
  if (!('std' in choice.settings) || statistics === null) return choice;
  return { ...choice, settings: { ...choice.settings, std: statistics.std } };
}

/** Network by network, set by set, score by score, as they were asked for. */
function inOrder<R extends ResultRow>(rows: readonly R[], { networks, detectors }: Plan): R[] {
  const places = (names: readonly string[]) => new Map(names.map((name, i) => [name, i]));
  const network = places(networks.map((each) => each.network.name));
  const ood = places(networks.flatMap(({ known }) => known.flatMap((set) => set.ood.far.map(({ name }) => name))));
  const score = places(detectors.map(({ label }) => label));
  const place = (row: R): number[] => [network.get(row.network!)!, ood.get(row.ood)!, score.get(row.score)!];
  return [...rows].sort((a, b) => {
    const [one, other] = [place(a), place(b)];
    const i = one.findIndex((value, at) => value !== other[at]);
    return i < 0 ? 0 : one[i]! - other[i]!;
  });
}
