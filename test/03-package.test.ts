// The package as users get it: packed, installed into an empty folder on a PATH with nothing but node and npm, LibTorch
// in a third place. The binaries are those of `npm run prebuild` if they belong to these sources (ISOTORCH_TEST_PACKAGE=1
// makes them anew, which takes some minutes), else the ones just built, laid out in the same way.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { findLibTorch } from '../lib/libtorch.js';
import { needs } from './support/skip.js';

const root = resolve(import.meta.dirname, '..');
const platform = `${process.platform}-${process.arch}`;
const built = join(root, 'build', 'Release');
const manifest = readJson(join(root, 'package.json'));
const ready = existsSync(join(root, 'dist', 'index.js')) && existsSync(join(built, 'isotorch.node'));
const minutes = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'isotorch-package-test-'));
const installed = join(folder, 'project', 'node_modules', 'isotorch');
const tools = join(folder, 'bin');
const home = join(folder, 'home');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: package.json and friends
function readJson(path: string): any {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

function run(command: string, args: string[], cwd: string, env: Record<string, string | undefined> = process.env) {
  const ended = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (ended.error) throw ended.error;
  return { code: ended.status ?? ended.signal, out: ended.stdout, err: ended.stderr };
}

function mustRun(command: string, args: string[], cwd: string, env?: Record<string, string | undefined>): string {
  const { code, out, err } = run(command, args, cwd, env);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${out}${err}`);
  return out;
}

/** The environment of a user without compilers, Python and caches. */
const bare = (more: Record<string, string> = {}) => ({
  PATH: tools,
  HOME: process.env.HOME,
  ISOTORCH_HOME: home,
  ...more,
});

function prebuildsFor(stage: string) {
  const target = join(stage, 'prebuilds', platform);
  const made = join(root, 'prebuilds', platform);
  const stamps = readJson(join(root, 'build', 'stamps.json'));
  if (process.env.ISOTORCH_TEST_PACKAGE) mustRun(process.execPath, [join(root, 'scripts', 'prebuild.mjs')], root);
  if (readJson(join(made, 'libtorch.json'))?.native === stamps?.native) {
    cpSync(made, target, { recursive: true });
    return;
  }
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(built).filter((name) => /\.(node|so|dylib|dll)$/.test(name))) {
    cpSync(join(built, name), join(target, name));
  }
  const { version, build } = readJson(join(root, 'build', 'libtorch.json'));
  writeFileSync(join(target, 'libtorch.json'), JSON.stringify({ version, build }));
}

/** LibTorch's libraries, and no more of it, in a place where nobody looks. */
function moveLibTorch(): string {
  const libtorch = findLibTorch();
  if (!libtorch) throw new Error('no LibTorch');
  const place = join(folder, 'elsewhere', 'libtorch');
  mkdirSync(place, { recursive: true });
  const lib = join(libtorch.path, 'lib');
  try {
    mkdirSync(join(place, 'lib'));
    for (const name of readdirSync(lib).filter((name) => /\.so|\.dylib|\.dll/.test(name))) {
      linkSync(realpathSync(join(lib, name)), join(place, 'lib', name));
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'EXDEV') throw error;
    rmSync(join(place, 'lib'), { recursive: true }); // on another disk: a link has to do
    symlinkSync(lib, join(place, 'lib'));
  }
  writeFileSync(join(place, 'build-version'), `${libtorch.version}+${libtorch.build}\n`);
  return place;
}

needs(ready, 'a checkout that is set up').describe('the packed package', () => {
  const { it } = needs(true, '');
  let contents: string[];

  beforeAll(() => {
    const stage = join(folder, 'stage');
    const skipped = ['node_modules', 'build', 'runs', 'prebuilds', '.git'].map((name) => join(root, name));
    cpSync(root, stage, { recursive: true, filter: (file) => !skipped.includes(file) });
    prebuildsFor(stage);
    const [packed] = JSON.parse(
      mustRun('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], stage),
    );
    contents = packed.files.map(({ path }: { path: string }) => path);

    const npm = (process.env.PATH ?? '')
      .split(delimiter)
      .map((place) => join(place, 'npm'))
      .find(existsSync);
    mkdirSync(tools);
    symlinkSync(process.execPath, join(tools, 'node'));
    symlinkSync(realpathSync(npm ?? ''), join(tools, 'npm'));
    mkdirSync(join(folder, 'project'));
    writeFileSync(join(folder, 'project', 'package.json'), '{ "type": "module" }');
    const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--omit=dev'];
    mustRun('npm', ['install', join(folder, packed.filename), ...flags], join(folder, 'project'), bare());
  }, 10 * minutes);

  it('holds what a user needs and nothing that starts a build', () => {
    for (const path of ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'LICENSE']) {
      expect(contents).toContain(path);
    }
    for (const name of ['isotorch.node', 'libisotorch.so', 'libisomax.so', 'libtorch.json']) {
      if (process.platform === 'linux') expect(contents).toContain(`prebuilds/${platform}/${name}`);
    }
    expect(contents).not.toContain('binding.gyp'); // npm would run node-gyp for it
    expect(contents.filter((path) => /^(test|scripts|lib|build|benchmarks)\//.test(path))).toEqual([]);
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) {
      expect(manifest.scripts).not.toHaveProperty(script);
    }
  });

  it('imports only Node’s modules and its own dependencies', () => {
    const allowed = new Set(Object.keys(manifest.dependencies));
    const dist = join(installed, 'dist');
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
    const wrong = files.flatMap((name) => {
      const source = readFileSync(join(dist, name), 'utf8');
      // import … from 'x', export … from 'x', import 'x', import('x'), require('x'); none of them relative
      const imports = source.matchAll(
        /^(?:import|export)\b[^;'"]*\bfrom '([^'.][^']*)'|^import '([^'.][^']*)'|\b(?:import|require)\('([^'.][^']*)'\)/gm,
      );
      return [...imports]
        .map(([, from, bare, called]) => from ?? bare ?? called ?? '')
        .filter((specifier) => !isBuiltin(specifier) && !allowed.has(specifier.split('/')[0] ?? ''))
        .map((specifier) => `${name}: ${specifier}`);
    });
    expect(wrong).toEqual([]);
    const modules = readdirSync(dirname(installed)).filter((name) => !name.startsWith('.'));
    expect(modules).not.toContain('typescript');
  });

  it('trains where there is no compiler, with the LibTorch that LIBTORCH names', () => {
    const LIBTORCH = moveLibTorch();
    const code = `
      import { readFileSync } from 'node:fs';
      import { tidy, torch } from 'isotorch';
      torch.manualSeed(3);
      const x = torch.randn([32, 8]), labels = torch.arange(32).remainder(4);
      const prototypes = torch.randn([4, 8], { requiresGrad: true });
      const step = () => tidy(() => {
        const logits = torch.ops.isomax.distanceLogits(x, prototypes).mul(10);
        const loss = torch.crossEntropyLoss(logits, labels);
        prototypes.grad = null;
        loss.backward();
        torch.noGrad(() => prototypes.sub_(prototypes.grad, { alpha: 0.05 }));
        return loss.item();
      });
      const losses = Array.from({ length: 20 }, step);
      const maps = process.platform === 'linux' ? readFileSync('/proc/self/maps', 'utf8') : '';
      const mapped = [...new Set(maps.match(/\\/\\S*lib(torch|c10|isotorch|isomax)\\S*\\.so/g))];
      console.log(JSON.stringify({ losses, mapped, version: torch.version }));`;
    writeFileSync(join(folder, 'project', 'train.js'), code);
    const out = mustRun(process.execPath, ['train.js'], join(folder, 'project'), bare({ LIBTORCH }));
    const { losses, mapped, version } = JSON.parse(out);
    expect(losses.at(-1)).toBeLessThan(losses[0] * 0.9);
    expect(version).toBe(findLibTorch()?.version);
    for (const file of mapped) {
      const own = file.startsWith(realpathSync(join(installed, 'prebuilds', platform)));
      const named = file.startsWith(realpathSync(join(LIBTORCH, 'lib')));
      expect(own || named, relative(folder, file)).toBe(true);
    }
    if (process.platform === 'linux')
      expect(mapped).toHaveLength(new Set(mapped.map((file: string) => file.split('/').at(-1))).size);
  });

  it('says where it looked when there is no LibTorch', () => {
    const { code, err } = run(process.execPath, ['-e', "import('isotorch')"], join(folder, 'project'), bare());
    expect(code).not.toBe(0);
    expect(err).toContain('ERR_LIBTORCH_NOT_FOUND');
    expect(err).toMatch(/LIBTORCH: not set\n.*python3: not on the PATH\n/);
    expect(err).toContain(home);
  });

  it('has a command', () => {
    const command = join(folder, 'project', 'node_modules', '.bin', 'isotorch');
    expect(mustRun(command, ['--version'], join(folder, 'project'), bare()).trim()).toContain(manifest.version);
  });
});
