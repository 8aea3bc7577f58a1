// Which LibTorch is found: the order of the places, what each may look like, and what is said of those that don't fit.
// LibTorch and Python are stand-ins here: folders of empty files.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheFolder, type Environment, findLibTorch, inspect, pythonTorch, searchLibTorch } from '../lib/libtorch.js';

const onLinux = process.platform === 'linux';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-libtorch-test-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A folder that looks like LibTorch, as pip installs it. */
function makeTorch(path: string, version: string, { libraries = [] as string[], headers = true, cuda = '' } = {}) {
  mkdirSync(join(path, 'lib'), { recursive: true });
  for (const name of ['libc10.so', 'libtorch_cpu.so', 'libtorch.so', ...libraries])
    writeFileSync(join(path, 'lib', name), '');
  if (headers) mkdirSync(join(path, 'include', 'ATen'), { recursive: true });
  if (headers) writeFileSync(join(path, 'include', 'ATen', 'ATen.h'), '');
  const toolkit = cuda ? `cuda: Optional[str] = '${cuda}'\n` : 'cuda: Optional[str] = None\n';
  writeFileSync(join(path, 'version.py'), `__version__ = '${version}'\n${toolkit}`);
  return path;
}

/** A virtual environment; with `version`, torch is in it. */
function makeVenv(path: string, version?: string) {
  const site = join(path, 'lib', 'python3.11', 'site-packages');
  mkdirSync(site, { recursive: true });
  mkdirSync(join(path, 'bin'));
  writeFileSync(join(path, 'pyvenv.cfg'), 'home = /nowhere/bin\ninclude-system-site-packages = false\n');
  return version === undefined ? join(site, 'torch') : makeTorch(join(site, 'torch'), version);
}

/** An installation in the cache, complete or not. */
function makeCached(name: string, version: string, complete = true) {
  const place = join(folder, 'home', name);
  const torch = makeVenv(place, version);
  if (complete) writeFileSync(join(place, 'complete'), 'lib/python3.11/site-packages/torch\n');
  return torch;
}

/** Nothing but what the test adds. */
const bare = (env: Environment = {}): Environment => ({
  ISOTORCH_HOME: join(folder, 'home'),
  PATH: join(folder, 'none'),
  ...env,
});
const find = (env: Environment = {}, record: Parameters<typeof searchLibTorch>[1] = { record: null }) =>
  findLibTorch(bare(env), record);

describe.runIf(onLinux)('finding LibTorch', () => {
  it('takes LIBTORCH before Python before the cache', () => {
    const named = makeTorch(join(folder, 'named'), '2.13.0+cpu');
    const python = makeVenv(join(folder, 'venv'), '2.13.1+cpu');
    const cached = makeCached('libtorch-2.13.0-cpu', '2.13.0+cpu');
    const venv = join(folder, 'venv');
    expect(find({ LIBTORCH: named, VIRTUAL_ENV: venv })).toMatchObject({
      path: named,
      source: 'LIBTORCH',
      version: '2.13.0',
    });
    expect(find({ VIRTUAL_ENV: venv })).toMatchObject({ path: python, source: 'python', version: '2.13.1' });
    expect(find()).toMatchObject({ path: cached, source: 'cache', build: 'cpu' });
    rmSync(join(folder, 'home'), { recursive: true });
    expect(find()).toBeUndefined();
  });

  it('accepts in LIBTORCH the folder itself, one that holds libtorch or torch, and a virtual environment', () => {
    const zip = makeTorch(join(folder, 'zip', 'libtorch'), '2.13.0');
    rmSync(join(zip, 'version.py'));
    writeFileSync(join(zip, 'build-version'), '2.13.0+cu130\n');
    expect(find({ LIBTORCH: join(folder, 'zip') })).toMatchObject({ path: zip, version: '2.13.0', build: 'cu130' });
    const torch = makeVenv(join(folder, 'venv'), '2.14.1+cpu');
    for (const LIBTORCH of [torch, dirname(torch), join(folder, 'venv')]) expect(find({ LIBTORCH })?.path).toBe(torch);
  });

  it('never skips a LIBTORCH that is wrong', () => {
    makeCached('libtorch-2.13.0-cpu', '2.13.0+cpu');
    const error = (LIBTORCH: string, options = {}) => {
      try {
        find({ LIBTORCH }, { record: null, ...options });
      } catch (thrown) {
        return thrown as { code: string; message: string };
      }
      throw new Error('nothing was thrown');
    };
    const missing = error(join(folder, 'no-such-place'));
    expect(missing.code).toBe('ERR_LIBTORCH_NOT_FOUND');
    expect(missing.message).toContain('the folder does not exist');
    expect(missing.message).toContain('lib/libtorch_cpu.so');

    const half = makeTorch(join(folder, 'half'), '2.13.0');
    rmSync(join(half, 'lib', 'libc10.so'));
    expect(error(half).message).toContain('no lib/libc10.so');

    const bareLibraries = makeTorch(join(folder, 'bare'), '2.13.0', { headers: false });
    expect(find({ LIBTORCH: bareLibraries })?.path).toBe(bareLibraries); // enough to run
    expect(error(bareLibraries, { headers: true }).message).toContain('no headers');

    const old = makeTorch(join(folder, 'old'), '1.13.1');
    expect(error(old)).toMatchObject({ code: 'ERR_LIBTORCH_VERSION' });
    const other = makeTorch(join(folder, 'other'), '2.14.0');
    const built = { record: { version: '2.13.0', build: 'cpu' } };
    expect(error(other, built)).toMatchObject({ code: 'ERR_LIBTORCH_VERSION' });
    expect(error(other, built).message).toContain('built for 2.13');
  });

  it('passes over a Python whose torch does not fit, and says so', () => {
    makeVenv(join(folder, 'venv'), '2.14.0');
    const cached = makeCached('libtorch-2.13.0-cpu', '2.13.0+cpu');
    const record = { version: '2.13.2', build: 'cpu' };
    const { found, searched } = searchLibTorch(bare({ VIRTUAL_ENV: join(folder, 'venv') }), { record });
    expect(found?.path).toBe(cached);
    expect(searched.at(-1)).toMatchObject({ source: 'python', outcome: expect.stringContaining('built for 2.13') });
  });

  it('looks first at the LibTorch of the last build, while it is there', () => {
    const python = makeVenv(join(folder, 'venv'), '2.13.0');
    const last = makeTorch(join(folder, 'last'), '2.13.0+cpu');
    const record = { version: '2.13.0', build: 'cpu', path: last, source: 'cache' as const };
    const env = { VIRTUAL_ENV: join(folder, 'venv') };
    expect(find(env, { record })?.path).toBe(last);
    rmSync(last, { recursive: true });
    expect(find(env, { record })?.path).toBe(python);
  });

  it('takes no unfinished installation from the cache, and a CUDA one before a CPU one', () => {
    makeCached('libtorch-2.13.0-cuda', '2.13.0+cu130', false);
    const cpu = makeCached('libtorch-2.13.0-cpu', '2.13.0+cpu');
    expect(find()?.path).toBe(cpu);
    writeFileSync(join(folder, 'home', 'libtorch-2.13.0-cuda', 'complete'), 'lib/python3.11/site-packages/torch\n');
    expect(find()).toMatchObject({ build: 'cu130' });
  });

  it('names the libraries in the order in which they have to be opened, and the build', () => {
    const libraries = ['libtorch_cuda.so', 'libc10_cuda.so', 'libgomp.so.1', 'libtorch_python.so', 'libshm.so'];
    const path = makeTorch(join(folder, 'cuda'), '2.14.1', { libraries, cuda: '13.0' });
    const libtorch = inspect(path, 'LIBTORCH');
    if (typeof libtorch === 'string') throw new Error(libtorch);
    const names = libtorch.libraries.map((file) => file.slice(join(path, 'lib').length + 1));
    expect(names).toEqual([
      'libgomp.so.1',
      'libc10.so',
      'libtorch_cpu.so',
      'libtorch.so',
      'libc10_cuda.so',
      'libtorch_cuda.so',
    ]);
    expect(libtorch).toMatchObject({ version: '2.14.1', build: 'cu130', abi: 1 });
  });

  it('reads an ordinary Python without starting it, and asks one that is a script', () => {
    // An installation: bin/python3 -> python3.11, user packages through a .pth file.
    const prefix = join(folder, 'usr');
    const site = join(prefix, 'lib', 'python3.11', 'site-packages');
    mkdirSync(site, { recursive: true });
    mkdirSync(join(prefix, 'bin'));
    writeFileSync(join(prefix, 'bin', 'python3.11'), '\x7fELF that can not run', { mode: 0o755 });
    symlinkSync('python3.11', join(prefix, 'bin', 'python3'));
    const PATH = join(prefix, 'bin');
    expect(pythonTorch(bare({ PATH }))).toMatchObject({ outcome: 'this Python has no torch' });
    const elsewhere = makeTorch(join(folder, 'elsewhere', 'torch'), '2.13.0');
    writeFileSync(join(site, 'more.pth'), `# a comment\nimport sys\n${dirname(elsewhere)}\n`);
    expect(find({ PATH })).toMatchObject({ path: elsewhere, source: 'python' });

    // A virtual environment of it: its python3 is a link to the base's.
    const venv = makeVenv(join(folder, 'venv'), '2.13.1');
    symlinkSync(join(prefix, 'bin', 'python3.11'), join(folder, 'venv', 'bin', 'python3'));
    expect(find({ PATH: join(folder, 'venv', 'bin') })?.path).toBe(venv);

    // pyenv's shims are scripts.
    const shims = join(folder, 'shims');
    mkdirSync(shims);
    writeFileSync(join(shims, 'python3'), `#!/bin/sh\necho '"${venv}"'\n`, { mode: 0o755 });
    expect(find({ PATH: shims })?.path).toBe(venv);
    writeFileSync(join(shims, 'python3'), '#!/bin/sh\necho "pyenv: no such version" >&2\nexit 127\n');
    expect(pythonTorch(bare({ PATH: shims })).outcome).toContain('pyenv: no such version');
    expect(find({ PATH: shims })).toBeUndefined();
  });

  it('knows the cache folder', () => {
    expect(cacheFolder({ HOME: '/home/me' })).toBe('/home/me/.cache/isotorch');
    expect(cacheFolder({ HOME: '/home/me', XDG_CACHE_HOME: '/x' })).toBe('/x/isotorch');
    expect(cacheFolder({ HOME: '/home/me', ISOTORCH_HOME: '/y' })).toBe('/y');
  });

  it('finds in a few milliseconds where something was built', () => {
    const last = makeTorch(join(folder, 'last'), '2.13.0+cpu');
    const record = { version: '2.13.0', build: 'cpu', path: last };
    find({}, { record });
    const start = performance.now();
    for (let i = 0; i < 20; i++) find({}, { record });
    expect((performance.now() - start) / 20).toBeLessThan(5);
  });
});
