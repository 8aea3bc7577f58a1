// The archive for machines without a network: its size, what is in it and what is not, and what its script says where
// something is missing. That it builds, tests and measures in an empty directory is test/soak/04-bundle.soak.ts.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { makeBundle, unpack } from './support/bundle.js';
import { needs } from './support/skip.js';

const root = resolve(import.meta.dirname, '..');
const ready =
  process.platform === 'linux' &&
  existsSync(join(root, 'dist', 'index.js')) &&
  existsSync(join(root, 'build', 'Release', 'isotorch.node'));

const folder = mkdtempSync(join(tmpdir(), 'isotorch-bundle-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

needs(ready, 'a checkout that is set up').describe('the bundle', () => {
  const { it } = needs(true, '');
  const archive = join(folder, 'bundle.tar.gz');
  const empty = join(folder, 'empty');
  let told: string;
  let top: string;
  let files: string[];

  beforeAll(() => {
    told = makeBundle(archive);
    top = unpack(archive, join(folder, 'unpacked'));
    files = readdirSync(top, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(top.length + 1));
    mkdirSync(empty);
  }, 120_000);

  const run = (args: string[], env: Record<string, string> = {}) => {
    const { status, stdout, stderr } = spawnSync(join(top, 'run.sh'), args, { cwd: empty, env, encoding: 'utf8' });
    return { status, stdout, stderr };
  };

  it('is at most 60 MB and tells what is in it', () => {
    expect(statSync(archive).size).toBeLessThanOrEqual(60e6);
    expect(told).toMatch(/^Node \d+\.\d+\.\d+ +1 files +[\d.]+ MB$/m);
    expect(told).toMatch(/^[\d.]+ MB of at most 60\.0 MB$/m);
    expect(basename(top)).toMatch(/^isotorch-\d+\.\d+\.\d+-linux-(x64|arm64)$/);
  });

  it('holds Node, the built TypeScript, sources, headers, tests, benchmarks and the script', () => {
    for (const file of [
      ...['run.sh', 'README.md', 'LICENSE', 'bin/node', 'package.json', 'CMakeLists.txt', 'cmake/FindLibTorch.cmake'],
      ...['dist/index.js', 'dist/cli/main.js', 'lib/index.ts', 'native/addon.cc', 'native/cuda/graphs.cc'],
      ...['node_modules/node-addon-api/napi.h', 'node_modules/node-api-headers/include/node_api.h'],
      ...['node_modules/vitest/vitest.mjs', 'node_modules/vitest/LICENSE.md', 'node_modules/tsx/dist/cli.mjs'],
      ...['test/19-graphs.test.ts', 'test/native/fakeGraphs.cc', 'vitest.config.ts', 'scripts/test.mjs'],
      ...['benchmarks/main.ts', 'benchmarks/peer.py', 'benchmarks/suites/gpu.ts'],
    ]) {
      expect(files).toContain(file);
    }
    expect(statSync(join(top, 'run.sh')).mode & 0o111).toBe(0o111);
    expect(statSync(join(top, 'bin/node')).mode & 0o111).toBe(0o111);
  });

  it('holds no builds, development tools, data or weights', () => {
    const unwanted = [
      /^(build|prebuilds|runs|results|\.git)\//,
      /^node_modules\/(typescript\/bin|cmake-js|@biomejs|@types|prebuildify|node-gyp\/|lightningcss)/,
      /^node_modules\/.*\.map$/,
      /\.(d\.ts|so|pyc|pt|pth|safetensors|o|gch|log)$/,
      /^test\/(soak\/|0[134]-(setup|package|bundle))/,
    ];
    for (const pattern of unwanted) expect(files.filter((file) => pattern.test(file))).toEqual([]);
    const large = files.filter((file) => statSync(join(top, file)).size > 4e6);
    expect(large.filter((file) => !/^bin\/node$|\/bin\/esbuild$|\/typescript\.js$|\.node$/.test(file))).toEqual([]);
  });

  it('names no path of the machine that it was made on', () => {
    // Published packages and Node hold whatever paths their makers left in them, such as /root.
    const others = ['--exclude-dir=bin', '--exclude-dir=node_modules'];
    for (const path of [`${root}/`, `${homedir()}/`]) {
      const { status, stdout } = spawnSync('grep', ['-rlF', ...others, path, top], { encoding: 'utf8' });
      expect([status, stdout]).toEqual([1, '']); // 1: nothing found
    }
  });

  it('explains itself in an empty directory, with an empty environment', () => {
    const { status, stdout } = run(['--help']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Usage: \.\/run\.sh \[build \| test \| bench \| all\]/);
    expect(readdirSync(empty)).toEqual([]);
  });

  it('says what is missing, and what to do', () => {
    const nowhere = { PATH: join(folder, 'nowhere') };
    const stopped = (args: string[], env: Record<string, string> = nowhere) => {
      const { status, stderr } = run(args, env);
      expect(status).toBe(1);
      expect(stderr).not.toMatch(/^\s+at /m); // no stack
      return stderr;
    };
    expect(stopped([])).toMatch(/No Python was found: looked for --python, ISOTORCH_PYTHON, VIRTUAL_ENV and python3/);
    expect(stopped(['build', '--python', '/no/python3'])).toMatch(/--python names \/no\/python3, which is no program/);
    expect(stopped(['measure'])).toMatch(/There is no command "measure"[\s\S]*--help/);
    expect(stopped(['all', 'ops'])).toMatch(/"all" takes no further words/);
    expect(stopped(['build', '--jobs', 'many'])).toMatch(/--jobs is a number/);

    // Played by a script that answers as Python does.
    const python = (name: string, torch: string | null) => {
      const file = join(folder, name);
      writeFileSync(file, `#!/bin/sh\necho '${JSON.stringify({ version: '3.11.7', torch })}'\n`, { mode: 0o755 });
      return file;
    };
    expect(stopped(['build', '--python', python('bare', null)])).toMatch(/The Python 3\.11\.7 at .* has no torch/);
    expect(stopped(['build', '--python', python('broken', '/no/torch')])).toMatch(/no LibTorch with headers is there/);
    const torch = join(folder, 'torch');
    for (const name of ['lib/libc10.so', 'lib/libtorch_cpu.so', 'lib/libtorch.so', 'include/ATen/ATen.h']) {
      mkdirSync(dirname(join(torch, name)), { recursive: true });
      writeFileSync(join(torch, name), '');
    }
    const complete = python('complete', torch);
    writeFileSync(join(torch, 'version.py'), "__version__ = '1.9.0+cpu'\n");
    expect(stopped(['build', '--python', complete])).toMatch(/LibTorch 1\.9\.0 is older than 2\.\d+/);
    writeFileSync(join(torch, 'version.py'), "__version__ = '2.13.0+cpu'\n");
    expect(stopped(['build', '--python', complete])).toMatch(
      /Missing: a C\+\+20 compiler .*cmake 3\.18.*ninja or make/,
    );
  });

  it('says so where its Node does not run, and takes another', () => {
    const { status, stderr } = run([], { ISOTORCH_NODE: '/no/node' });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/does not run on this machine[\s\S]*ISOTORCH_NODE=/)]);
    expect(run(['--help'], { ISOTORCH_NODE: process.execPath }).status).toBe(0);
  });
});
