// What the bundle is for, played here: unpacked into an empty directory, with no HOME and a PATH that holds nothing but the
// tools that docs/bundle.md names, it builds the addon, passes its tests and measures (without a GPU: the miniature).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, expect } from 'vitest';
import type { Row } from '../../benchmarks/compare.js';
import { makeBundle, unpack } from '../support/bundle.js';
import { python } from '../support/python.js';
import { needs } from '../support/skip.js';

/** The compiler's driver calls the last two. */
const tools = ['cmake', 'ninja', 'g++', 'as', 'ld'];
const found = tools.map((tool) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => real(join(folder, tool)))
    .at(0),
);

const folder = mkdtempSync(join(tmpdir(), 'isotorch-bundle-soak-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { it } = needs(python && !found.includes(undefined), `a Python with torch, and ${tools.join(', ')}`);
it('the bundle builds, passes its tests and measures in an empty directory', async () => {
  const archive = join(folder, 'bundle.tar.gz');
  makeBundle(archive);
  const top = unpack(archive, join(folder, 'unpacked'));
  const [path, empty] = [join(folder, 'bin'), join(folder, 'empty')] as const;
  for (const place of [path, empty]) mkdirSync(place);
  for (const [i, tool] of tools.entries()) symlinkSync(found[i]!, join(path, tool));

  const child = spawn(join(top, 'run.sh'), ['all', '--python', python!, '--jobs', '2'], {
    cwd: empty,
    env: { PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      process.stdout.write(text);
    });
  }
  const [code] = await once(child, 'close');
  expect(code, output).toBe(0);
  expect(output).toMatch(/^ {2}addon +built for LibTorch 2\./m);
  expect(output).toMatch(/^\d{3,} passed, 0 failed, \d+ skipped$/m);
  expect(readdirSync(empty)).toEqual([]);

  const result = (name: string) => JSON.parse(readFileSync(join(top, 'results', name), 'utf8'));
  expect(result('environment.json')).toMatchObject({ addon: { loads: true }, problems: [] });
  const { numPassedTests, numFailedTests } = result('tests.json');
  expect(numPassedTests).toBeGreaterThan(500);
  expect(numFailedTests).toBe(0);
  const rows: Row[] = result('gpu.json');
  expect(rows.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^train-\d+-vs-eager$/),
      expect.stringMatching(/^infer-\d+-vs-eager$/),
    ]),
  );
  for (const { ours, n } of rows) expect(ours > 0 && n > 0).toBe(true);
  expect(rows.every(({ peer, name }) => peer !== null || /^(idle|peak)/.test(name))).toBe(true); // that Python measured beside it
});

/** The file itself: g++ looks for its parts where it really lies. */
function real(file: string): string[] {
  try {
    return [realpathSync(file)];
  } catch {
    return []; // not in this folder
  }
}
