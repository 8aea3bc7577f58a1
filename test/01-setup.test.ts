// Set-up: when there is something to do, and that an installation survives a second one beside it, being cut off, and a
// machine that lacks something. LibTorch and Python are stand-ins here.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Environment, readBuildRecord } from '../lib/libtorch.js';
import { needs } from './support/skip.js';

const root = resolve(import.meta.dirname, '..');
const setupModule = (name: string) => pathToFileURL(join(root, 'scripts', 'setup', `${name}.mjs`)).href;
const onLinux = process.platform === 'linux';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-setup-test-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Nothing but what the test adds. */
const bare = (env: Environment = {}): Environment => ({
  ISOTORCH_HOME: join(folder, 'home'),
  PATH: join(folder, 'none'),
  ...env,
});
describe('what is out of date', async () => {
  const stamps = (await import(setupModule('stamps'))) as {
    fingerprint(root: string, paths: string[], facts?: object): string;
    packagesDifference(root: string): string | undefined;
    modulesOf(file: string): string[];
  };
  const writeLock = (path: string, packages: Record<string, object>) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify({ packages }));
  };

  it('is told by contents and names, not by times', () => {
    mkdirSync(join(folder, 'native', 'isomax'), { recursive: true });
    writeFileSync(join(folder, 'native', 'a.cc'), 'int a;');
    const hash = () => stamps.fingerprint(folder, ['native', 'absent'], { version: '2.13.0' });
    const first = hash();
    writeFileSync(join(folder, 'native', 'a.cc'), 'int a;');
    expect(hash()).toBe(first);
    writeFileSync(join(folder, 'native', 'isomax', 'b.cc'), '');
    const second = hash();
    expect(second).not.toBe(first);
    rmSync(join(folder, 'native', 'isomax', 'b.cc'));
    expect(hash()).toBe(first);
    expect(stamps.fingerprint(folder, ['native'], { version: '2.14.0' })).not.toBe(first);
  });

  it('is seen where a CUDA toolkit comes later', async () => {
    const { findCuda } = (await import(setupModule('tools'))) as { findCuda(env: Environment): object };
    const env = bare({ CUDA_HOME: join(folder, 'cuda') });
    const found = [JSON.stringify(findCuda(env))];
    const add = (path: string, content: string) => {
      mkdirSync(dirname(join(folder, 'cuda', path)), { recursive: true });
      writeFileSync(join(folder, 'cuda', path), content, { mode: 0o755 });
      found.push(JSON.stringify(findCuda(env)));
    };
    add('include/cuda_runtime_api.h', '');
    add('bin/nvcc', "#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'");
    expect(new Set(found).size).toBe(onLinux ? 3 : 2);
  });

  it('compares node_modules with the lock file', () => {
    const wanted = {
      '': {},
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b-win': { version: '2.0.0', optional: true },
    };
    writeLock(join(folder, 'package-lock.json'), wanted);
    const installed = join(folder, 'node_modules', '.package-lock.json');
    expect(stamps.packagesDifference(folder)).toBe('not installed');
    writeLock(installed, { 'node_modules/a': { version: '1.0.0' } });
    expect(stamps.packagesDifference(folder)).toBeUndefined();
    writeLock(installed, { 'node_modules/a': { version: '0.9.0' } });
    expect(stamps.packagesDifference(folder)).toBe('a 1.0.0 is missing');
    writeFileSync(installed, '{"packages": {'); // npm was cut off
    expect(stamps.packagesDifference(folder)).toBe('not installed');
  });

  it('follows the imports of a module', () => {
    writeFileSync(join(folder, 'a.ts'), "import { b } from './b.js';\nimport fs from 'node:fs';\n");
    writeFileSync(join(folder, 'b.ts'), "import { a } from './a.js';\nexport const b = 1;\n");
    expect(stamps.modulesOf(join(folder, 'a.ts')).map((file) => file.slice(folder.length + 1))).toEqual([
      'a.ts',
      'b.ts',
    ]);
  });
});

describe('missing tools', async () => {
  const { requireTools, findTools } = (await import(setupModule('tools'))) as {
    requireTools(tools: Record<string, string | undefined>, wanted: string[]): void;
    findTools(env: Environment): Record<string, string | undefined>;
  };

  it('are named all at once, with the command that installs them', () => {
    const found = findTools({ PATH: join(folder, 'none') });
    expect(Object.values(found)).toEqual([undefined, undefined, undefined, undefined]);
    let error: { message: string; next: string } | undefined;
    try {
      requireTools({ ...found, maker: 'ninja 1.11' }, ['compiler', 'cmake', 'maker', 'python']);
    } catch (thrown) {
      error = thrown as { message: string; next: string };
    }
    expect(error?.message).toMatch(/C\+\+20 compiler.*cmake 3\.18.*Python 3\.10/);
    expect(error?.message).not.toContain('ninja');
    if (onLinux) expect(error?.next).toMatch(/install .*cmake/);
    expect(() => requireTools({ compiler: 'g++ 12' }, ['compiler'])).not.toThrow();
  });
});

describe.runIf(onLinux)('installing LibTorch', async () => {
  const { plansFor } = (await import(setupModule('install'))) as {
    plansFor(
      version: string,
      driver?: number,
      index?: string,
    ): { kind: string; requirement: string; options: string[] }[];
  };
  const requirements = (driver?: number, index?: string) =>
    plansFor('2.13.0', driver, index).map(({ requirement, options }) => [requirement, ...options].join(' '));

  it('asks for the wheel that fits the machine, pip’s own configuration first', () => {
    expect(requirements()).toEqual([
      'torch==2.13.0+cpu --retries 0 --timeout 20',
      'torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu',
    ]);
    expect(requirements(13)[0]).toContain('torch==2.13.0+cu130');
    expect(requirements(12.4)[0]).toContain('torch==2.13.0+cu126');
    expect(requirements(11.8)).toEqual(requirements()); // too old a driver for any: the CPU
    expect(requirements(13).at(-1)).toContain('+cpu');
    expect(requirements(undefined, 'https://mirror.example/simple')).toEqual([
      'torch==2.13.0 --extra-index-url https://mirror.example/simple',
    ]);
  });

  /** Runs set-up's installation with the stand-in Python, in a process of its own. */
  function install(env: Environment = {}): {
    child: ChildProcess;
    ended: Promise<{ code: number | null; output: string }>;
  } {
    const bin = join(folder, 'bin');
    if (!existsSync(bin)) {
      mkdirSync(bin);
      writeFileSync(join(bin, 'package.json'), '{ "type": "module" }');
      copyFileSync(join(root, 'test', 'support', 'fake-python.mjs'), join(bin, 'python3'));
      chmodSync(join(bin, 'python3'), 0o755);
      symlinkSync(process.execPath, join(bin, 'node'));
    }
    const code = `
      import { installLibTorch } from ${JSON.stringify(setupModule('install'))};
      import { Step } from ${JSON.stringify(setupModule('progress'))};
      import * as finder from ${JSON.stringify(pathToFileURL(join(root, 'lib', 'libtorch.ts')).href)};
      const find = () => finder.findLibTorch(process.env, { headers: true, record: null });
      try {
        await installLibTorch({ step: new Step('LibTorch'), finder, find });
        console.log('found ' + find()?.path);
      } catch (error) {
        console.log([error.message, error.tail, error.next].join('\\n'));
        process.exitCode = 1;
      }`;
    const full = { ...bare(env), PATH: bin, FAKE_PYTHON_LOG: join(folder, 'pip.log'), HOME: folder };
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      cwd: root,
      env: full,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    return { child, ended: new Promise((done) => child.on('close', (code) => done({ code, output }))) };
  }
  const torchInstalls = () =>
    readFileSync(join(folder, 'pip.log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('torch==')).length;
  const inCache = () => readdirSync(join(folder, 'home')).sort();

  it('leaves one complete installation', async () => {
    const { code, output } = await install().ended;
    expect(output).toContain(`found ${folder}/home/libtorch-2.13.0-cpu/lib/python3.11/site-packages/torch`);
    expect(code).toBe(0);
    expect(inCache()).toEqual(['libtorch-2.13.0-cpu']);
  });

  it('goes on to the next source, and tells pip’s words and a way out when all fail', async () => {
    const second = await install({ FAKE_PYTHON_REFUSES: '--retries 0 .*torch==' }).ended;
    expect(second.code).toBe(0);
    expect(torchInstalls()).toBe(2);
    rmSync(join(folder, 'home'), { recursive: true });
    const none = await install({ FAKE_PYTHON_REFUSES: 'torch==' }).ended;
    expect(none.code).toBe(1);
    expect(none.output).toContain('No matching distribution found for torch==2.13.0+cpu');
    expect(none.output).toContain('ISOTORCH_TORCH_INDEX');
    expect(inCache()).toEqual([]);
  });

  it('happens once when two set-ups ask for it', async () => {
    const both = [install({ FAKE_PYTHON_DELAY: '700' }), install({ FAKE_PYTHON_DELAY: '700' })];
    const ends = await Promise.all(both.map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
    expect(ends.map(({ output }) => output).join('')).toContain('waiting');
    expect(torchInstalls()).toBe(1);
    expect(inCache()).toEqual(['libtorch-2.13.0-cpu']);
  });

  it('starts again after one that was killed half-way, and cleans up after it', async () => {
    const first = install({ FAKE_PYTHON_DELAY: '5000' });
    while (!existsSync(join(folder, 'pip.log'))) await sleep(20);
    await sleep(100);
    first.child.kill('SIGKILL');
    await first.ended.catch(() => undefined);
    expect(inCache().some((name) => name.startsWith('.making-'))).toBe(true);
    const { code, output } = await install().ended;
    expect(output).toContain('found');
    expect(code).toBe(0);
    expect(inCache()).toEqual(['libtorch-2.13.0-cpu']);
  });

  it('stops its tools when it is stopped', async () => {
    const { child, ended } = install({ FAKE_PYTHON_DELAY: '60000' });
    while (!existsSync(join(folder, 'pip.log'))) await sleep(20);
    child.kill('SIGINT');
    const { code, output } = await ended;
    const pip = Number.parseInt(readFileSync(join(folder, 'pip.log'), 'utf8'), 10);
    const lives = () => existsSync(`/proc/${pip}/cmdline`) && readFileSync(`/proc/${pip}/cmdline`, 'utf8') !== '';
    for (let i = 0; i < 100 && lives(); i++) await sleep(20);
    expect(lives()).toBe(false);
    expect(code).toBe(130);
    expect(output).toContain('Run it again to go on');
    expect(inCache().filter((name) => name.endsWith('.lock'))).toEqual([]);
  });
});

describe('the command', () => {
  const setup = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'scripts', 'setup.mjs'), ...args], { encoding: 'utf8' });

  it('explains itself and refuses what it does not know', () => {
    expect(setup('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--only native') });
    expect(setup('--only', 'everything')).toMatchObject({ status: 1, stderr: expect.stringContaining('"everything"') });
    expect(setup('--nonsense')).toMatchObject({ status: 1, stderr: expect.stringContaining('--nonsense') });
  });

  const ready = readBuildRecord(root) !== undefined && setup('--check').status === 0;
  needs(ready, 'a checkout that is set up').it('has nothing to do in under 5 s when everything is done', () => {
    const start = performance.now();
    const { status, stdout } = setup();
    expect(stdout).toMatch(/^Set-up: nothing to do \(LibTorch 2\./);
    expect(status).toBe(0);
    expect(performance.now() - start).toBeLessThan(5000);
    expect(setup('--quiet').stdout).toBe('');
  });
});
