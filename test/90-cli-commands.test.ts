// The commands at work on the digits: train, stop, go on, evaluate, list, examine. Results on standard output, all else on
// standard error.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isotorch } from './support/cli.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-commands-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const digits = ['--data', 'digits', '--batch-size', '32', '--device', 'cpu'];

describe('train and evaluate', () => {
  it('train a run, measure it, and print JSON when asked to', async () => {
    const train = [
      'train',
      ...digits,
      '--classes',
      '0-6',
      '--epochs',
      '3',
      '--augment',
      'crop',
      '--out',
      'run',
      '--json',
    ];
    const trained = await isotorch(train, { cwd: folder });
    expect(trained.stderr).toMatch(/^epoch 3\/3 {2}loss .* validation /m);
    expect(trained.code).toBe(0);
    const result = JSON.parse(trained.stdout);
    expect(result).toMatchObject({ out: 'run', stopped: false });
    expect(result.epochs).toHaveLength(3);

    const taken = await isotorch(train, { cwd: folder });
    expect(taken.code).toBe(1);
    expect(taken.stderr).toMatch(/ERR_FILE: run holds a run already/);

    const [table, json] = await Promise.all([
      isotorch(['evaluate', 'run', '--ood', 'held-out', '--score', 'es'], { cwd: folder }),
      isotorch(['evaluate', 'run', '--ood', 'held-out', 'noise', '--json', '--out', 'elsewhere'], { cwd: folder }),
    ]);
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/Known: digits.*Unknown: held-out.*IsoMax +es/s);
    expect(table.stderr).toMatch(/Report: {2}run\/report\.html/);
    expect(json.code).toBe(0);
    const { environment, results } = JSON.parse(json.stdout);
    expect(environment.libtorch).toMatch(/^2\./);
    expect(results).toHaveLength(9);
    expect(results).toEqual(JSON.parse(readFileSync(join(folder, 'elsewhere', 'results.json'), 'utf8')).results);
    expect(existsSync(join(folder, 'run', 'report.html'))).toBe(true);
  });

  it('stop at a step on Ctrl-C, save, tell how to go on, and go on to the same weights', async () => {
    const command = ['train', ...digits, '--epochs', '15', '--out', 'stopped run'];
    const stopped = await isotorch(command, {
      cwd: folder,
      onError: (stderr, child) => {
        if (/epoch 2\/15/.test(stderr) && !/Stopping/.test(stderr)) child.kill('SIGINT');
      },
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toBe('');
    expect(stopped.stderr).toMatch(/Stopping after this step; Ctrl-C again ends at once/);
    const told = /^ {2}isotorch (train .* --resume)$/m.exec(stopped.stderr)![1]!;
    expect(told).toBe("train --data digits --batch-size 32 --device cpu --epochs 15 --out 'stopped run' --resume");
    const done = readFileSync(join(folder, 'stopped run', 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n').length;
    expect(done).toBeLessThan(15);
    expect(existsSync(join(folder, 'stopped run', 'run.lock'))).toBe(false);

    const other = await isotorch([...command, '--resume', '--lr', '0.2'], { cwd: folder });
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/ERR_ARGUMENT: .*lr: 0\.1 then, 0\.2 now/s);

    const [resumed, whole] = await Promise.all([
      isotorch([...command, '--resume'], { cwd: folder }),
      isotorch([...command.slice(0, -1), 'whole run'], { cwd: folder }),
    ]);
    expect([resumed.code, whole.code]).toEqual([0, 0]);
    expect(resumed.stderr).not.toMatch(new RegExp(`epoch ${done}/15 {2}loss`));
    expect(resumed.stderr).toMatch(new RegExp(`epoch ${done + 1}/15 {2}loss`));
    const weights = (run: string) => readFileSync(join(folder, run, 'checkpoints', 'last.pt'));
    expect(weights('stopped run').equals(weights('whole run'))).toBe(true);
  });

  it('a second Ctrl-C ends at once, and the run can still go on', async () => {
    const command = ['train', ...digits, '--epochs', '400', '--out', 'ended'];
    let first = 0;
    const ended = await isotorch(command, {
      cwd: folder,
      onError: (stderr, child) => {
        if (first > 0 || !/epoch 1\/400/.test(stderr)) return;
        first = performance.now();
        child.kill('SIGINT');
        const again = setInterval(() => child.kill('SIGINT'), 50);
        child.once('exit', () => clearInterval(again));
      },
    });
    // It was quick enough to save after the first one, or was ended by a later one: both are 130, and quick.
    expect(ended.code).toBe(130);
    expect(performance.now() - first).toBeLessThan(20_000);
    const resumed = await isotorch([...command, '--resume'], {
      cwd: folder,
      onError: (stderr, child) => /epoch \d+\/400/.test(stderr) && !/Stopping/.test(stderr) && child.kill('SIGTERM'),
    });
    expect(resumed.stderr).not.toMatch(/ERR_/);
    expect(resumed.code).toBe(130);
  });
});

describe('quickstart', () => {
  it('prints table, effect and paths, and goes on where it was stopped', async () => {
    const command = ['quickstart', '--data', 'digits', '--epochs', '3', '--device', 'cpu'];
    const stopped = await isotorch([...command], {
      cwd: folder,
      env: { npm_lifecycle_event: undefined },
      onError: (stderr, child) =>
        /IsoMax .*epoch 1\/3/.test(stderr) && !/Stopping/.test(stderr) && child.kill('SIGINT'),
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toMatch(/Go on with:\n {2}isotorch quickstart --resume\n/);
    const { code, stdout, stderr } = await isotorch(['quickstart', '--resume', '--device', 'cpu'], { cwd: folder });
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/SoftMax .*epoch/); // that one was done
    expect(stdout).toMatch(/Known: digits .*Unknown: held-out.*SoftMax +mps.*IsoMax +es.*IsoMax\+ +mds/s);
    expect(stdout).toMatch(/IsoMax with its entropic score has a mean AUROC of [\d.]+ %, SoftMax .*Accuracy/s);
    expect(stdout).toMatch(/^Report: {2}runs\/quickstart\/report\.html$/m);
    expect(JSON.parse(readFileSync(join(folder, 'runs/quickstart/results.json'), 'utf8')).results).toHaveLength(36);
  });
});

describe('data and doctor', () => {
  it('data lists every set, where it is, and how to get it', async () => {
    const env = { ISOTORCH_HOME: join(folder, 'no-cache'), ISOTORCH_DATA: undefined };
    const [list, json] = await Promise.all([isotorch(['data'], { env }), isotorch(['data', '--json'], { env })]);
    expect(list.code).toBe(0);
    expect(list.stdout).toMatch(/^mnist +MNIST; CC BY-SA 3\.0.*\n +not here: isotorch data get mnist$/m);
    expect(list.stdout).toMatch(/^digits +UCI optical digits.*\n +.*assets, [\d.]+ kB$/m);
    const sets = JSON.parse(json.stdout);
    expect(sets.map(({ name }: { name: string }) => name)).toEqual([
      'fashion-mnist',
      'mnist',
      'kmnist',
      'notmnist',
      'cifar10',
      'cifar100',
      'digits',
    ]);
    expect(sets.at(-1).bytes).toBeGreaterThan(50_000);
  });

  it('data get is content with what is there', async () => {
    const { code, stdout } = await isotorch(['data', 'get', 'digits']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'digits: 1,437 training and 360 test images\n' });
  });

  it('doctor tells what was found, as text and as JSON', async () => {
    const { code, stdout } = await isotorch(['doctor', '--json']);
    const diagnosis = JSON.parse(stdout);
    expect(diagnosis.node.version).toBe(process.versions.node);
    expect(code).toBe(diagnosis.problems.length === 0 ? 0 : 1);
    const sick = await isotorch(['doctor'], { env: { LIBTORCH: '/nowhere' } });
    expect(sick.code).toBe(1);
    expect(sick.stdout).toMatch(/✗.*\/nowhere.*\n(?:.*\n)* {2}→ /);
    expect(sick.stderr).toBe('');
  });
});
