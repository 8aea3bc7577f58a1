// `isotorch evaluate manifest.yaml`: many networks, sets and detectors from one file. Checks the whole file first; LibTorch is
// not loaded before there is work to do.

import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { Command } from 'commander';
import { renderTiming } from '../../evaluation/execute/timing.js';
import { ManifestError } from '../../evaluation/manifest/mistakes.js';
import { readManifest } from '../../evaluation/manifest/read.js';
import { type Plan, planManifest } from '../../evaluation/plan.js';
import { renderPlan } from '../../evaluation/planText.js';
import type { Failure } from '../../report/types.js';
import { exitCodes, Failed, Interrupted } from '../failure.js';
import { listenForInterrupt } from '../interrupt.js';
import { ProgressPrinter } from '../progress.js';

export interface ManifestFlags {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly device?: string;
}

/** What a manifest says itself, so that an option could only contradict it. */
const said = ['ood', 'score', 'checkpoint', 'weights', 'data', 'model', 'loss', 'classes', 'out'] as const;

export const isManifest = (path: string): boolean => ['.yaml', '.yml'].includes(extname(path).toLowerCase());

/**
 * @throws Failed with exit code 2 after printing the mistakes of a manifest, with 1 after printing what failed; Interrupted
 */
export async function evaluateManifest(path: string, flags: ManifestFlags, command: Command): Promise<void> {
  const given = said.filter((name) => command.getOptionValueSource(name) === 'cli');
  if (given.length > 0)
    command.error(`error: a manifest says itself what to evaluate: leave out --${given.join(', --')}`, {
      exitCode: exitCodes.usage,
    });
  const plan = planManifest(await readManifest(path).catch(refuse));
  if (flags.dryRun) {
    process.stdout.write(flags.json ? `${JSON.stringify(plan, null, 2)}\n` : `${renderPlan(plan)}\n`);
    return;
  }
  await work(plan, flags);
}

async function work(plan: Plan, { json = false, device }: ManifestFlags): Promise<void> {
  const progress = new ProgressPrinter();
  const signal = listenForInterrupt(() => progress.line('Stopping; Ctrl-C again ends at once.'));
  progress.line(`${renderPlan(plan)}\n`);
  const { runManifest } = await import('../../evaluation/execute/execute.js');
  const { outcome, tables, timing, files } = await runManifest(plan, {
    signal,
    device: device as 'cpu' | undefined,
    log: (message) => progress.line(message),
    onProgress: (step) => progress.manifest(step),
  }).catch((error: unknown) => {
    progress.clear();
    if (!signal.aborted) throw error;
    progress.line('Stopped; what is done is kept. The same command goes on.');
    throw new Interrupted();
  });
  progress.clear();
  if (json) process.stdout.write(await readFile(files.json));
  else process.stdout.write(`${tables}\n${renderTiming(timing)}\n`);
  progress.line(`Results: ${files.json}, ${basename(files.csv)}, ${basename(files.markdown)}\nReport:  ${files.html}`);
  tellFailures(outcome.failures, progress);
}

/** Says what failed. @throws Failed with exit code 1 if something did */
export function tellFailures(failures: readonly Failure[], progress: ProgressPrinter): void {
  if (failures.length === 0) return;
  progress.line(`\n${failures.length === 1 ? '1 job' : `${failures.length} jobs`} failed:`);
  for (const { job, code, message, rows } of failures)
    progress.line(`  ${job} (${rows} row${rows === 1 ? '' : 's'} missing): ${code}: ${message}`);
  throw new Failed(exitCodes.error);
}

function refuse(error: unknown): never {
  if (!(error instanceof ManifestError)) throw error;
  const { length } = error.mistakes;
  process.stderr.write(`${error.message}\n\n${length} mistake${length === 1 ? '' : 's'}; nothing was run.\n`);
  throw new Failed(exitCodes.usage);
}
