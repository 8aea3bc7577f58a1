// The paper's effect, seen with one's own eyes: SoftMax, IsoMax and IsoMax+ on the same images with the same network, recipe,
// seed, first feature weights and batch order; then each is asked, with every score, how well it tells known from unknown.
// Where Fashion-MNIST can't be had, the optical digits in the package stand in, with three digits held out.

import * as data from '../data/index.js';
import { IsotorchError } from '../errors.js';
import { quickstartLosses } from '../known/losses.js';
import type { UnknownName } from '../known/unknownSets.js';
import type { Environment, ResultRow, SavedReport } from '../report/index.js';
import { type Device, torch } from '../tensor/index.js';
import { describeEnvironment } from '../training/environment.js';
import { type Experiment, trainExperiment } from '../training/experiment.js';
import type { Progress } from '../training/pace.js';
import { type RecipeChanges, recipes } from '../training/recipes.js';
import { type EpochRecord, type JsonObject, RunDirectory } from '../training/runDirectory.js';
import type { ManifestProgress } from './execute/run.js';
import { evaluateRuns } from './runs.js';
import { setsAtHand } from './unknownSets.js';

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
  readonly onEvaluate?: (progress: ManifestProgress, loss: LossName) => void;
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
      readonly paths: SavedReport;
    };

/** What the three experiments have in common; the quickstart's config.json. */
interface Common {
  readonly experiment: Omit<Experiment, 'loss'>;
  readonly changes: RecipeChanges;
  readonly unknown: readonly UnknownName[];
}

/**
 * Trains, evaluates and reports. Writes `results.json`, `results.csv`, `results.md` and `report.html` into `out`, and a run directory for
 * each loss below it.
 * @throws ERR_FILE when there is nothing to resume, or another process works there; ERR_DATA when training diverges
 */
export async function quickstart(options: QuickstartOptions = {}): Promise<QuickstartResult> {
  const { out = 'runs/quickstart', resume = false, signal, log = () => {}, onProgress, onEpoch, onEvaluate } = options;
  const device = options.device ?? torch.accelerator() ?? 'cpu';
  using root = resume ? RunDirectory.resume(out) : RunDirectory.create(out, { overwrite: true });
  if (!resume) {
    for (const loss of quickstartLosses) RunDirectory.create(root.file(loss), { overwrite: true }).close();
    root.writeConfig((await settle(options)) as unknown as JsonObject);
  }
  const { experiment, changes, unknown } = root.config() as unknown as Common;
  root.writeEnvironment(describeEnvironment(device));
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

  const runs = quickstartLosses.map((loss) => ({ run: root.file(loss), checkpoint: 'last' }) as const);
  try {
    const { report, results, failures, files } = await evaluateRuns(runs, {
      ...{ out, ood: unknown, device, download: false, signal },
      onProgress: onEvaluate && ((progress) => onEvaluate(progress, lossOf(progress))),
    });
    const [failure] = failures;
    if (failure) throw new IsotorchError('ERR_DATA', `${failure.job} failed: ${failure.code}: ${failure.message}`);
    return { stopped: false, environment: report.environment, results, effect: effectOf(results), paths: files! };
  } catch (error) {
    if (error instanceof IsotorchError && error.code === 'ERR_ABORTED') return { stopped: true };
    throw error;
  }
}

/** Of the network that is evaluated, which is called `convnet-isomax-s0`. */
const lossOf = ({ job }: ManifestProgress): LossName =>
  quickstartLosses.find((loss) => job.network.startsWith(`convnet-${loss}-`))!;

async function settle({ data: wanted, epochs, seed = 0, log }: QuickstartOptions): Promise<Common> {
  const name = wanted ?? ((await canHaveFashion(log)) ? 'fashion-mnist' : 'digits');
  const common = { model: 'convnet', recipe: 'quickstart', seed, validation: 1 / 12, augment: [] } as const;
  if (name === 'fashion-mnist')
    return {
      experiment: { ...common, data: name, classes: null },
      changes: { epochs: epochs ?? recipes.quickstart.epochs },
      unknown: await setsAtHand({ data: name, classes: null }),
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
