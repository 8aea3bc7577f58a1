// Works through a plan and writes what came of it. A run that was killed at any moment finds what it had finished and does the
// rest; one after a change of the manifest does what the change touches.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../../checkpoint/source.js';
import { torch } from '../../tensor/index.js';
import { Lock } from '../../training/lock.js';
import type { Plan } from '../plan.js';
import { evaluationCsv, evaluationJson, type Outcome } from '../resultFiles.js';
import { type EvaluationRow, layoutOf } from '../rows.js';
import { evaluationMarkdown } from '../tables.js';
import { ImageSets } from './images.js';
import { Products, writeText } from './products.js';
import { Run, type RunManifestOptions } from './run.js';
import type { Timing } from './timing.js';

export interface ManifestResult {
  readonly outcome: Outcome;
  readonly timing: Timing;
  /** Ids of the jobs that this run has done, in their order. */
  readonly jobs: readonly string[];
  /** Paths of what was written. */
  readonly files: Readonly<Record<'json' | 'csv' | 'markdown' | 'timing', string>>;
  /** The tables, as in results.md. */
  readonly tables: string;
}

/**
 * Does the work of a plan and writes results.json, results.csv and results.md into its folder, and timing.json beside them. The
 * first three depend on the manifest, the weights and the data alone, however often the work was interrupted.
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
  const { device = torch.accelerator() ?? 'cpu', log } = options;
  const { out, name, profile, bootstrap, skipped } = plan;
  await makeFolder(out);
  const lock = Lock.acquire(join(out, 'evaluation.lock'), 'folder of results');
  try {
    const products = await Products.open(join(out, 'work'));
    using images = new ImageSets({ device, log });
    const run = new Run(plan, { ...options, device, products, images });
    const rows: EvaluationRow[] = [];
    for (const network of plan.networks) rows.push(...(await run.network(network)));
    const { failures } = run.ledger;
    const outcome = { name, profile, bootstrap, rows, skipped, failures };
    const timing = run.clock.stop(run.found, layoutOf(plan).detectors);
    return { outcome, timing, jobs: run.made, ...(await writeResults(plan, outcome, timing)) };
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

async function writeResults(plan: Plan, outcome: Outcome, timing: Timing) {
  const layout = layoutOf(plan);
  const file = (name: string): string => join(plan.out, name);
  const files = {
    json: file('results.json'),
    csv: file('results.csv'),
    markdown: file('results.md'),
    timing: file('timing.json'),
  };
  const tables = evaluationMarkdown(outcome.rows, { title: plan.name, layout });
  await writeText(files.json, evaluationJson(outcome, layout));
  await writeText(files.csv, evaluationCsv(outcome.rows, layout));
  await writeText(files.markdown, tables);
  // A run that found everything has no times to tell.
  if (timing.done > 0) await writeText(files.timing, `${JSON.stringify(timing, null, 2)}\n`);
  return { files, tables };
}
