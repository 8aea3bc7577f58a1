// `npm run prebuild`: the addon for this platform in prebuilds/<platform>-<arch>/, made by prebuildify through
// binding.gyp, which hands on to CMake. node-gyp empties build/, and prebuildify strips and moves what it finds there, so
// all of it happens in a copy of the sources: the developer's own build stays as it is.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readJson, writeJson } from './setup/stamps.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const platform = `${process.platform}-${process.arch}`;
const sources = [
  'package.json',
  'package-lock.json',
  'binding.gyp',
  'CMakeLists.txt',
  'cmake',
  'native',
  'scripts',
  'lib',
];

function run(command, args, options) {
  const ended = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (ended.error) throw ended.error;
  if (ended.status !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${ended.signal ?? ended.status}`);
}

/** Where this Node's headers are: node-gyp downloads them unless it is told, though most installations have them. */
function nodeHeaders() {
  if (process.env.npm_config_nodedir) return process.env.npm_config_nodedir;
  const prefix = dirname(dirname(process.execPath));
  const version = join(prefix, 'include', 'node', 'node_version.h');
  const [major] = process.versions.node.split('.');
  const same = existsSync(version) && readFileSync(version, 'utf8').includes(`NODE_MAJOR_VERSION ${major}\n`);
  return same ? prefix : undefined;
}

function prebuild() {
  run(process.execPath, [join(root, 'scripts', 'setup.mjs')]);
  const record = readJson(join(root, 'build', 'libtorch.json'));
  const copy = mkdtempSync(join(tmpdir(), 'isotorch-prebuild-'));
  try {
    for (const name of sources) cpSync(join(root, name), join(copy, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
    const nodedir = nodeHeaders();
    const env = {
      ...process.env,
      LIBTORCH: record.path,
      PREBUILD_NODE_GYP: join(root, 'node_modules', '.bin', 'node-gyp'),
      ...(nodedir && { npm_package_config_node_gyp_nodedir: nodedir, npm_config_nodedir: nodedir }),
    };
    const prebuildify = join(root, 'node_modules', 'prebuildify', 'bin.js');
    run(process.execPath, [prebuildify, '--napi', '--strip', '-t', process.versions.node], { cwd: copy, env });

    const target = join(root, 'prebuilds', platform);
    rmSync(target, { recursive: true, force: true });
    cpSync(join(copy, 'prebuilds', platform), target, { recursive: true });
    // What lib/libtorch.ts has to look for, and which sources this is.
    const { native } = readJson(join(copy, 'build', 'stamps.json'));
    writeJson(join(target, 'libtorch.json'), { version: record.version, build: record.build, native });
    for (const name of readdirSync(target)) {
      console.log(`prebuilds/${platform}/${name}  ${Math.ceil(statSync(join(target, name)).size / 1e3)} kB`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

try {
  prebuild();
} catch (error) {
  console.error(`No prebuilds were made: ${error.message}`);
  process.exitCode = 1;
}
