// Works through a plan and writes what came of it. A run that was killed at any moment finds what it had finished and does the
// rest; one after a change of the manifest does what the change touches.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../../checkpoint/source.js';
import { type EvaluationRow, type Figure, type Results, type SavedReport, saveReport } from '../../report/index.js';
import { markdownOf } from '../../report/save.js';
import { torch } from '../../tensor/index.js';
import { describeEnvironment } from '../../training/environment.js';
import { Lock } from '../../training/lock.js';
import { layoutOf, type Plan } from '../plan.js';
import { figuresOf } from './figures.js';
import { ImageSets } from './images.js';
import { Products, writeText } from './products.js';
import { type Context, Run, type RunManifestOptions } from './run.js';
import type { Timing } from './timing.js';

/** What an evaluation has come to. */
export type Outcome = Required<Omit<Results, 'environment' | 'results'>> & { readonly rows: readonly EvaluationRow[] };

export interface ManifestResult {
  readonly outcome: Outcome;
  readonly timing: Timing;
  /** Ids of the jobs that this run has done, in their order. */
  readonly jobs: readonly string[];
  /** Paths of what was written. */
  readonly files: SavedReport & { readonly timing: string };
  /** The tables, as in results.md. */
  readonly tables: string;
}

/**
 * Does the work of a plan and writes results.json, results.csv, results.md and report.html into its folder, and timing.json and
 * environment.json beside them. The first three depend on the manifest, the weights and the data alone, however often the work
 * was interrupted.
 *
 * What jobs make is kept in `work`; see docs/evaluation.md. An error in a job is no error here: `outcome.failures` has it.
 *
 * @throws ERR_ABORTED when `signal` says so; ERR_FILE where another process works in the folder, or it can't be written
 * @example
 * const plan = planManifest(await readManifest('experiments/fashion-mnist.yaml'));
 * const { outcome, tables } = await runManifest(plan, { log: console.error });
 * console.log(tables, outcome.failures);
 */
export async function runManifest(plan: Plan, options: RunManifestOptions = {}): Promise<ManifestResult> {
  const { device = torch.accelerator() ?? 'cpu' } = options;
  const { out, name, profile, bootstrap, skipped } = plan;
  return await workThrough(plan, { ...options, failed: options.log }, async ({ run, rows, figures }) => {
    const about = { name, profile, bootstrap, skipped, failures: run.ledger.failures };
    const report = { ...about, results: rows, environment: describeEnvironment(device), figures, title: name };
    const layout = layoutOf(plan);
    const timing = run.clock.stop(run.found, layout.detectors);
    const files = { ...(await saveReport(out, report, { layout, apart: true })), timing: join(out, 'timing.json') };
    // A run that found everything has no times to tell.
    if (timing.done > 0) await writeText(files.timing, `${JSON.stringify(timing, null, 2)}\n`);
    return { outcome: { ...about, rows }, timing, jobs: run.made, files, tables: markdownOf(report, layout) };
  });
}

/** What the work of a plan has come to. */
interface Work {
  readonly run: Run;
  readonly rows: readonly EvaluationRow[];
  readonly figures: readonly Figure[];
}

/**
 * Does the work of a plan in its folder, which is this process's until `finish` has used what came of it.
 * @throws ERR_ABORTED, ERR_FILE
 */
export async function workThrough<T>(
  plan: Plan,
  options: RunManifestOptions & Pick<Context, 'failed'>,
  finish: (work: Work) => Promise<T>,
): Promise<T> {
  const { device = torch.accelerator() ?? 'cpu', log, download } = options;
  const { out } = plan;
  await makeFolder(out);
  const lock = Lock.acquire(join(out, 'evaluation.lock'), 'folder of results');
  try {
    const products = await Products.open(join(out, 'work'));
    using images = new ImageSets({ device, log, download });
    const run = new Run(plan, { ...options, device, products, images });
    const rows: EvaluationRow[] = [];
    for (const network of plan.networks) rows.push(...(await run.network(network)));
    return await finish({ run, rows, figures: await figuresOf(rows, run.scores, products) });
  } finally {
    lock.release();
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError('write', path, error);
  }
}
