// `isotorch evaluate manifest.yaml`: many networks, sets and detectors from one file. Checks the whole file first; LibTorch is
// not loaded before there is work to do.

import { extname } from 'node:path';
import type { Command } from 'commander';
import { ManifestError } from '../../evaluation/manifest/mistakes.js';
import { readManifest } from '../../evaluation/manifest/read.js';
import { planManifest } from '../../evaluation/plan.js';
import { renderPlan } from '../../evaluation/planText.js';
import { exitCodes, Failed } from '../failure.js';

export interface ManifestFlags {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** What a manifest says itself, so that an option could only contradict it. */
const said = ['ood', 'score', 'checkpoint', 'weights', 'data', 'model', 'loss', 'classes', 'out'] as const;

export const isManifest = (path: string): boolean => ['.yaml', '.yml'].includes(extname(path).toLowerCase());

/** @throws Failed with exit code 2 after printing the mistakes of a manifest */
export async function evaluateManifest(path: string, flags: ManifestFlags, command: Command): Promise<void> {
  const given = said.filter((name) => command.getOptionValueSource(name) === 'cli');
  if (given.length > 0)
    command.error(`error: a manifest says itself what to evaluate: leave out --${given.join(', --')}`, {
      exitCode: exitCodes.usage,
    });
  if (!flags.dryRun)
    command.error('error: a manifest can be checked and planned: add --dry-run', { exitCode: exitCodes.usage });
  const plan = planManifest(await readManifest(path).catch(refuse));
  process.stdout.write(flags.json ? `${JSON.stringify(plan, null, 2)}\n` : `${renderPlan(plan)}\n`);
}

function refuse(error: unknown): never {
  if (!(error instanceof ManifestError)) throw error;
  const { length } = error.mistakes;
  process.stderr.write(`${error.message}\n\n${length} mistake${length === 1 ? '' : 's'}; nothing was run.\n`);
  throw new Failed(exitCodes.usage);
}
