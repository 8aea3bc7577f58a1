// Saves again and again onto a small disk of its own, each time with another number of bytes left: run by
// test/50-checkpoint-saving.test.ts in a namespace of its own. Prints one line of JSON: what came of each try.

import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { loadSafetensors, loadTorch, saveSafetensors, saveTorch } from '../../lib/checkpoint/index.js';
import { IsotorchError } from '../../lib/errors.js';
import { type Tensor, tidy, torch } from '../../lib/tensor/index.js';

const [folder, tries] = process.argv.slice(2) as [string, string];
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder], { encoding: 'utf8' });
if (mounted.status !== 0) throw new Error(mounted.stderr);

/** 3 MiB and more, of which the last number tells the version too. */
const make = (version: number) =>
  new Map<string, Tensor>([
    ['large', torch.full([800_000], version, { dtype: 'float32' })],
    ['small', torch.full([10], version)],
  ]);
const versionOf = (loaded: ReadonlyMap<string, Tensor>): number =>
  tidy(() => {
    const [large, small] = [loaded.get('large')!, loaded.get('small')!];
    const version = small.amin().item();
    return large.eq(version).all().item() && small.eq(version).all().item() ? version : Number.NaN;
  });
const formats = [
  { path: join(folder, 'x.pt'), save: saveTorch, load: (path: string) => loadTorch<Map<string, Tensor>>(path) },
  { path: join(folder, 'x.safetensors'), save: saveSafetensors, load: (path: string) => loadSafetensors(path) },
];

const outcomes: { version: number; failed: string | null; loaded: number; left: string[] }[] = [];
for (const { path, save, load } of formats) {
  let version = 0;
  await save(path, make(version));
  for (let i = 0; i < Number(tries); i++) {
    const { bavail, bsize } = await statfs(folder);
    // From nothing at all to a little more than is needed.
    const room = Math.round((i / Number(tries)) * 4e6);
    writeFileSync(join(folder, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - room)));
    const failed = await save(path, make(version + 1)).then(
      () => null,
      (error: unknown) => (error instanceof IsotorchError ? `${error.code} ${error.message}` : String(error)),
    );
    const loaded = versionOf(await load(path));
    rmSync(join(folder, 'filler'));
    outcomes.push({ version, failed, loaded, left: readdirSync(folder).filter((name) => name.includes('tmp')) });
    if (failed === null) version++;
  }
}
console.log(JSON.stringify(outcomes));
