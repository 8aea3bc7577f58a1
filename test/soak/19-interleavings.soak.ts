// Ten thousand interleavings of what reads asynchronously and what writes.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { it } from 'vitest';
import { loadScript } from '../../lib/rooms.js';
import { interleave } from '../support/interleavings.js';
import { python } from '../support/python.js';

const runs = Number(process.env.ISOTORCH_SOAK_TRIES ?? 20) * 500;

it(`interleavings (${runs}): values are those at the call`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-interleavings-'));
  try {
    const maker = fileURLToPath(new URL('../fixtures/make_loops.py', import.meta.url));
    if (python) execFileSync(python, [maker, folder], { stdio: 'pipe' });
    const script = python ? await loadScript(join(folder, 'adds.pt')) : undefined;
    for (let seed = 1000; seed < 1000 + runs; seed++) await interleave(seed, folder, script);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
