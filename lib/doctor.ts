// What `isotorch doctor` prints: everything that decides whether isotorch runs here and how fast, and for each thing that
// is wrong the next step. It has to work where nothing else does, so it loads the addon in a child process only: a crash
// or a wrong library there is a finding, not the end of the examination.
import { spawnSync } from 'node:child_process';
import { access, constants, mkdir, readdir, stat } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import {
  cacheFolder,
  type Environment,
  type LibTorch,
  libTorchNotFound,
  minorOf,
  packageFolder,
  packageVersion,
  readBuildRecord,
  type SearchedPlace,
  searchLibTorch,
} from './libtorch.js';
import type { Accelerated, BuildInfo } from './native.js';
import { bytesInWords } from './sizes.js';

export interface Problem {
  what: string;
  /** What to do about it. */
  next: string;
}

export interface Diagnosis {
  isotorch: string;
  node: { version: string; nodeApi: string; executable: string };
  platform: { name: string; libc: string; cores: number; memoryBytes: number };
  libtorch: LibTorch | null;
  /** Where LibTorch was looked for before it was found, and what was there. */
  searched: SearchedPlace[];
  /** The addon's file; `builtFor` is the LibTorch that it was compiled against. */
  addon: { path: string | null; builtFor: string | null; loads: boolean; milliseconds: number | null };
  /** What LibTorch says of itself, where it could be loaded. */
  runtime: (BuildInfo & { accelerator: string | null; devices: string[] }) | null;
  /** Our libraries for the accelerator that LibTorch is built for, there or not. */
  accelerated: Accelerated[];
  /** LibTorch's and OpenMP's libraries that the loaded addon has mapped, with their full paths. Linux only. */
  mapped: string[];
  cache: { path: string; writable: boolean; entries: { name: string; bytes: number }[] };
  /** Image sets known by name, and the folder of each that is here. */
  data: { name: string; folder: string | null }[];
  problems: Problem[];
}

interface Probe {
  path?: string;
  milliseconds?: number;
  runtime?: Diagnosis['runtime'];
  accelerated?: Accelerated[];
  mapped?: string[];
  error?: { code?: string; message: string };
}

const oldestGlibc = 2.28; // what LibTorch's Linux builds ask for
const setup = 'run `npm run setup` in the checkout of isotorch';

/** Examines this machine. Never throws for what it finds: that is in `problems`. `env` is what the child gets too. */
export async function diagnose(env: Environment = process.env): Promise<Diagnosis> {
  const problems: Problem[] = [];
  const { libtorch, searched } = lookForLibTorch(env, problems);
  const record = readBuildRecord();
  const probe = probeAddon(env);
  const addon = {
    path: probe.path ?? null,
    builtFor: probe.runtime?.torchVersion ?? record?.version ?? null,
    loads: probe.runtime != null,
    milliseconds: probe.milliseconds ?? null,
  };
  const diagnosis: Diagnosis = {
    isotorch: packageVersion(),
    node: { version: process.versions.node, nodeApi: process.versions.napi ?? 'unknown', executable: process.execPath },
    platform: {
      name: `${process.platform}-${process.arch}`,
      libc: libc(),
      cores: availableParallelism(),
      memoryBytes: totalmem(),
    },
    libtorch: libtorch ?? null,
    searched,
    addon,
    runtime: probe.runtime ?? null,
    accelerated: probe.accelerated ?? [],
    mapped: probe.mapped ?? [],
    cache: await examineCache(env),
    data: await findData(),
    problems,
  };
  if (libtorch && probe.error) problems.push(loadingProblem(probe.error));
  problems.push(...findProblems(diagnosis, env));
  return diagnosis;
}

/** The diagnosis as lines for a person. */
export function renderDiagnosis(diagnosis: Diagnosis): string {
  const { node, platform, libtorch, searched, addon, runtime, accelerated, mapped, cache, data, problems } = diagnosis;
  const lines: string[] = [`isotorch ${diagnosis.isotorch}`];
  const say = (name: string, ...values: string[]) => {
    for (const [index, value] of values.entries()) lines.push(`  ${(index === 0 ? name : '').padEnd(11)}${value}`);
  };
  say('Node', `${node.version} (Node-API ${node.nodeApi}), ${node.executable}`);
  say(
    'platform',
    `${platform.name}, ${platform.libc}, ${platform.cores} cores, ${bytesInWords(platform.memoryBytes)} memory`,
  );
  if (libtorch) {
    const from = { LIBTORCH: 'named by LIBTORCH', python: 'of the active Python', cache: 'in the cache' };
    say('LibTorch', `${libtorch.version} ${libtorch.build}, ${from[libtorch.source]}`, libtorch.path);
  } else say('LibTorch', 'not found', ...searched.map(({ place, outcome }) => `${place}: ${outcome}`));
  const builtFor = addon.builtFor ? `, built for LibTorch ${addon.builtFor}` : '';
  const loads = addon.loads ? `, loads in ${((addon.milliseconds ?? 0) / 1000).toFixed(2)} s` : ', does not load';
  say('addon', addon.path ? `${addon.path}${builtFor}${loads}` : 'not found');
  if (runtime) {
    say('C++ ABI', runtime.cxx11Abi ? 'cxx11' : 'before cxx11');
    say('threads', `${runtime.threads}, inter-op ${runtime.interopThreads}, CPU capability ${runtime.cpuCapability}`);
    say('devices', ['cpu', ...runtime.devices].join(', '));
  }
  say('CUDA', ...accelerated.map(({ name, problem }) => `${name}: ${problem ?? 'loaded'}`));
  const folders = [...groupBy(mapped, dirname)];
  say('mapped', ...folders.map(([folder, paths]) => `${folder}: ${paths.map((path) => basename(path)).join(', ')}`));
  const entries = cache.entries.map(({ name, bytes }) => `${name} ${bytesInWords(bytes)}`).join(', ');
  say('cache', `${cache.path}${cache.writable ? '' : ' (not writable)'}: ${entries || 'empty'}`);
  say('data', ...data.map(({ name, folder }) => `${name.padEnd(14)}${folder ?? 'not here'}`));
  if (problems.length === 0) lines.push('Everything is in order.');
  for (const { what, next } of problems) lines.push(`✗ ${what.replaceAll('\n', '\n  ')}`, `  → ${next}`);
  return lines.join('\n');
}

function lookForLibTorch(env: Environment, problems: Problem[]) {
  try {
    const { found, searched } = searchLibTorch(env);
    if (!found) problems.push({ what: libTorchNotFound(searched).message.split('\n')[0] ?? '', next: setup });
    return { libtorch: found, searched };
  } catch (error) {
    // LIBTORCH is set to something wrong: the message says what, and its last line what to do.
    const lines = (error as Error).message.split('\n');
    problems.push({ what: lines.slice(0, -1).join('\n') || String(error), next: lines.at(-1) ?? setup });
    return { libtorch: undefined, searched: [] };
  }
}

/** Loads the addon as `import 'isotorch'` would, in a process of its own. */
function probeAddon(env: Environment): Probe {
  const here = extname(import.meta.url); // .ts in a checkout under tsx or vitest, .js once compiled
  const code = `
    const { readFileSync } = await import('node:fs');
    const { createRequire } = await import('node:module');
    const folder = ${JSON.stringify(packageFolder)};
    const result = {};
    try {
      result.path = createRequire(folder + '/package.json')('node-gyp-build').path(folder);
    } catch {} // the import below says it in words
    try {
      const start = performance.now();
      const { native, accelerated } = await import(${JSON.stringify(new URL(`./native${here}`, import.meta.url).href)});
      result.milliseconds = performance.now() - start;
      const accelerator = native.accelerator() ?? null;
      const devices = accelerator ? Array.from({ length: native.deviceCount() }, (_, i) => accelerator + ':' + i) : [];
      result.runtime = { ...native.buildInfo(), accelerator, devices };
      result.accelerated = accelerated;
      if (process.platform === 'linux') {
        const files = readFileSync('/proc/self/maps', 'utf8').split('\\n').map((line) => line.slice(line.indexOf('/')));
        const ours = files.filter((file) => /^\\/.*\\/lib(gomp|omp|iomp5|c10|torch|isotorch|isomax)[^/]*\\.so[^/]*$/.test(file));
        result.mapped = [...new Set(ours)].sort();
      }
    } catch (error) {
      result.error = { code: error.code, message: error.message };
    }
    process.stdout.write('\\n' + JSON.stringify(result));`;
  const loader = here === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
  const child = spawnSync(process.execPath, [...loader, '--input-type=module', '-e', code], {
    cwd: packageFolder,
    env: { ...env },
    encoding: 'utf8',
    timeout: 60_000,
  });
  const answer = child.stdout?.trim().split('\n').at(-1);
  if (child.status === 0 && answer) return JSON.parse(answer) as Probe;
  const how =
    child.error?.message ?? (child.signal ? `was killed by ${child.signal}` : `ended with code ${child.status}`);
  return { error: { message: `A process that loads the addon ${how}\n${child.stderr?.trim() ?? ''}`.trim() } };
}

function loadingProblem({ code, message }: NonNullable<Probe['error']>): Problem {
  const next = {
    ERR_NATIVE_NOT_BUILT: setup,
    ERR_LIBTORCH_VERSION: `${setup}, which builds the addon for the LibTorch that was found`,
  }[code ?? ''];
  const missing = /([\w+.-]+\.so[.\d]*): cannot open shared object file/.exec(message)?.[1];
  if (missing) return { what: message, next: `install the package that has ${missing}; LibTorch asks for it` };
  const tooOld = /version [`'](GLIBC\w*_[\d.]+)' not found/.exec(message)?.[1];
  if (tooOld)
    return { what: message, next: `this system's C or C++ library is older than ${tooOld}: use a newer system` };
  return { what: message, next: next ?? '`npm run clean` and `npm run setup` build the addon anew' };
}

function findProblems(
  { node, platform, libtorch, addon, runtime, accelerated, mapped, cache }: Diagnosis,
  env: Environment,
): Problem[] {
  const problems: Problem[] = [];
  const [major = 0, minor = 0] = node.version.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    problems.push({ what: `Node ${node.version} is older than 20.19`, next: 'install a current Node' });
  }
  const glibc = /^glibc (\d+)\.(\d+)/.exec(platform.libc);
  if (glibc && Number(glibc[1]) + Number(glibc[2]) / 100 < oldestGlibc) {
    problems.push({
      what: `${platform.libc} is older than LibTorch's 2.28`,
      next: 'use a newer system or container image',
    });
  }
  if (libtorch && addon.builtFor && minorOf(libtorch.version) !== minorOf(addon.builtFor)) {
    problems.push({
      what: `The addon was built for LibTorch ${addon.builtFor}, found is ${libtorch.version}`,
      next: setup,
    });
  }
  // Two copies of one library: two OpenMP teams that fight for the cores, or two registries of operators.
  const byName = groupBy(mapped, libraryOf);
  for (const [name, paths] of byName) {
    if (paths.length < 2) continue;
    problems.push({
      what: `${paths.length} copies of ${name} are loaded: ${paths.join(', ')}`,
      next: 'take LD_PRELOAD and LD_LIBRARY_PATH out of the environment, and load only one package that brings LibTorch',
    });
  }
  if (runtime && runtime.threads === 1 && platform.cores > 1 && !env.OMP_NUM_THREADS && !env.MKL_NUM_THREADS) {
    problems.push({
      what: `LibTorch uses 1 thread on ${platform.cores} cores`,
      next: 'look for a second OpenMP above, or call torch.setNumThreads',
    });
  }
  const gpu = mayHaveGpu(env);
  if (runtime && libtorch && gpu && !runtime.accelerator) {
    problems.push(
      libtorch.build === 'cpu'
        ? {
            what: 'There is an NVIDIA GPU, but this LibTorch is a CPU build',
            next: 'set LIBTORCH to a CUDA build, or remove LibTorch from the cache and run `npm run setup`',
          }
        : {
            what: `LibTorch ${libtorch.build} sees no GPU, though the driver's device files are here`,
            next: 'compare `nvidia-smi` with the CUDA version of this LibTorch; in a container, pass the GPU on',
          },
    );
  }
  for (const { name, library, problem } of runtime?.accelerator ? accelerated : []) {
    if (problem === null) continue;
    const loss = {
      graphs: 'Captured steps are no CUDA graphs',
      kernels: 'The distance head runs without kernels of its own',
    };
    problems.push({
      what: `${loss[name]}: ${basename(library)} is not in use, ${problem}`,
      next: `install the CUDA toolkit of LibTorch's CUDA version, or set CUDA_HOME to it, and ${setup}`,
    });
  }
  if (!cache.writable) {
    problems.push({
      what: `The cache ${cache.path} can't be written`,
      next: 'set ISOTORCH_HOME to a folder of your own',
    });
  }
  return problems;
}

const mayHaveGpu = (env: Environment) =>
  process.platform === 'linux' && spawnSync('nvidia-smi', ['-L'], { env: { ...env }, timeout: 20_000 }).status === 0;

/** `libgomp` of `/usr/lib/libgomp.so.1.0.0` and of `libgomp-24e2ab19.so.1`. */
const libraryOf = (path: string) => basename(path).replace(/(-[0-9a-f]{8})?\.so.*$/, '');

function groupBy(paths: readonly string[], key: (path: string) => string): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const path of paths) groups.set(key(path), [...(groups.get(key(path)) ?? []), path]);
  return groups;
}

async function examineCache(env: Environment): Promise<Diagnosis['cache']> {
  const path = cacheFolder(env);
  const writable = await mkdir(path, { recursive: true })
    .then(() => access(path, constants.W_OK))
    .then(
      () => true,
      () => false,
    );
  const names = await readdir(path).catch(() => []); // without the folder there is nothing to list
  const entries = await Promise.all(names.map(async (name) => ({ name, bytes: await bytesIn(join(path, name)) })));
  return { path, writable, entries };
}

/** Bytes of a file, or of all files below a folder; links count as nothing, and so does what vanishes meanwhile. */
async function bytesIn(path: string): Promise<number> {
  const files = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => undefined);
  const paths = files?.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name)) ?? [path];
  const sizes = await Promise.all(
    paths.map((file) =>
      stat(file)
        .then(({ size }) => size)
        .catch(() => 0),
    ),
  );
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

async function findData(): Promise<Diagnosis['data']> {
  const { catalog } = await import('./known/dataSets.js');
  const { findSplit } = await import('./data/locate.js');
  return Promise.all(
    Object.values(catalog).map(async (source) => ({
      name: source.name,
      folder: (await findSplit(source, 'test')) ?? null,
    })),
  );
}

function libc(): string {
  if (process.platform !== 'linux') return process.platform === 'darwin' ? 'libSystem' : 'Windows';
  const report = process.report as NonNullable<typeof process.report> & { excludeNetwork?: boolean };
  report.excludeNetwork = true; // looking up the network's names can take seconds
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'not glibc';
}
