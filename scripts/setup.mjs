// Everything between a bare clone and a running isotorch: npm packages, LibTorch, the native addon, the generated
// operators, the compiled TypeScript. Each step compares content hashes first, so a second run ends within a second.
// Node's own modules only: it runs before anything is installed. `node scripts/setup.mjs --help` lists the options.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { configureLine, cudaProductsIn, jobs, nativeLine, productsIn } from './setup/building.mjs';
import { installLibTorch } from './setup/install.mjs';
import { acquire } from './setup/lock.mjs';
import { SetupError, Step, seconds } from './setup/progress.mjs';
import { filesBelow, fingerprint, modulesOf, packagesDifference, readJson, writeJson } from './setup/stamps.mjs';
import { checkNode, findCuda, findTools, requireTools } from './setup/tools.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const build = join(root, 'build');
const release = join(build, 'Release');
const generator = join(root, 'scripts', 'generate-operators.ts');
const generated = join(root, 'lib', 'generated');
const stampsFile = join(build, 'stamps.json');
const recordFile = join(build, 'libtorch.json'); // read by lib/libtorch.ts
const products = productsIn(release);
const cudaProducts = cudaProductsIn(release);

const usage = `Usage: node scripts/setup.mjs [options]      (npm run setup, npm run build:native, …)

Prepares a checkout of isotorch: installs the npm packages, finds or installs LibTorch, builds the native addon,
generates the typed operators, compiles the TypeScript. Does only what is out of date.

  --only native   stop after the native addon
  --check         change nothing; tell what is there and what would be done (exit 1 if anything)
  --quiet         say nothing when there is nothing to do
  --help

Environment:
  LIBTORCH               a LibTorch to use: the folder that holds lib and include
  ISOTORCH_HOME          where LibTorch and data are kept for all checkouts (default: the user's cache folder)
  ISOTORCH_TORCH_INDEX   a Python package index to install LibTorch from
  CUDA_HOME              a CUDA toolkit, where LibTorch has CUDA (default: nvcc's on the PATH, /usr/local/cuda, /opt/cuda)
  ISOTORCH_CUDA_ARCHITECTURES   compute capabilities to compile kernels for, such as 90 or 80,86 (default: LibTorch's)
  ISOTORCH_JOBS          how many compilers may run at once (default: by cores and free memory)`;

const hash = {
  native: ({ version, build: kind }) => {
    // A CUDA toolkit that comes later is a reason to build.
    const cuda = kind.startsWith('cu') ? { cuda: { kind, ...findCuda() } } : {};
    return fingerprint(root, ['native', 'cmake', 'CMakeLists.txt'], {
      version,
      ...headers(),
      target: platform(),
      ...cuda,
    });
  },
  operators: (native) => {
    const sources = modulesOf(generator).filter((file) => !file.startsWith(generated)); // not its own output
    return fingerprint(
      root,
      sources.map((file) => relative(root, file)),
      { native },
    );
  },
  typescript: () => fingerprint(root, ['lib', 'tsconfig.json'], { typescript: packageVersion('typescript') }),
};
const platform = () => `${process.platform}-${process.arch}`;
const headers = () => ({ addonApi: packageVersion('node-addon-api'), nodeApi: packageVersion('node-api-headers') });
const packageVersion = (name) => readJson(join(root, 'node_modules', name, 'package.json'))?.version;
const stamps = () => readJson(stampsFile) ?? {};
const stamp = (entry) => writeJson(stampsFile, { ...stamps(), ...entry });

// Each step: `due()` tells in words why it has to run, or undefined; `run(step)` does it and returns how it went.
// They are asked in this order, each after the ones before it are done, and share what they find out in `known`.
const known = { finder: undefined, libtorch: undefined, native: undefined };

const packages = {
  name: 'packages',
  due: () => packagesDifference(root),
  async run(step) {
    const cli = process.env.npm_execpath; // set under `npm run`; yarn and pnpm set it to themselves
    const npm = cli?.endsWith('npm-cli.js') ? [process.execPath, cli] : ['npm'];
    // The tools are development dependencies: a NODE_ENV=production of the user's must not leave them out.
    await step.run(npm[0], [...npm.slice(1), 'ci', '--include=dev', '--no-audit', '--no-fund'], {
      cwd: root,
      label: 'npm ci',
      next: 'look at npm’s message above; without network, npm needs a filled cache or a registry that it can reach',
    });
    return `${Object.keys(readJson(join(root, 'node_modules', '.package-lock.json'))?.packages ?? {}).length} installed`;
  },
};

const libtorch = {
  name: 'LibTorch',
  async due() {
    known.finder = await loadFinder();
    known.libtorch = search();
    return known.libtorch ? undefined : 'not found';
  },
  async run(step) {
    await installLibTorch({ step, finder: known.finder, find: search });
    known.libtorch = search();
    const next = 'run `npm run setup` again';
    if (!known.libtorch) throw new SetupError('LibTorch was installed, but is not found', { next });
    return describeLibTorch();
  },
};

const addon = {
  name: 'addon',
  due() {
    known.native = hash.native(known.libtorch);
    const optional = (stamps().cuda ?? []).map((name) => join(release, name)); // what the last build made of them
    const missing = [...products, ...optional].find((file) => !existsSync(file));
    if (missing) return 'not built';
    if (stamps().native !== known.native) return 'its sources or LibTorch have changed';
    return undefined; // the same version in another place needs no new build: the addon holds no paths
  },
  async run(step) {
    const { path } = known.libtorch;
    const tree = join(build, 'cmake');
    const cache = join(tree, 'CMakeCache.txt');
    const cached = existsSync(cache) ? readFileSync(cache, 'utf8') : '';
    // CMake keeps what it found: a tree configured for another LibTorch, or moved here, starts afresh.
    if (!cached.includes(`LIBTORCH:UNINITIALIZED=${path}\n`) || !cached.includes(`HOME_DIRECTORY:INTERNAL=${root}\n`)) {
      rmSync(tree, { recursive: true, force: true });
    }
    const tool = join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js');
    const common = ['--directory', root, '--out', tree, `--CDLIBTORCH=${path}`];
    const next = 'read the first error above; `npm run clean` and a new run start from nothing';
    for (const file of cudaProducts) rmSync(file, { force: true }); // one of another LibTorch must not be opened
    await step.run(process.execPath, [tool, 'configure', ...common], {
      cwd: root,
      next,
      label: 'configuring',
      show: configureLine(root, step),
    });
    await step.run(process.execPath, [tool, 'build', ...common, '--parallel', String(jobs())], {
      cwd: root,
      next,
      label: 'compiling (some minutes, once)',
      show: nativeLine(root),
    });
    const missing = products.find((file) => !existsSync(file));
    if (missing) throw new SetupError(`The build ended well, but ${missing} is not there`, { next });
    writeRecord(); // before anything loads the addon: the finder goes by it
    const cuda = cudaProducts.filter((file) => existsSync(file)).map((file) => basename(file));
    stamp({ native: known.native, cuda });
    return `built for LibTorch ${known.libtorch.version}`;
  },
};

const operators = {
  name: 'operators',
  due() {
    if (!existsSync(generated)) return 'not generated';
    return stamps().operators === hash.operators(known.native) ? undefined : 'the addon or the generator has changed';
  },
  async run(step) {
    const tsx = join(root, 'node_modules', 'tsx', 'dist', 'cli.mjs');
    // The addon must take the LibTorch that it was built for.
    const env = { ...process.env, LIBTORCH: known.libtorch.path };
    await step.run(process.execPath, [tsx, generator], {
      cwd: root,
      env,
      label: 'generating',
      next: 'read the error above',
    });
    stamp({ operators: hash.operators(known.native) });
    return `${readdirSync(generated).join(', ')} written`;
  },
};

const typescript = {
  name: 'TypeScript',
  due() {
    if (!existsSync(join(root, 'dist', 'index.js'))) return 'not compiled';
    return stamps().typescript === hash.typescript() ? undefined : 'lib has changed';
  },
  async run(step) {
    const current = hash.typescript();
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const info = join(build, 'typescript.tsbuildinfo'); // what tsc knows of the last time; useless without its output
    if (!existsSync(join(root, 'dist', 'index.js'))) rmSync(info, { force: true });
    const incremental = ['--incremental', '--tsBuildInfoFile', info];
    await step.run(process.execPath, [tsc, '-p', 'tsconfig.json', ...incremental], {
      cwd: root,
      label: 'compiling',
      next: 'mend what tsc names above',
    });
    removeOrphans();
    stamp({ typescript: current });
    return 'compiled into dist';
  },
};

async function main() {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string' },
      check: { type: 'boolean' },
      quiet: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (options.help) return console.log(usage);
  if (options.only !== undefined && options.only !== 'native') {
    throw new SetupError(`--only knows "native", not "${options.only}"`, { next: 'see --help' });
  }
  checkNode();
  const steps =
    options.only === 'native' ? [packages, libtorch, addon] : [packages, libtorch, addon, operators, typescript];
  const start = performance.now();

  const reason = await firstDue(steps);
  if (options.check) return check(reason);
  if (reason === undefined) {
    if (readJson(recordFile)?.path !== known.libtorch.path) writeRecord();
    const time = seconds(performance.now() - start);
    if (!options.quiet) console.log(`Set-up: nothing to do (${describeLibTorch()}; ${time})`);
    return;
  }

  console.log(`Set-up (${reason.step.name}: ${reason.why})`);
  const unlock = await acquire(join(build, 'setup.lock'), (owner) =>
    console.log(`  another set-up of this checkout is at work (process ${owner?.pid ?? 'unknown'}): waiting`),
  );
  try {
    let checked = false;
    for (const item of steps) {
      const why = await item.due();
      if (why === undefined) continue;
      if (!checked && item !== operators && item !== typescript) checkTools();
      checked = true;
      const step = new Step(item.name);
      step.done(await item.run(step));
    }
    writeRecord();
  } finally {
    unlock();
  }
  console.log(`Ready in ${seconds(performance.now() - start)} (${describeLibTorch()})`);
}

async function firstDue(steps) {
  for (const step of steps) {
    const why = await step.due();
    if (why !== undefined) return { step, why };
  }
  return undefined;
}

/** All missing tools are named at once, before the first long step. */
function checkTools() {
  const tools = findTools();
  const builders = ['compiler', 'cmake', 'maker'];
  // Python installs LibTorch. Before npm ci the finder can't be loaded, so whether that is needed may not be known yet.
  const needed = known.finder !== undefined && known.libtorch === undefined;
  const likely =
    !process.env.LIBTORCH && known.libtorch === undefined && builders.some((name) => tools[name] === undefined);
  requireTools(tools, needed || likely ? [...builders, 'python'] : builders);
}

function check(reason) {
  console.log(`Node ${process.versions.node}, ${platform()}`);
  for (const [name, found] of Object.entries(findTools())) console.log(`  ${name.padEnd(10)}${found ?? 'missing'}`);
  if (known.libtorch) console.log(`  LibTorch  ${describeLibTorch()}`);
  console.log(
    reason === undefined ? 'Nothing to do.' : `To do: ${reason.step.name} (${reason.why}) and what follows from it.`,
  );
  if (reason !== undefined) process.exitCode = 1;
}

/** lib/libtorch.ts, compiled if that is up to date, else through tsx. */
async function loadFinder() {
  const compiled = join(root, 'dist', 'libtorch.js');
  if (existsSync(compiled) && stamps().typescript === hash.typescript()) return import(pathToFileURL(compiled).href);
  const { tsImport } = await import('tsx/esm/api');
  return tsImport(pathToFileURL(join(root, 'lib', 'libtorch.ts')).href, import.meta.url);
}

/** The LibTorch of the last build if it is still there, else any that fits our sources. */
function search() {
  const record = known.finder.readBuildRecord(root) ?? null;
  const options = { headers: true };
  if (process.env.LIBTORCH || !record?.path)
    return known.finder.findLibTorch(process.env, { ...options, record: null });
  return (
    known.finder.findLibTorch(process.env, { ...options, record }) ??
    known.finder.findLibTorch(process.env, { ...options, record: null })
  );
}

function writeRecord() {
  const { version, build: kind, path, source } = known.libtorch;
  writeJson(recordFile, { version, build: kind, path, source });
}

function describeLibTorch() {
  if (!known.libtorch) return 'no LibTorch';
  const { version, build: kind, source, path } = known.libtorch;
  const from = source === 'LIBTORCH' ? 'named by LIBTORCH' : source === 'python' ? 'of Python' : 'in the cache';
  return `LibTorch ${version} ${kind} ${from}, ${path}`;
}

/** dist keeps nothing whose source has gone from lib. */
function removeOrphans() {
  const dist = join(root, 'dist');
  for (const file of filesBelow(dist)) {
    const source = join(root, 'lib', relative(dist, file)).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
    if (!existsSync(source)) rmSync(file);
  }
}

try {
  await main();
} catch (error) {
  const { message, next, tail, code } = error;
  if (tail) console.error(`\n${tail}`);
  console.error(`\nSet-up stopped: ${message}${next ? `\nNext: ${next}.` : ''}`);
  const foreseen = error instanceof SetupError || code?.startsWith?.('ERR_');
  if (!foreseen) console.error(error.stack);
  process.exitCode = 1;
}
