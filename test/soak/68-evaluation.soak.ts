// An evaluation of 3 checkpoints against 6 unknown sets with 20 detectors that is killed twenty times at random moments, and
// goes on each time, ends with the bytes of one that was left alone.

import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isotorch } from '../support/cli.js';
import { killRepeatedly, productsIn } from '../support/kills.js';
import { makeStudy } from '../support/study.js';

const kills = Math.ceil(20 * Number(process.env.ISOTORCH_SOAK ?? 1));
const detectors = [
  ...['mps', 'es', 'mds', 'mmles', 'mls', 'energy', 'gen', 'scaled-mps', 'gradnorm', 'dice', 'mahalanobis', 'rmds'],
  ...['knn: { k: 5 }', 'vim', 'residual', 'fdbd', 'nci', 'odin', 'gram', 'energy+react'],
];

it(`${kills} kills of an evaluation change nothing`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-kills-'));
  try {
    const more = 'profile: openood-1.5\nbootstrap: { resamples: 100 }\n';
    const losses = ['softmax', 'softmax', 'softmax'] as const;
    const manifest = await makeStudy(folder, { losses, unknown: 5, detectors, more });
    const out = join(folder, 'out');
    const whole = join(folder, 'whole');
    const run = () => isotorch(['evaluate', manifest]);
    expect(await run()).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')).results).toHaveLength(3 * 6 * 20);
    const total = productsIn(out).length;
    renameSync(out, whole);

    const lives = await killRepeatedly(manifest, out, kills, total);
    console.log(`${lives.length} kills, of ${total} products were there: ${lives.join(', ')}`);
    expect(await run()).toMatchObject({ code: 0 });
    for (const name of ['results.json', 'results.csv', 'results.md'])
      expect(readFileSync(join(out, name)).equals(readFileSync(join(whole, name))), name).toBe(true);
    expect(productsIn(out)).toHaveLength(total);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
