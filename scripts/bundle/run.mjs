// What run.sh of a bundle does: builds the addon against the LibTorch of a Python's torch, runs the tests and the
// benchmarks, and leaves their results as JSON. It needs Python with torch, CMake, ninja or make, and a compiler; no npm,
// no network, and no folder but the bundle's own.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { configureLine, jobs, nativeLine, productsIn } from '../setup/building.mjs';
import { SetupError, Step, seconds } from '../setup/progress.mjs';
import { readJson, writeJson } from '../setup/stamps.mjs';
import { checkNode, findTools, requireTools } from '../setup/tools.mjs';

const root = resolve(import.meta.dirname, '..', '..');
const build = join(root, 'build');
const tree = join(build, 'cmake');
const modules = join(root, 'node_modules');

const usage = `Usage: ./run.sh [build | test | bench | all] [options]

  build             builds the addon against the LibTorch of a Python's torch
  test [FILTER …]   builds, then tests: files whose names hold a FILTER, else all. What needs a missing thing
                    (a CUDA device, a data set) is skipped, and the end of the output says so
  bench [SUITE …]   builds, then compares with PyTorch. Default: gpu, where there is no GPU in miniature on the CPU
  all               all three (default)

  --python PATH     a Python that has torch (default: ISOTORCH_PYTHON, the active environment's, python3 on the PATH)
  --results FOLDER  where results go (default: results in the bundle)
  --jobs N          compilers at once (default: by cores and free memory)
  --help

Needs, on the PATH: that Python, cmake 3.18 or later, ninja or make, and a C++20 compiler with its linker (CXX names
another). Nothing is written outside of the bundle's folder and the results.`;

function main() {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      python: { type: 'string' },
      results: { type: 'string' },
      jobs: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (options.help) return console.log(usage);
  const [command = 'all', ...rest] = positionals;
  if (!Object.hasOwn(commands, command)) {
    throw new SetupError(`There is no command "${command}"`, { next: './run.sh --help lists them' });
  }
  if (rest.length > 0 && command !== 'test' && command !== 'bench') {
    throw new SetupError(`"${command}" takes no further words, but got "${rest.join(' ')}"`, { next: 'see --help' });
  }
  if (options.jobs !== undefined && !/^[1-9]\d*$/.test(options.jobs)) {
    throw new SetupError(`--jobs is a number from 1 on, not "${options.jobs}"`, { next: 'see --help' });
  }
  checkNode();
  return commands[command](options, rest, resolve(options.results ?? join(root, 'results')));
}

const commands = {
  build: async (options, _, results) => void (await compile(options, results)),
  test: async (options, filters, results) => test(await compile(options, results), filters, results),
  bench: async (options, suites, results) => bench(await compile(options, results), suites, results),
  async all(options, _, results) {
    const env = await compile(options, results);
    test(env, [], results); // measured all the same if one fails; the exit code tells
    bench(env, [], results);
  },
};

/** Builds what is out of date. Returns the environment in which the addon and its Python are found. */
async function compile(options, results) {
  // Its imports are what was compiled for this Node, so it comes after the check of it.
  const { findTorch } = await import('./torch.mjs');
  const { python, version, libtorch } = findTorch(options.python && { by: '--python', value: options.python });
  const tools = findTools();
  requireTools(tools, ['compiler', 'cmake', 'maker']);
  console.log(`Python ${version}, ${python}\nLibTorch ${libtorch.version} ${libtorch.build}, ${libtorch.path}`);
  console.log(`${tools.compiler}, ${tools.cmake}, ${tools.maker}`);

  const step = new Step('addon');
  const next = 'read the first error above';
  const compiler = process.env.CXX || tools.compiler.split(' ')[0]; // CMake by itself would take any c++ before it
  prepareTree({ root, libtorch: libtorch.path, version: libtorch.version, compiler });
  const plain = process.stdout.isTTY ? {} : { NO_COLOR: '1' };
  const env = { ...process.env, ...plain, ...ownFolders(), LIBTORCH: libtorch.path, ISOTORCH_PYTHON: python };
  await step.run(
    'cmake',
    [
      ...['-S', root, '-B', tree, ...(tools.maker.startsWith('ninja') ? ['-G', 'Ninja'] : [])],
      '-DCMAKE_BUILD_TYPE=Release',
      `-DLIBTORCH=${libtorch.path}`,
      `-DCMAKE_JS_INC=${join(modules, 'node-api-headers', 'include')}`,
      `-DNODE_ADDON_API=${join(modules, 'node-addon-api')}`,
    ],
    { env: { ...env, CXX: compiler }, label: 'configuring', show: configureLine(root, step), next },
  );
  await step.run('cmake', ['--build', tree, '--parallel', String(jobs(options.jobs))], {
    env,
    label: 'compiling (some minutes, once)',
    show: nativeLine(root),
    next,
  });
  const missing = productsIn(join(build, 'Release')).find((file) => !existsSync(file));
  if (missing) throw new SetupError(`The build ended well, but ${missing} is not there`, { next });
  writeJson(join(build, 'libtorch.json'), {
    version: libtorch.version,
    build: libtorch.build,
    path: libtorch.path,
    source: 'LIBTORCH',
  });
  step.done(`built for LibTorch ${libtorch.version}`);

  // The operators' types of this LibTorch, which one of the tests reads.
  const types = new Step('operators');
  await types.run(process.execPath, [join(modules, 'tsx', 'dist', 'cli.mjs'), 'scripts/generate-operators.ts'], {
    cwd: root,
    env,
    label: 'generating',
    next: 'read the error above',
  });
  types.done('generated');
  describe(env, results);
  return env;
}

/** CMake keeps what it found: a tree configured for other `facts` (another LibTorch, another place) starts afresh. */
function prepareTree(facts) {
  const known = join(build, 'bundle.json');
  if (JSON.stringify(readJson(known)) !== JSON.stringify(facts)) rmSync(tree, { recursive: true, force: true });
  writeJson(known, facts);
}

/** Folders of the bundle for what tools keep and pass on, where the environment names none. */
function ownFolders() {
  const own = { HOME: join(build, 'home'), TMPDIR: join(build, 'tmp'), ISOTORCH_HOME: join(build, 'home', 'isotorch') };
  const missing = Object.entries(own).filter(([name]) => !process.env[name]);
  for (const [, folder] of missing) mkdirSync(folder, { recursive: true });
  return Object.fromEntries(missing);
}

/** What the doctor finds, for people and for the results. Its other complaints are no reason to stop. */
function describe(env, results) {
  const doctor = (...args) =>
    spawnSync(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'doctor', ...args], { env, encoding: 'utf8' });
  const diagnosis = JSON.parse(doctor('--json').stdout);
  writeJson(join(results, 'environment.json'), diagnosis);
  console.log(doctor().stdout.trimEnd());
  if (!diagnosis.addon.loads) throw new SetupError('The addon does not load here', { next: 'do what is said above' });
}

function test(env, filters, results) {
  const args = [join(root, 'scripts', 'test.mjs'), ...(filters.length ? filters : ['test/'])];
  const ended = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
  const report = join(build, 'test-results.json');
  if (existsSync(report)) keep(report, join(results, 'tests.json'));
  if (ended.status !== 0) fail('tests');
}

function bench(env, suites, results) {
  for (const suite of suites.length ? suites : ['gpu']) {
    const start = performance.now();
    const file = join(results, `${suite}.json`);
    const tsx = join(modules, 'tsx', 'dist', 'cli.mjs');
    const args = [tsx, join(root, 'benchmarks', 'main.ts'), suite, '--json', file];
    mkdirSync(results, { recursive: true });
    const ended = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
    if (ended.status !== 0) fail(`benchmark ${suite}`);
    else console.log(`benchmark ${suite}: done in ${seconds(performance.now() - start)}`);
  }
}

function keep(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  console.log(`Written to ${to}`);
}

function fail(what) {
  console.error(`Failed: ${what}`);
  process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  const { message, next, tail, code } = error;
  if (tail) console.error(`\n${tail}`);
  console.error(`\nrun.sh stopped: ${message}${next ? `\nNext: ${next}.` : ''}`);
  const foreseen = error instanceof SetupError || /^ERR_(LIBTORCH|PARSE)/.test(code);
  if (!foreseen) console.error(error.stack);
  process.exitCode = 1;
}
