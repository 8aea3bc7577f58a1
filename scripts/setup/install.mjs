// Puts LibTorch into the user's cache: PyTorch's wheel of the pinned version in a virtual environment of its own, so that
// Python's torch is there too, as the reference for tests. It is made under a temporary name and renamed when complete,
// so a cut-off installation is never taken for one; a lock lets two set-ups share one download.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { acquire } from './lock.mjs';
import { SetupError } from './progress.mjs';
import { findPython, requireTools } from './tools.mjs';

const officialIndex = 'https://download.pytorch.org/whl'; // PyPI's own Linux wheels are CUDA ones; this has all kinds
const unpacked = { cpu: 1.5e9, cuda: 10e9 }; // bytes of disk, with the download

/** Makes sure that the cache holds `version`; `finder` is lib/libtorch.ts, `find()` searches it anew. */
export async function installLibTorch({ step, finder, find, env = process.env }) {
  const cache = finder.cacheFolder(env);
  mkdirSync(cache, { recursive: true });
  const release = await acquire(join(cache, 'libtorch.lock'), (owner) =>
    step.note(`another set-up (process ${owner?.pid ?? 'unknown'}) is installing it: waiting`),
  );
  try {
    if (find()) return; // the other one did it
    removeLeftovers(cache);
    const driver = cudaDriver(env);
    const plans = plansFor(finder.pinnedVersion, driver, env.ISOTORCH_TORCH_INDEX);
    const kinds = [...new Set(plans.map(({ kind }) => kind))];
    requireSpace(cache, kinds[0]);

    const temporary = join(cache, `.making-${process.pid}-${Date.now()}`);
    try {
      const python = await makeEnvironment(step, temporary, env);
      const kind = await installWheel(step, python, plans, env);
      if (kind !== kinds[0])
        step.note('there is a GPU, but no CUDA build of LibTorch could be had: this is the CPU one');
      const folder = torchFolder(temporary);
      const libtorch = folder ? finder.inspect(folder, 'cache', true) : 'pip installed no torch package';
      if (typeof libtorch === 'string') throw new SetupError(`What pip installed is no LibTorch: ${libtorch}`);

      const place = join(cache, `libtorch-${libtorch.version}-${libtorch.build === 'cpu' ? 'cpu' : 'cuda'}`);
      writeFileSync(join(temporary, 'complete'), `${relative(temporary, folder)}\n`);
      rmSync(place, { recursive: true, force: true });
      renameSync(temporary, place);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  } finally {
    release();
  }
}

/** What to ask pip for, best first. `driver`: the CUDA version that the GPU's driver serves, or undefined without a GPU. */
export function plansFor(version, driver, index) {
  const plan = (tag, kind) => [
    // pip's own configuration may know a mirror or a folder of wheels; PyPI answers "no such version" at once.
    { kind, requirement: `torch==${version}+${tag}`, options: ['--retries', '0', '--timeout', '20'] },
    { kind, requirement: `torch==${version}+${tag}`, options: ['--extra-index-url', `${officialIndex}/${tag}`] },
  ];
  const kind = driver === undefined ? 'cpu' : 'cuda';
  if (index) return [{ kind, requirement: `torch==${version}`, options: ['--extra-index-url', index] }];
  if (process.platform !== 'linux') return [{ kind: 'cpu', requirement: `torch==${version}`, options: [] }];
  // A driver runs every CUDA of its own major version.
  const tags = driver === undefined ? [] : driver >= 13 ? ['cu130'] : driver >= 12 ? ['cu126', 'cu128'] : [];
  return [...tags.flatMap((tag) => plan(tag, 'cuda')), ...plan('cpu', 'cpu')];
}

async function makeEnvironment(step, folder, env) {
  const base = findPython(env);
  requireTools({ python: base?.name }, ['python']);
  await step.run(base.executable, ['-m', 'venv', folder], { env, label: `a virtual environment with ${base.name}` });
  return process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python3');
}

async function installWheel(step, python, plans, env) {
  const pip = ['-m', 'pip', 'install', '--no-input', '--no-compile', '--disable-pip-version-check'];
  const bar = ['--progress-bar', knowsRawProgress(python) ? 'raw' : 'off'];
  let failure;
  for (const { kind, requirement, options } of plans) {
    const ended = await step.run(python, [...pip, ...bar, ...options, requirement], {
      env,
      allowFailure: true,
      label: `pip install ${requirement}`,
      show: pipLine(),
    });
    if (ended.code !== 0) {
      failure = ended.tail;
      continue;
    }
    // Nothing of ours needs NumPy; Python's torch warns without it, and tests in Python are easier with it.
    const numpy = [...pip, '--retries', '0', '--timeout', '20', '--progress-bar', 'off', 'numpy'];
    await step.run(python, numpy, { env, allowFailure: true, show: pipLine() });
    // One import leaves its byte code, which spares every later Python process some seconds.
    const { PYTHONDONTWRITEBYTECODE: _, ...warm } = env;
    await step.run(python, ['-c', 'import torch'], {
      env: warm,
      allowFailure: true,
      label: 'compiling Python modules',
    });
    return kind;
  }
  throw new SetupError('pip could not install LibTorch', {
    tail: failure,
    next:
      'if this machine has no network, set LIBTORCH to the folder of an unpacked LibTorch, or ISOTORCH_TORCH_INDEX to ' +
      `a package index that has ${plans.at(-1).requirement}`,
  });
}

/** pip's lines for people: the size and the share of the running download, and no warnings about mirrors. */
function pipLine() {
  let file = '';
  return (line) => {
    const [, done, total] = /^Progress (\d+) of (\d+)/.exec(line) ?? [];
    if (total !== undefined) return `${file} ${Math.floor((100 * done) / Math.max(1, total))} %`;
    if (/^(WARNING|DEPRECATION|\[notice\])/.test(line)) return undefined;
    file = /^Downloading (?:\S*\/)?(\S+ \(.*?\))/.exec(line)?.[1] ?? file;
    return line;
  };
}

function knowsRawProgress(python) {
  const answer = spawnSync(python, ['-m', 'pip', '--version'], { encoding: 'utf8' });
  const [, major = 0, minor = 0] = /^pip (\d+)\.(\d+)/.exec(answer.stdout ?? '') ?? [];
  return Number(major) > 24 || (Number(major) === 24 && Number(minor) >= 1);
}

function torchFolder(environment) {
  const lib = join(environment, 'lib');
  const sites = existsSync(lib) ? readdirSync(lib).map((name) => join(lib, name, 'site-packages')) : [];
  return [...sites, join(environment, 'Lib', 'site-packages')].map((site) => join(site, 'torch')).find(existsSync);
}

/** What set-ups that were cut off left behind. We hold the lock, so none of them is at work. */
function removeLeftovers(cache) {
  for (const name of readdirSync(cache)) {
    const unfinished = name.startsWith('libtorch-') && !existsSync(join(cache, name, 'complete'));
    if (name.startsWith('.making-') || unfinished) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

function requireSpace(cache, kind) {
  const { bavail, bsize } = statfsSync(cache);
  if (bavail * bsize >= unpacked[kind]) return;
  const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new SetupError(
    `LibTorch needs about ${gigabytes(unpacked[kind])} in ${cache}, where ${gigabytes(bavail * bsize)} are free`,
    { next: 'make room, or set ISOTORCH_HOME to a folder on another disk' },
  );
}

/** The CUDA version that the NVIDIA driver serves, such as 13; undefined where there is no NVIDIA GPU. */
function cudaDriver(env) {
  if (process.platform !== 'linux') return undefined;
  const answer = spawnSync('nvidia-smi', [], { env, encoding: 'utf8', timeout: 20_000 });
  const version = answer.status === 0 ? /CUDA (?:UMD )?Version: *([\d.]+)/.exec(answer.stdout)?.[1] : undefined;
  if (version) return Number.parseFloat(version);
  return existsSync('/dev/nvidia0') ? 13 : undefined; // in a container without nvidia-smi: take the current one
}
