// Run directories: one owner at a time, also after a crash; nothing of the user's is deleted; what a crash cut off is not met.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EpochRecord, RunDirectory } from '../lib/training/runDirectory.js';
import { needs } from './support/skip.js';

let folder: string;
let out: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-run-'));
  out = join(folder, 'a', 'run');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const record = (epoch: number): EpochRecord => ({
  epoch,
  loss: 1 / epoch,
  accuracy: 0.5,
  learningRate: 0.1,
  seconds: 1,
  imagesPerSecond: 10,
});
const lockFile = () => join(out, 'run.lock');
const refused = (pattern: RegExp) =>
  expect.objectContaining({ code: 'ERR_FILE', message: expect.stringMatching(pattern) as string });

describe('RunDirectory', () => {
  it('writes settings and metrics and reads them again', () => {
    using run = RunDirectory.create(out);
    run.writeConfig({ a: { b: [1, null, 'c'] } });
    for (let epoch = 1; epoch <= 3; epoch++) run.appendEpoch(record(epoch));
    const read = RunDirectory.open(out); // reading needs no lock
    expect(read.config()).toEqual({ a: { b: [1, null, 'c'] } });
    expect(read.epochs()).toEqual([record(1), record(2), record(3)]);
    expect(read.hasCheckpoint('last')).toBe(false);
  });

  it('leaves half a line of metrics out, and drops epochs that were not saved', () => {
    using run = RunDirectory.create(out);
    run.writeConfig({});
    for (let epoch = 1; epoch <= 3; epoch++) run.appendEpoch(record(epoch));
    appendFileSync(run.file('metrics.jsonl'), '{"epoch":4,"lo');
    expect(run.epochs()).toHaveLength(3);
    expect(run.keepEpochs(2)).toEqual([record(1), record(2)]);
    run.appendEpoch(record(3));
    expect(run.epochs()).toEqual([record(1), record(2), record(3)]);
  });

  it('starts afresh when asked to, and deletes nothing but its own files', () => {
    const first = RunDirectory.create(out);
    first.writeConfig({ old: true });
    first.appendEpoch(record(1));
    first.makeCheckpointFolder();
    writeFileSync(first.checkpoint('last'), 'weights');
    writeFileSync(first.file('results.json'), '{}');
    writeFileSync(first.file('notes.md'), 'mine');
    first.close();
    expect(() => RunDirectory.create(out)).toThrow(refused(/holds a run already/));
    expect(RunDirectory.open(out).config()).toEqual({ old: true });
    using again = RunDirectory.create(out, { overwrite: true });
    expect(existsSync(again.file('config.json'))).toBe(false);
    expect(existsSync(again.file('results.json'))).toBe(false);
    expect(again.epochs()).toEqual([]);
    expect(again.hasCheckpoint('last')).toBe(false);
    expect(readFileSync(again.file('notes.md'), 'utf8')).toBe('mine');
  });

  it('says what is wrong with a path', () => {
    expect(() => RunDirectory.open(out)).toThrow(refused(/config\.json.*found none/));
    expect(() => RunDirectory.resume(out)).toThrow(refused(/found none/));
    expect(existsSync(out)).toBe(false);
    writeFileSync(join(folder, 'file'), '');
    expect(() => RunDirectory.create(join(folder, 'file', 'run'))).toThrow(refused(/Cannot make the run directory/));
    expect(() => RunDirectory.create('')).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    const run = RunDirectory.create(out);
    run.writeConfig({});
    run.close();
    writeFileSync(join(out, 'config.json'), '[1]');
    expect(() => RunDirectory.open(out).config()).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
    writeFileSync(join(out, 'config.json'), '{"a"');
    expect(() => RunDirectory.open(out).config()).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
  });
});

describe('the lock', () => {
  const ownedBy = (owner: Record<string, unknown>) => {
    RunDirectory.create(out).close();
    writeFileSync(lockFile(), JSON.stringify(owner));
  };
  /** A process that lives until it is killed. */
  const living = (): ChildProcess =>
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const end = async (child: ChildProcess) => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };

  it('keeps a second owner out of the directory, and lets it in afterwards', () => {
    const first = RunDirectory.create(out);
    expect(() => RunDirectory.create(out, { overwrite: true })).toThrow(
      refused(/in use by process \d+ on .*run\.lock/s),
    );
    first.close();
    first.close(); // harmless
    using second = RunDirectory.create(out, { overwrite: true });
    expect(existsSync(lockFile())).toBe(true);
    first.close(); // must not take the second owner's lock away
    expect(existsSync(lockFile())).toBe(true);
    expect(second.path).toBe(out);
  });

  it('is respected while its process lives, and taken over when it has ended', async () => {
    const child = living();
    ownedBy({ pid: child.pid, host: hostname(), since: 'now' });
    expect(() => RunDirectory.create(out)).toThrow(refused(new RegExp(`process ${child.pid}`)));
    await end(child);
    using run = RunDirectory.create(out);
    expect(JSON.parse(readFileSync(lockFile(), 'utf8')).pid).toBe(process.pid);
    expect(run.path).toBe(out);
  });

  it.each([0, -1, 1.5])('of process %s, which none has, is stale', (pid) => {
    ownedBy({ pid, host: hostname(), since: 'never' });
    using run = RunDirectory.create(out);
    expect(JSON.parse(readFileSync(lockFile(), 'utf8')).pid).toBe(process.pid);
    expect(run.path).toBe(out);
  });

  it('shows no control characters of its owner', () => {
    ownedBy({ pid: 1, host: 'a\u001b[31mred\u202e', since: 'now' });
    expect(() => RunDirectory.create(out)).toThrow(refused(/on a�\[31mred� \(since/));
  });

  it('is not taken over from another machine, whose processes cannot be seen', () => {
    ownedBy({ pid: 1, host: `not-${hostname()}`, since: 'yesterday' });
    expect(() => RunDirectory.create(out)).toThrow(refused(/delete .*run\.lock/));
  });

  needs(process.platform === 'linux', 'Linux, which tells when a process started').it(
    'is taken over when another process has got the old number',
    async () => {
      const child = living();
      ownedBy({ pid: child.pid, host: hostname(), started: '1', since: 'long ago' });
      RunDirectory.create(out).close();
      await end(child);
    },
  );

  it('that is half written belongs to a process just starting, or to one that died long ago', () => {
    RunDirectory.create(out).close();
    writeFileSync(lockFile(), '{"pid"');
    expect(() => RunDirectory.create(out)).toThrow(refused(/just starting/));
    const old = Date.now() / 1000 - 60;
    utimesSync(lockFile(), old, old);
    RunDirectory.create(out).close();
    expect(existsSync(lockFile())).toBe(false);
  });

  it('goes with its process, even when that forgets to close', async () => {
    const code = `
      const { RunDirectory } = await import(${JSON.stringify(new URL('../lib/training/runDirectory.ts', import.meta.url).href)});
      const run = RunDirectory.create(process.argv[1]);
      process.stdout.write(run.path);`;
    const child = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code, out],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let printed = '';
    child.stdout.on('data', (text: Buffer) => {
      printed += text;
    });
    const [exitCode] = await once(child, 'close');
    expect(exitCode).toBe(0);
    expect(printed).toBe(out);
    expect(existsSync(lockFile())).toBe(false);
  });

  it('goes to one of many that want it at once', async () => {
    ownedBy({ pid: 2 ** 22 + 1, host: hostname(), since: 'a crash' }); // stale: above Linux's largest process number
    const code = `
      const { RunDirectory } = await import(${JSON.stringify(new URL('../lib/training/runDirectory.ts', import.meta.url).href)});
      process.stdin.once('data', () => {
        try {
          RunDirectory.create(process.argv[1]);
          process.stdout.write('mine');
        } catch (error) {
          process.stdout.write(error.code);
        }
      });
      process.stdout.write('ready ');`;
    const children = Array.from({ length: 4 }, () => {
      const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code, out];
      return spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    });
    const say = async (child: (typeof children)[number]) => String((await once(child.stdout, 'data'))[0]);
    expect(await Promise.all(children.map(say))).toEqual(children.map(() => 'ready '));
    const answers = children.map(say);
    for (const child of children) child.stdin.write('go\n');
    expect((await Promise.all(answers)).sort()).toEqual(['ERR_FILE', 'ERR_FILE', 'ERR_FILE', 'mine']);
    for (const child of children) child.stdin.end(); // only now may the owner end
    await Promise.all(children.map((child) => once(child, 'close')));
  });
});
