// `isotorch score`: lines that say what was decided and why, exit codes that scripts can branch on, a stream that neither waits
// nor hoards, and files that are wrong.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveSafetensors } from '../lib/checkpoint/index.js';
import { batched } from '../lib/cli/inputs.js';
import * as data from '../lib/data/index.js';
import * as ood from '../lib/ood/index.js';
import { tidy, torch } from '../lib/tensor/index.js';
import { isotorch } from './support/cli.js';

interface Line {
  file: string;
  row?: number;
  label: string | null;
  probability: number | null;
  score: number | null;
  accepted: boolean;
  why: string;
  error?: string;
}

let folder: string;
let names: string[];
let unknown: string[];
const linesOf = (stdout: string): Line[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
const score = (args: readonly string[], options: Parameters<typeof isotorch>[1] = {}) =>
  isotorch(['score', ...args], { cwd: folder, ...options });
const device = ['--device', 'cpu'];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-score-'));
  mkdirSync(join(folder, 'images'));
  const train = ['train', '--data', 'digits', '--validation', '0.2', '--epochs', '3', '--batch-size', '32', ...device];
  const trained = await isotorch([...train, '--out', 'run'], { cwd: folder });
  expect(trained.code, trained.stderr).toBe(0);
  const { test } = await data.digits();
  const pixels = test.images.toArraySync() as Uint8Array;
  names = Array.from({ length: 12 }, (_, i) => join('images', `digit-${String(i).padStart(2, '0')}.png`));
  names.forEach((name, i) => {
    const png = { width: 8, height: 8, channels: 1, data: pixels.slice(i * 64, (i + 1) * 64) };
    writeFileSync(join(folder, name), encode(png));
  });
  // Colour and another size: made to fit the network.
  const random = new data.SeededRandom('noise', 3);
  unknown = Array.from({ length: 10 }, (_, i) => join('images', `noise-${i}.png`));
  for (const name of unknown) {
    const noise = random.fill(new Uint8Array(3 * 10 * 12));
    writeFileSync(join(folder, name), encode({ width: 10, height: 12, channels: 3, data: noise }));
  }
  writeFileSync(join(folder, 'text.png'), 'no image');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a run', () => {
  it('gets its guard at first use, and judges images in order', async () => {
    const first = await score(['run', ...names, ...unknown, ...device, '--batch-size', '5']);
    expect(first.stderr).toMatch(/Fitting the threshold on the run's validation images/);
    const lines = linesOf(first.stdout);
    expect(lines.map(({ file }) => file)).toEqual([...names, ...unknown]);
    expect(Object.keys(lines[0]!)).toEqual(['file', 'label', 'probability', 'score', 'accepted', 'why']);
    const [digits, noise] = [lines.slice(0, 12), lines.slice(12)];
    expect(digits.filter(({ accepted }) => accepted).length).toBeGreaterThanOrEqual(9);
    const rejected = noise.filter(({ accepted }) => !accepted);
    expect(rejected.length).toBeGreaterThanOrEqual(1); // three epochs make no good detector; the figures are not the point
    for (const { why } of rejected) expect(why).toBe('entropy above the threshold that keeps 95 % of known images');
    expect(first.code).toBe(1);

    const guard = await ood.Guard.load(join(folder, 'run', 'guard.safetensors'));
    expect(guard.threshold).toMatchObject({ n: 287, accept: 0.95, warning: null });
    for (const { score: value, accepted } of lines) expect(value! >= guard.threshold.value).toBe(accepted);
    const { test } = await data.digits();
    const right = digits.filter(({ label }, i) => label === String(test.labelArray()[i])).length;
    expect(right).toBeGreaterThanOrEqual(10);

    const again = await score(['run', ...names, ...unknown, ...device, '--batch-size', '5']);
    expect(again).toEqual({ ...first, stderr: '' });

    const accepted = digits.filter((line) => line.accepted).map(({ file }) => file);
    const all = await score(['run', ...accepted, ...device]);
    expect(all).toMatchObject({ code: 0, stderr: '' });
  });

  it('goes on after files that are no images, and ends with 2', async () => {
    const { code, stdout, stderr } = await score(['run', names[0]!, 'none.png', 'text.png', names[1]!, ...device]);
    const lines = linesOf(stdout);
    expect(lines.map(({ file }) => file)).toEqual([names[0], 'none.png', 'text.png', names[1]]);
    expect(lines[1]).toMatchObject({ label: null, score: null, accepted: false, error: 'ERR_FILE', why: /none\.png/ });
    expect(lines[2]).toMatchObject({ accepted: false, error: 'ERR_FORMAT', why: /expected a PNG image/ });
    expect(lines[3]!.score).not.toBeNull();
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
  });

  it('judges IDX files row by row', async () => {
    const { test } = await data.digits();
    const header = Buffer.alloc(16);
    header.set([0, 0, 8, 3]);
    for (const [i, size] of [150, 8, 8].entries()) header.writeUInt32BE(size, 4 + 4 * i);
    const pixels = (test.images.toArraySync() as Uint8Array).subarray(0, 150 * 64);
    writeFileSync(join(folder, 'some-idx3-ubyte'), Buffer.concat([header, pixels]));
    const { code, stdout } = await score(['run', 'some-idx3-ubyte', ...device]);
    const lines = linesOf(stdout);
    expect(lines.map(({ row }) => row)).toEqual(Array.from({ length: 150 }, (_, i) => i));
    const share = lines.filter(({ accepted }) => accepted).length / 150;
    expect(share).toBeGreaterThan(0.85); // the interval of the threshold, and what 150 images add
    expect(code).toBe(1);
  });

  it('refuses a guard for something else, and fits anew when told to', async () => {
    cpSync(join(folder, 'run'), join(folder, 'copy'), { recursive: true });
    const other = await score(['copy', names[0]!, '--accept', '0.8', ...device]);
    expect(other).toMatchObject({ code: 2, stdout: '' });
    expect(other.stderr).toMatch(/ERR_ARGUMENT: .*accepts 0\.95.*0\.8 is asked for\. --refit/);
    const refit = await score(['copy', names[0]!, '--accept', '0.8', '--score', 'mds', '--refit', ...device]);
    expect(refit.stderr).toMatch(/Fitting/);
    expect((await ood.Guard.load(join(folder, 'copy', 'guard.safetensors'))).threshold.accept).toBe(0.8);

    cpSync(join(folder, 'run', 'checkpoints', 'best.pt'), join(folder, 'copy', 'checkpoints', 'last.pt'));
    writeFileSync(join(folder, 'copy', 'checkpoints', 'last.pt'), 'changed', { flag: 'a' });
    const stale = await score(['copy', names[0]!, ...device]);
    expect(stale.code).toBe(2);
    expect(stale.stderr).toMatch(/ERR_STATE_DICT: .*fitted to other weights.*--refit/);
  });
});

describe('--score', () => {
  beforeAll(() => cpSync(join(folder, 'run'), join(folder, 'scores'), { recursive: true }));
  const refit = (name: string) => score(['scores', ...names, ...device, '--refit', '--score', name]);

  it.each(['mahalanobis', 'mds+react', 'odin', 'knn'])('%s is fitted on the run’s own images', async (name) => {
    const fresh = await refit(name);
    const lines = linesOf(fresh.stdout);
    expect(lines.filter(({ accepted }) => accepted).length).toBeGreaterThanOrEqual(8);
    expect(lines[0]!.why).toContain(`score ${name} at least`);
    expect(fresh.stderr.includes(`Fitting ${name} on the run's training images`)).toBe(name !== 'odin');
    const guard = await ood.Guard.load(join(folder, 'scores', 'guard.safetensors'));
    expect(guard.detector.name).toBe(name);
    if (name === 'odin') expect(guard.detector.settings).toMatchObject({ std: guard.normalize!.std });
    guard.dispose();
    expect(await score(['scores', ...names, ...device])).toEqual({ ...fresh, stderr: '' });
  });

  it.each([
    ['vim', /distance head/],
    ['kl-matching', /learns from held-out images, and those of a run are for the threshold/],
  ])('%s is refused with a reason', async (name, why) => {
    expect(await refit(name)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(why) });
  });
});

describe('a stream', () => {
  it('answers each path on standard input before the next one comes', async () => {
    let sent = 0;
    const { code, stdout } = await score(['run', '-', ...device], {
      onStart: (child) => child.stdin.write(`${names[sent++]}\n`),
      onOutput: (text, child) => {
        if (text.split('\n').length - 1 < sent) return;
        if (sent < 4) child.stdin.write(`${names[sent++]}\n`);
        else child.stdin.end();
      },
    });
    expect(linesOf(stdout).map(({ file }) => file)).toEqual(names.slice(0, 4));
    expect([0, 1]).toContain(code);
  });

  it('ends at once on Ctrl-C while it waits for input', async () => {
    const { code, stderr } = await score(['run', '-', ...device], {
      onStart: (child) => child.stdin.write(`${names[0]}\n`),
      onOutput: (_, child) => child.kill('SIGINT'),
    });
    expect(code).toBe(130);
    expect(stderr).toMatch(/^Stopping/);
  });

  it('ends quietly with 2 when nobody reads on', async () => {
    using logits = tidy(() => torch.zeros([200_000, 3])).keep();
    await saveSafetensors(join(folder, 'many.safetensors'), { logits });
    const guard = await ood.fitThresholdFromArrays(ood.arrays({ logits }), { score: ood.entropic() });
    await guard.save(join(folder, 'arrays.safetensors'));
    const whole = await score(['--guard', 'arrays.safetensors', 'many.safetensors']);
    expect(whole).toMatchObject({ code: 0, stderr: '' });
    expect(linesOf(whole.stdout).at(-1)).toMatchObject({ row: 199_999, accepted: true });
    const closed = await score(['--guard', 'arrays.safetensors', 'many.safetensors'], {
      onOutput: (_, child) => child.stdout.destroy(),
    });
    expect(closed).toMatchObject({ code: 2, stderr: '' });
  });

  it('makes batches of what is there', async () => {
    async function* source() {
      for (let i = 0; i < 5; i++) yield i;
      await new Promise((resolve) => setTimeout(resolve, 200));
      yield 5;
    }
    const batches: number[][] = [];
    for await (const batch of batched(source(), 3)) batches.push(batch);
    expect(batches).toEqual([[0, 1, 2], [3, 4], [5]]);
  });
});

describe('trouble', () => {
  it.each<[string[], RegExp]>([
    [[], /missing required argument/],
    [['run'], /name files to judge/],
    [['run', 'a.png', '--weights', 'x.pt'], /--weights goes with --guard/],
    [['--guard', 'g.safetensors', 'a.png', '--accept', '0.9'], /the one of --guard is as it is/],
    [['run', 'a.png', '--score', 'odn'], /Unknown detector "odn": did you mean odin\? \(there are mps, es, mds/],
    [['run', 'a.png', '--accept', '1.5'], /fraction/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await score(args, { env: { LIBTORCH: '/nowhere' } });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('ends with 2 where there is no run, no guard, or a guard that judges no images', async () => {
    const [none, text, arrays] = await Promise.all([
      score(['nowhere', 'a.png']),
      score(['--guard', 'text.png', 'a.png']),
      score(['--guard', 'arrays.safetensors', names[0]!]),
    ]);
    expect(none).toMatchObject({ code: 2, stdout: '', stderr: /^isotorch: ERR_FILE: .*nowhere.*\nNext: / });
    expect(text).toMatchObject({ code: 2, stdout: '', stderr: /ERR_FORMAT/ });
    expect(arrays.code).toBe(2);
    expect(linesOf(arrays.stdout)[0]).toMatchObject({ accepted: false, error: 'ERR_ARGUMENT', why: /arrays only/ });
  });

  it('takes a guard apart from its run, with the weights it was fitted to', async () => {
    const weights = ['--weights', 'run/checkpoints/last.pt'];
    const args = ['--guard', 'run/guard.safetensors', '--model', 'convnet', '--loss', 'isomax', ...device];
    const [own, run] = await Promise.all([score([...args, ...weights, ...names]), score(['run', ...names, ...device])]);
    expect(own.stdout).toBe(run.stdout);
    expect(own.code).toBe(run.code);
    const text = readFileSync(join(folder, 'run', 'guard.safetensors'), 'latin1');
    expect(text).toMatch(/isotorch detector.*guard\.threshold/s);
  });
});
