// `npm run bundle`: one archive for a machine without a network, such as a cluster's node, that has only a Python with
// torch, CMake and a compiler. It holds this Node, the sources and all that builds, tests and measures the addon there:
// docs/bundle.md. gzip, since every tar can read it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createGzip } from 'node:zlib';
import { contents, manifest } from './bundle/contents.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const most = 60e6; // bytes
const { version } = manifest(root);
const name = `isotorch-${version}-${process.platform}-${process.arch}`;

const usage = `Usage: npm run bundle [-- --out FILE]

Writes an archive that builds, tests and measures isotorch on a machine without a network: see docs/bundle.md.

  --out FILE   where to write it (default: build/bundle/${name}.tar.gz)
  --help`;

async function main() {
  const { values: options } = parseArgs({
    options: { out: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  if (options.help) return console.log(usage);
  const out = resolve(options.out ?? join(root, 'build', 'bundle', `${name}.tar.gz`));
  const ready = spawnSync(process.execPath, [join(root, 'scripts', 'setup.mjs'), '--quiet'], { stdio: 'inherit' });
  if (ready.status !== 0) throw new Error('set-up failed, see above');

  mkdirSync(dirname(out), { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'isotorch-bundle-'));
  const unfinished = `${out}.${process.pid}.tmp`;
  try {
    stage(join(work, name));
    await pack(work, unfinished);
    const { size } = statSync(unfinished);
    console.log(`${out}\n${megabytes(size)} of at most ${megabytes(most)}`);
    if (size > most) throw new Error(`the archive has ${size} bytes, more than ${most}: something in it has grown`);
    renameSync(unfinished, out);
  } finally {
    rmSync(unfinished, { force: true });
    rmSync(work, { recursive: true, force: true });
  }
}

/** Lays out the bundle in `folder` and tells what is in it. */
function stage(folder) {
  const tell = (part, count, bytes) =>
    console.log(`${part.padEnd(20)} ${String(count).padStart(6)} files ${megabytes(bytes).padStart(9)}`);
  const node = join(folder, 'bin', 'node');
  copy(process.execPath, node);
  chmodSync(node, 0o755);
  // Symbols for debuggers, an eighth of it; what addons link against is kept.
  if (process.platform === 'linux') spawnSync('strip', [node], { stdio: 'ignore' });
  tell(`Node ${process.versions.node}`, 1, statSync(node).size);
  for (const [part, files] of Object.entries(contents(root))) {
    let bytes = 0;
    for (const [from, to] of files) bytes += copy(from, join(folder, to));
    tell(part, files.length, bytes);
  }
  chmodSync(join(folder, 'run.sh'), 0o755);
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(root), null, 2)}\n`);
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  return statSync(to).size;
}

/** Everything in the folder `name` below `work`, in the order of names and nobody's own. */
async function pack(work, file) {
  const args = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '-cf', '-', '-C', work, name];
  const tar = spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(tar, 'close');
  await pipeline(tar.stdout, createGzip({ level: 9 }), createWriteStream(file));
  const [code] = await ended;
  if (code !== 0) throw new Error(`tar ended with ${code}`);
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

try {
  await main();
} catch (error) {
  console.error(`No bundle was written: ${error.message}`);
  process.exitCode = 1;
}
