// The paper's effect, seen with one's own eyes: SoftMax, IsoMax and IsoMax+ on the same images with the same network, recipe,
// seed, first feature weights and batch order; then each is asked, with every score, how well it tells known from unknown.
// Where Fashion-MNIST can't be had, the optical digits in the package stand in, with three digits held out.

import * as data from '../data/index.js';
import { IsotorchError } from '../errors.js';
import { quickstartLosses } from '../known/losses.js';
import type { UnknownName } from '../known/unknownSets.js';
import type { EvaluateProgress } from '../ood/index.js';
import { type Environment, type Figure, type ResultRow, saveReport } from '../report/index.js';
import { type Device, torch } from '../tensor/index.js';
import { describeEnvironment } from './environment.js';
import { type Experiment, evaluateExperiment, trainExperiment } from './experiment.js';
import type { Progress } from './pace.js';
import { type RecipeChanges, recipes } from './recipes.js';
import { type EpochRecord, type JsonObject, RunDirectory } from './runDirectory.js';
import { setsAtHand } from './unknowns.js';

type LossName = (typeof quickstartLosses)[number];

export interface QuickstartOptions {
  /** @default 'runs/quickstart' */
  readonly out?: string;
  /** Go on with the quickstart in `out` that was stopped. @default false: begin anew, replacing it */
  readonly resume?: boolean;
  /** @default 0 */
  readonly seed?: number;
  /** Passes over the images for each loss. @default 4; 30 on the digits, which are few */
  readonly epochs?: number | undefined;
  /** @default 'fashion-mnist', and 'digits' where that can't be had */
  readonly data?: 'fashion-mnist' | 'digits' | undefined;
  readonly device?: Device | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Is told what happens, in sentences. */
  readonly log?: (message: string) => void;
  readonly onProgress?: (progress: Progress, loss: LossName) => void;
  readonly onEpoch?: (record: EpochRecord, loss: LossName, epochs: number) => void;
  readonly onEvaluate?: (progress: EvaluateProgress, loss: LossName) => void;
}

/** Means over the unknown sets, as fractions. */
export interface Effect {
  readonly softmax: { readonly accuracy: number; readonly auroc: number };
  readonly isomax: { readonly accuracy: number; readonly auroc: number };
}

export type QuickstartResult =
  | { readonly stopped: true }
  | {
      readonly stopped: false;
      readonly environment: Environment;
      readonly results: readonly ResultRow[];
      /** SoftMax by maximum probability against IsoMax by entropic score. */
      readonly effect: Effect;
      readonly paths: { readonly json: string; readonly csv: string; readonly html: string };
    };

/** What the three experiments have in common; the quickstart's config.json. */
interface Plan {
  readonly experiment: Omit<Experiment, 'loss'>;
  readonly changes: RecipeChanges;
  readonly unknown: readonly UnknownName[];
}

/**
 * Trains, evaluates and reports. Writes `results.json`, `results.csv` and `report.html` into `out`, and a run directory for
 * each loss below it.
 * @throws ERR_FILE when there is nothing to resume, or another process works there; ERR_DATA when training diverges
 */
export async function quickstart(options: QuickstartOptions = {}): Promise<QuickstartResult> {
  const { out = 'runs/quickstart', resume = false, signal, log = () => {}, onProgress, onEpoch, onEvaluate } = options;
  const device = options.device ?? torch.accelerator() ?? 'cpu';
  using root = resume ? RunDirectory.resume(out) : RunDirectory.create(out, { overwrite: true });
  if (!resume) {
    for (const loss of quickstartLosses) RunDirectory.create(root.file(loss), { overwrite: true }).close();
    root.writeConfig((await makePlan(options)) as unknown as JsonObject);
  }
  const { experiment, changes, unknown } = root.config() as unknown as Plan;
  const environment = describeEnvironment(device);
  root.writeEnvironment(environment);
  const epochs = changes.epochs ?? recipes[experiment.recipe].epochs;

  for (const loss of quickstartLosses) {
    const run = root.file(loss);
    const { stopped } = await trainExperiment(
      { ...experiment, loss },
      {
        ...changes,
        out: run,
        resume: RunDirectory.exists(run),
        device,
        signal,
        log,
        onProgress: onProgress && ((progress) => onProgress(progress, loss)),
        onEpoch: onEpoch && ((record) => onEpoch(record, loss, epochs)),
      },
    );
    if (stopped) return { stopped: true };
  }

  const results: ResultRow[] = [];
  const figures: Figure[] = [];
  for (const loss of quickstartLosses) {
    try {
      const evaluation = await evaluateExperiment(
        { run: root.file(loss), checkpoint: 'last' },
        {
          ood: unknown,
          device,
          download: false,
          signal,
          onProgress: onEvaluate && ((progress) => onEvaluate(progress, loss)),
        },
      );
      results.push(...evaluation.results);
      figures.push(...evaluation.figures);
    } catch (error) {
      if (error instanceof IsotorchError && error.code === 'ERR_ABORTED') return { stopped: true };
      throw error;
    }
  }
  const paths = await saveReport(out, { environment, results, figures });
  return { stopped: false, environment, results, effect: effectOf(results), paths };
}

async function makePlan({ data: wanted, epochs, seed = 0, log }: QuickstartOptions): Promise<Plan> {
  const name = wanted ?? ((await canHaveFashion(log)) ? 'fashion-mnist' : 'digits');
  const common = { model: 'convnet', recipe: 'quickstart', seed, validation: 1 / 12, augment: [] } as const;
  if (name === 'fashion-mnist')
    return {
      experiment: { ...common, data: name, classes: null },
      changes: { epochs: epochs ?? recipes.quickstart.epochs },
      unknown: await setsAtHand(name, false),
    };
  return {
    experiment: { ...common, data: name, classes: [0, 1, 2, 3, 4, 5, 6] },
    changes: { epochs: epochs ?? 30, batchSize: 64 },
    // Not MNIST: its digits are the known ones.
    unknown: ['held-out', 'uniform-noise', 'gaussian-noise', 'pixel-shuffled'],
  };
}

/** Fetches Fashion-MNIST where it is missing. */
async function canHaveFashion(log: QuickstartOptions['log']): Promise<boolean> {
  try {
    const { train, test } = await data.fashionMnist(log && { log });
    train.dispose();
    test.dispose();
    return true;
  } catch (error) {
    if (!(error instanceof IsotorchError) || error.code !== 'ERR_DATA') throw error;
    log?.(
      `${error.message}\nWithout Fashion-MNIST, the quickstart runs on the 1,797 optical digits in this package: it trains ` +
        'on 0 to 6, and 7 to 9 are among the unknown.',
    );
    return false;
  }
}

function effectOf(results: readonly ResultRow[]): Effect {
  const mean = (loss: LossName, score: string) => {
    const rows = results.filter((row) => row.loss === loss && row.score === score);
    const auroc = rows.reduce((sum, row) => sum + row.auroc, 0) / rows.length;
    return { accuracy: rows[0]?.accuracy ?? Number.NaN, auroc };
  };
  return { softmax: mean('softmax', 'mps'), isomax: mean('isomax', 'es') };
}
