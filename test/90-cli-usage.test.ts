// The command line as a person meets it first: help that teaches, without LibTorch; wrong usage; errors with a code and a
// next step; exit codes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classList, positive, share, whole } from '../lib/cli/arguments.js';
import { makeProgram } from '../lib/cli/program.js';
import { spinBriefly } from '../lib/cli/threads.js';
import { isotorch } from './support/cli.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Nothing that loads LibTorch can work so. */
const noLibTorch = { LIBTORCH: '/nowhere' };

describe('help', () => {
  it.each(['train', 'evaluate', 'score', 'inspect', 'convert', 'data', 'doctor', 'quickstart'])(
    'of %s says what it does and shows two examples',
    (name) => {
      const command = makeProgram().commands.find((each) => each.name() === name)!;
      let text = '';
      command.configureOutput({ writeOut: (part) => (text += part) });
      expect(() => command.parse(['--help'], { from: 'user' })).toThrow(expect.objectContaining({ exitCode: 0 }));
      expect(text).toMatch(/^Usage: isotorch /);
      expect(text.match(/^ {2}\$ .*isotorch /gm)!.length).toBeGreaterThanOrEqual(2);
      for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(110);
      expect(command.description()).toMatch(/[.?]$/);
    },
  );

  it('and version need no LibTorch', async () => {
    const [help, version] = await Promise.all([
      isotorch(['--help'], { env: noLibTorch }),
      isotorch(['--version'], { env: noLibTorch }),
    ]);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/quickstart.*train.*evaluate.*data.*doctor.*Exit codes: 0 .*1 .*2 .*130/s);
    expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
  });
});

describe('wrong usage', () => {
  it.each<[string[], RegExp]>([
    [['trian'], /unknown command 'trian'.*train/s],
    [['train'], /--out/],
    [['train', '--out', 'x', '--loss', 'hinge'], /'hinge' is invalid.*softmax, isomax, isomaxplus/s],
    [['train', '--out', 'x', '--epochs', '0'], /whole number of 1 or more/],
    [['evaluate'], /run directory or --weights/],
    [['inspect'], /missing required argument 'file'/],
    [['convert', 'a.pt', 'b.pt', '--rename', 'module.'], /old=new, such as 'module\.='/],
    [['convert', 'a.pt', 'b.pt', '--dtype', 'int8'], /float32, float16, bfloat16/],
    [['data', 'get', 'imagenet'], /fashion-mnist, mnist/],
  ])('%j ends with code 2 and says what was expected', async (args, message) => {
    const { code, stdout, stderr } = await isotorch(args, { cwd: folder, env: noLibTorch });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^Next: /m);
  });

  it('no command at all shows the help and is wrong usage', async () => {
    const { code, stderr } = await isotorch([]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^Usage: isotorch/);
  });
});

describe('errors', () => {
  it('show code, message and next step, and the stack only when asked for', async () => {
    const args = ['evaluate', join(folder, 'none')];
    const [plain, verbose, debug] = await Promise.all([
      isotorch(args),
      isotorch([...args, '--verbose']),
      isotorch(args, { env: { ISOTORCH_DEBUG: '1' } }),
    ]);
    expect(plain.code).toBe(1);
    expect(plain.stdout).toBe('');
    expect(plain.stderr).toMatch(/^isotorch: ERR_FILE: Expected a run directory .*none.*\nNext: .*\n$/);
    for (const { code, stderr } of [verbose, debug]) {
      expect(code).toBe(1);
      expect(stderr).toMatch(/^ {4}at .*experiment/m);
    }
  });

  it('name what is not installed and how to get it', async () => {
    const { code, stderr } = await isotorch(['data'], { env: noLibTorch });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^isotorch: ERR_LIBTORCH_NOT_FOUND: .*\/nowhere/);
    expect(stderr).toMatch(/^Next: .*setup/m);
  });

  it('tell of files that are something else', async () => {
    const file = join(folder, 'text.pt');
    writeFileSync(file, 'no checkpoint');
    const { code, stderr } = await isotorch(['evaluate', '--weights', file, '--data', 'digits', '--ood', 'noise']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^isotorch: ERR_FORMAT: .*text\.pt/);
  });
});

describe('arguments', () => {
  it('are numbers within their range', () => {
    expect(whole(1)('12')).toBe(12);
    expect(whole(0)('0')).toBe(0);
    for (const text of ['0', '-1', '1.5', '', ' ', 'x', '1e400'])
      expect(() => whole(1)(text), text).toThrow(/1 or more/);
    expect(positive('1e-3')).toBe(0.001);
    for (const text of ['0', '-1', '', 'NaN', 'Infinity']) expect(() => positive(text), text).toThrow(/above 0/);
    expect([share('0'), share('0.25')]).toEqual([0, 0.25]);
    for (const text of ['1', '-0.1', '', '5%']) expect(() => share(text), text).toThrow(/fraction/);
  });

  it('are classes, listed or in ranges', () => {
    expect(classList('0-6')).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(classList('1,3, 5-6,3')).toEqual([1, 3, 5, 6]);
    for (const text of ['', '6-0', 'a', '1,,2', '-1', '1-']) expect(() => classList(text), text).toThrow(/0-6/);
  });
});

describe('idle threads', () => {
  it('spin briefly unless the person has chosen', () => {
    const after = (environment: NodeJS.ProcessEnv) => {
      spinBriefly(environment);
      return environment;
    };
    expect(after({})).toEqual({ GOMP_SPINCOUNT: '3000' });
    expect(after({ GOMP_SPINCOUNT: '7' })).toEqual({ GOMP_SPINCOUNT: '7' });
    expect(after({ OMP_WAIT_POLICY: 'ACTIVE' })).toEqual({ OMP_WAIT_POLICY: 'ACTIVE' });
  });
});
