// Finds LibTorch, for set-up and for every `import 'isotorch'`: the folder that LIBTORCH names, else the torch package
// of the active Python, else our own per-user cache. It opens nothing and, as a rule, starts no process: a virtual
// environment or an ordinary installation is read from its folders, and only a python3 that is a script (pyenv's, say)
// is asked. LIBTORCH set but wrong is an error, never skipped. What the addon was built for is in a small record
// beside it: its LibTorch is looked at first, and a Python with another minor version of torch is passed over.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IsotorchError } from './errors.js';

/** The LibTorch that set-up installs where none is found. */
export const pinnedVersion = '2.13.0';
/** The oldest LibTorch whose headers our C++ is written for. */
export const oldestVersion = '2.11';

export type LibTorchSource = 'LIBTORCH' | 'python' | 'cache';
export type Environment = Readonly<Record<string, string | undefined>>;

export interface LibTorch {
  /** The folder that holds `lib/` and, for building, `include/`. */
  path: string;
  source: LibTorchSource;
  /** Such as `2.13.0`. */
  version: string;
  /** `cpu`, `cu130`, `rocm6.4`; plain `cuda` or `rocm` where the version of it isn't written down. */
  build: string;
  /** Full paths, in the order in which they have to be opened. */
  libraries: string[];
  /** The value of _GLIBCXX_USE_CXX11_ABI: every LibTorch for Linux since 2.7 has the new std::string. Linux only. */
  abi: 1 | undefined;
}

export interface SearchedPlace {
  source: LibTorchSource;
  place: string;
  outcome: string;
}

export interface SearchOptions {
  /** Ask for the headers too, which only a build needs. Default: false. */
  headers?: boolean;
  /** What the addon was built for. Default: the record beside the addon. `null`: look as if nothing had been built. */
  record?: BuildRecord | null;
}

/** What set-up writes beside the addon: the LibTorch that it was built for. A packed addon has no `path`. */
export interface BuildRecord {
  version: string;
  build: string;
  path?: string;
  source?: LibTorchSource;
}

/** The package's own folder: the repository, or `node_modules/isotorch`. */
export const packageFolder = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** This package's version. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string }).version;
}

/** Where LibTorch and data sets are kept for all checkouts of a user: ISOTORCH_HOME, or the platform's cache folder. */
export function cacheFolder(env: Environment = process.env): string {
  if (env.ISOTORCH_HOME) return resolve(env.ISOTORCH_HOME);
  const home = env.HOME || homedir();
  if (process.platform === 'darwin') return join(home, 'Library', 'Caches', 'isotorch');
  if (process.platform === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'isotorch');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'isotorch');
}

/**
 * The LibTorch to use, or undefined where there is none (`searchLibTorch` tells where it looked).
 * @throws ERR_LIBTORCH_NOT_FOUND if LIBTORCH is set and no LibTorch is there; ERR_LIBTORCH_VERSION if it is set to one
 * that is too old, or another than the addon was built for.
 */
export function findLibTorch(env: Environment = process.env, options: SearchOptions = {}): LibTorch | undefined {
  return searchLibTorch(env, options).found;
}

/** `findLibTorch` with the places looked at, in order, and what was there. */
export function searchLibTorch(
  env: Environment = process.env,
  { headers = false, record = readBuildRecord() }: SearchOptions = {},
): { found: LibTorch | undefined; searched: SearchedPlace[] } {
  const searched: SearchedPlace[] = [];
  if (env.LIBTORCH) return { found: namedByUser(env.LIBTORCH, headers, record), searched };
  searched.push({ source: 'LIBTORCH', place: 'the environment variable LIBTORCH', outcome: 'not set' });

  // A fit one is returned; anything else leaves its reason among the searched places.
  const consider = (path: string, source: LibTorchSource, place = path): LibTorch | undefined => {
    const libtorch = inspect(path, source, headers);
    const unfit = typeof libtorch === 'string' ? libtorch : misfit(libtorch, record);
    if (typeof libtorch !== 'string' && unfit === undefined) return libtorch;
    searched.push({ source, place, outcome: unfit ?? 'unfit' });
    return undefined;
  };

  let found: LibTorch | undefined;
  if (record?.path) found = consider(record.path, record.source ?? 'cache', `${record.path} (used by the last build)`);
  if (!found) {
    const python = pythonTorch(env);
    if (python.path === undefined) {
      searched.push({ source: 'python', place: python.interpreter, outcome: python.outcome });
    } else found = consider(python.path, 'python');
  }
  for (const path of found ? [] : cached(env)) found ??= consider(path, 'cache');
  if (!found) searched.push({ source: 'cache', place: cacheFolder(env), outcome: 'no LibTorch that can be used' });
  return { found, searched };
}

/** The error for a search without a find: the places, and what to do. */
export function libTorchNotFound(searched: readonly SearchedPlace[]): IsotorchError {
  const places = searched.map(({ place, outcome }) => `  ${place}: ${outcome}`).join('\n');
  return new IsotorchError(
    'ERR_LIBTORCH_NOT_FOUND',
    `LibTorch ${oldestVersion} or later is not on this machine. Looked at:\n${places}\n` +
      `Install it into the Python that you use (pip install torch==${pinnedVersion}), or set LIBTORCH to the folder of ` +
      'an unpacked LibTorch, or run `npm run setup` in a checkout of isotorch, which puts it into the cache.',
  );
}

/** The record of the addon that would be loaded here: the one built in place, else the one that came in the package. */
export function readBuildRecord(folder: string = packageFolder): BuildRecord | undefined {
  const built = join(folder, 'build');
  const packed = join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
  const file = [built, packed].map((place) => join(place, 'libtorch.json')).find(existsSync);
  const text = file && read(file);
  if (!text) return undefined;
  try {
    const record = JSON.parse(text) as BuildRecord;
    return typeof record.version === 'string' ? record : undefined;
  } catch {
    return undefined; // cut off while it was written: set-up writes it anew
  }
}

/** `2.13` of `2.13.0`: an addon built for one minor version of LibTorch runs with that one only. */
export function minorOf(version: string): string {
  return version.split('.', 2).join('.');
}

// ---------------------------------------------------------------------------------------------- one folder

const libraryName = (name: string) =>
  process.platform === 'win32' ? `${name}.dll` : process.platform === 'darwin' ? `lib${name}.dylib` : `lib${name}.so`;

/** What is in a folder, or why it is no LibTorch. */
export function inspect(path: string, source: LibTorchSource, headers = false): LibTorch | string {
  const lib = join(path, 'lib');
  const files = list(lib);
  if (files.length === 0) return `no folder lib with ${libraryName('torch_cpu')}`;
  const needed = ['c10', 'torch_cpu', 'torch'].map(libraryName);
  const missing = needed.filter((name) => !files.includes(name));
  if (missing.length > 0) return `no ${missing.map((name) => join('lib', name)).join(', ')}`;
  if (headers && !existsSync(join(path, 'include', 'ATen', 'ATen.h'))) return 'no headers (include/ATen/ATen.h)';

  const { version, build } = versionOf(path, files);
  if (version === undefined) return 'its version is written nowhere (build-version, version.py, headeronly/version.h)';
  // The wheel's own OpenMP first, so that no other one is taken from the system in its stead.
  const openmp = files.filter((name) => /^lib(gomp|omp|iomp5)\b.*\.(so|dylib)/.test(name));
  const accelerator = ['c10_cuda', 'torch_cuda', 'c10_hip', 'torch_hip'].map(libraryName);
  const libraries = [...openmp, ...needed, ...accelerator.filter((name) => files.includes(name))];
  return {
    path,
    source,
    version,
    build,
    libraries: libraries.map((name) => join(lib, name)),
    abi: process.platform === 'linux' ? 1 : undefined,
  };
}

function versionOf(path: string, files: readonly string[]): { version: string | undefined; build: string } {
  const has = (name: string) => files.includes(libraryName(name));
  const kind = has('torch_cuda') ? 'cuda' : has('torch_hip') ? 'rocm' : 'cpu';
  const python = read(join(path, 'version.py')); // the pip package
  const written = /__version__ = '([^']+)'/.exec(python ?? '')?.[1] ?? read(join(path, 'build-version'))?.trim();
  if (written) {
    const [version, local] = written.split('+', 2);
    const cuda = /^cuda.* = '([\d.]+)'/m.exec(python ?? '')?.[1]; // wheels from PyPI have no +cu130 in their version
    return { version, build: local || (cuda ? `cu${cuda.replaceAll('.', '')}` : kind) };
  }
  const header = read(join(path, 'include', 'torch', 'headeronly', 'version.h'));
  const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`TORCH_VERSION_${part} (\\d+)`).exec(header ?? '')?.[1],
  );
  return { version: parts.every((part) => part !== undefined) ? parts.join('.') : undefined, build: kind };
}

/** Why a LibTorch that we came upon is passed over; undefined if it fits. */
function misfit({ version }: LibTorch, record: BuildRecord | null | undefined): string | undefined {
  if (record && minorOf(version) !== minorOf(record.version)) {
    return `LibTorch ${version}, but this addon was built for ${minorOf(record.version)}`;
  }
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldestVersion.split('.').map(Number);
  const old = major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
  return old ? `LibTorch ${version} is older than ${oldestVersion}` : undefined;
}

// ---------------------------------------------------------------------------------------------- the three sources

/** LIBTORCH may name LibTorch itself, a folder that holds it, Python's site-packages or a virtual environment. */
function namedByUser(value: string, headers: boolean, record: BuildRecord | null | undefined): LibTorch {
  const folder = resolve(value);
  const candidates = [
    folder,
    ...[folder, ...siteFolders(folder)].flatMap((at) => [join(at, 'libtorch'), join(at, 'torch')]),
  ];
  const outcomes = candidates.map((path) => inspect(path, 'LIBTORCH', headers));
  const found = outcomes.find((outcome) => typeof outcome !== 'string');
  if (found) {
    const unfit = misfit(found, record);
    if (unfit === undefined) return found;
    throw new IsotorchError(
      'ERR_LIBTORCH_VERSION',
      `LIBTORCH names ${found.path}: ${unfit}. Set it to a LibTorch that fits, unset it, or run \`npm run setup\` in a ` +
        'checkout of isotorch to build the addon for this one.',
    );
  }
  const reasons = candidates
    .map((path, index) => ({ path, reason: outcomes[index] as string }))
    .filter(({ path }, index) => index === 0 || existsSync(path));
  throw new IsotorchError(
    'ERR_LIBTORCH_NOT_FOUND',
    `LIBTORCH is set to ${value}, but no LibTorch${headers ? ' with headers' : ''} is there` +
      `${existsSync(folder) ? '' : ' (the folder does not exist)'}. Looked for lib/${libraryName('torch_cpu')} in it ` +
      `and in its folders libtorch and torch:\n${reasons.map(({ path, reason }) => `  ${path}: ${reason}`).join('\n')}\n` +
      'Set LIBTORCH to the folder that holds lib and include, or unset it to let isotorch look elsewhere.',
  );
}

/** Complete installations in our cache: ours to make, so a marker file tells that one was finished. Best first. */
function cached(env: Environment): string[] {
  const cache = cacheFolder(env);
  return list(cache)
    .filter((name) => name.startsWith('libtorch-'))
    .sort((a, b) => Number(b.endsWith('-cuda')) - Number(a.endsWith('-cuda')) || (a < b ? 1 : -1))
    .flatMap((name) => {
      const marker = read(join(cache, name, 'complete'));
      return marker ? [resolve(cache, name, marker.trim())] : [];
    });
}

interface PythonTorch {
  /** The interpreter looked at, or the environment's folder. */
  interpreter: string;
  /** The torch package's folder, if it has one. */
  path?: string;
  outcome: string;
}

/** torch of the active Python: VIRTUAL_ENV's, else python3's on the PATH. It is not imported. */
export function pythonTorch(env: Environment = process.env): PythonTorch {
  if (env.VIRTUAL_ENV) return torchIn(env.VIRTUAL_ENV, environmentFolders(env.VIRTUAL_ENV, env), 'the active Python');
  const names = process.platform === 'win32' ? ['python.exe', 'python3.exe'] : ['python3'];
  const folders = (env.PATH ?? env.Path ?? '').split(delimiter).filter(Boolean);
  const interpreter = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isFile);
  if (interpreter === undefined) return { interpreter: 'python3', outcome: 'not on the PATH' };

  // A virtual environment's python3 is a link to the base's, so every step of the way is looked at.
  let file = interpreter;
  for (let hops = 0; hops < 20; hops++) {
    const prefix = dirname(dirname(file));
    if (existsSync(join(prefix, 'pyvenv.cfg')))
      return torchIn(interpreter, environmentFolders(prefix, env), 'this Python');
    const next = linkTarget(file);
    if (next === undefined) break;
    file = resolve(dirname(file), next);
  }
  const prefix = dirname(dirname(file));
  const sites = siteFolders(prefix, /python(\d\.\d+)/.exec(basename(file))?.[1]);
  if (isScript(file) || sites.length === 0) return askPython(interpreter, env);
  return torchIn(interpreter, [...userFolders(prefix, env), ...sites], 'this Python');
}

function torchIn(interpreter: string, folders: readonly string[], who: string): PythonTorch {
  const withLinks = folders.flatMap((folder) => [folder, ...linkedFolders(folder)]);
  const path = withLinks.map((folder) => join(folder, 'torch')).find((folder) => existsSync(join(folder, 'lib')));
  return path ? { interpreter, path, outcome: 'torch found' } : { interpreter, outcome: `${who} has no torch` };
}

/** Where a virtual environment's packages are, and its base's if it was made with --system-site-packages. */
function environmentFolders(prefix: string, env: Environment): string[] {
  const config = read(join(prefix, 'pyvenv.cfg')) ?? '';
  const own = [...pythonPath(env), ...siteFolders(prefix)];
  if (!/^include-system-site-packages\s*=\s*true/im.test(config)) return own;
  const home = /^home\s*=\s*(.+)$/im.exec(config)?.[1]?.trim();
  return home ? [...own, ...userFolders(dirname(home), env), ...siteFolders(dirname(home))] : own;
}

function siteFolders(prefix: string, version?: string): string[] {
  const folders = [join(prefix, 'Lib', 'site-packages')]; // Windows
  for (const lib of ['local/lib', 'lib', 'lib64']) {
    const versions = version ? [`python${version}`] : list(join(prefix, lib)).filter((name) => /^python3/.test(name));
    for (const name of versions) {
      folders.push(join(prefix, lib, name, 'site-packages'), join(prefix, lib, name, 'dist-packages'));
    }
  }
  folders.push(join(prefix, 'lib', 'python3', 'dist-packages')); // Debian's own packages
  return folders.filter(existsSync);
}

function userFolders(prefix: string, env: Environment): string[] {
  const home = env.HOME ?? env.USERPROFILE;
  if (!home || env.PYTHONNOUSERSITE) return pythonPath(env);
  const versions = list(join(prefix, 'lib')).filter((name) => /^python3\.\d+$/.test(name));
  const mac = versions.map((name) => join(home, 'Library', 'Python', name.slice(6), 'lib', 'python', 'site-packages'));
  return [...pythonPath(env), ...versions.map((name) => join(home, '.local', 'lib', name, 'site-packages')), ...mac];
}

const pythonPath = (env: Environment) => (env.PYTHONPATH ?? '').split(delimiter).filter(Boolean);

/** Folders that a site-packages folder adds through its .pth files. */
function linkedFolders(folder: string): string[] {
  return list(folder)
    .filter((name) => name.endsWith('.pth'))
    .flatMap((name) => (read(join(folder, name)) ?? '').split(/\r?\n/))
    .filter((line) => line && !/^(#|import[ \t])/.test(line))
    .map((line) => resolve(folder, line.trim()));
}

const question = `
import importlib.util, json, sys
sys.path[:] = [entry for entry in sys.path if entry]
spec = importlib.util.find_spec('torch')
print(json.dumps(list(spec.submodule_search_locations)[0] if spec and spec.origin else None))`;

function askPython(interpreter: string, env: Environment): PythonTorch {
  const answer = spawnSync(interpreter, ['-c', question], { env: { ...env }, encoding: 'utf8', timeout: 10_000 });
  if (answer.error || answer.status !== 0) {
    const why = answer.error?.message ?? answer.stderr.trim().split('\n').at(-1);
    return {
      interpreter,
      outcome: `it could not be asked for torch (${why || `it ended with code ${answer.status}`})`,
    };
  }
  const path = JSON.parse(answer.stdout.trim().split('\n').at(-1) || 'null') as string | null;
  return path ? { interpreter, path, outcome: 'torch found' } : { interpreter, outcome: 'this Python has no torch' };
}

// ---------------------------------------------------------------------------------------------- files

/* A file or folder that isn't there, or may not be read, holds nothing for this search. */

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

function isScript(path: string): boolean {
  const head = Buffer.alloc(2);
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    readSync(file, head, 0, 2, 0);
  } catch {
    return false; // runnable but not readable: no script
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return head.toString('latin1') === '#!';
}
