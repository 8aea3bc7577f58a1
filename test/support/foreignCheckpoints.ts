// The files of test/fixtures/make_foreign_checkpoints.py, made once for a test file, and what PyTorch says is in them.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { python } from './python.js';

export interface ExpectedForeign {
  harmless: unknown;
  times: unknown;
  /** Shape and values of each tensor of the network's state. */
  state: Record<string, [number[], number[]]>;
  net: Record<string, number[]>;
  quantized: unknown;
  nested: unknown;
}

/** In a folder of their own, which the caller removes. @param all programs and checkpoints in several files too */
export function foreignCheckpoints({ all = false } = {}): { folder: string; expected: ExpectedForeign } {
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-foreign-'));
  const script = fileURLToPath(new URL('../fixtures/make_foreign_checkpoints.py', import.meta.url));
  execFileSync(python as string, [script, folder, ...(all ? ['all'] : [])], { stdio: ['ignore', 'ignore', 'pipe'] });
  return { folder, expected: JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) };
}
