// Where image sets come from: places in order, checksums, Debian's package, a server; failures that say what was tried;
// two processes at once. With small made-up sets on a server of our own, so that no network is needed.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { download } from '../lib/data/download.js';
import { findSplit, readSplit } from '../lib/data/locate.js';
import { cacheFolder, placesOf } from '../lib/data/places.js';
import { readVerified } from '../lib/data/verify.js';
import type { IsotorchError } from '../lib/errors.js';
import { catalog, type Digest, type ImageSource, type Split } from '../lib/known/dataSets.js';
import { needs } from './support/skip.js';

const base = mkdtempSync(join(tmpdir(), 'isotorch-sources-'));
const saved = { ...process.env };
let home: string;

// ---- a small set: 3 + 2 images of 2×2, and a server that has it ----

const idx = (shape: number[], data: number[]): Uint8Array => {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt8(8, 2);
  header.writeUInt8(shape.length, 3);
  shape.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return Buffer.concat([header, Buffer.from(data)]);
};
const contents: Record<string, Uint8Array> = {
  'train-images-idx3-ubyte': idx([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  'train-labels-idx1-ubyte': idx([3], [0, 1, 0]),
  't10k-images-idx3-ubyte': idx([2, 2, 2], [20, 21, 22, 23, 24, 25, 26, 27]),
  't10k-labels-idx1-ubyte': idx([2], [1, 0]),
};
const zipped = Object.fromEntries(Object.entries(contents).map(([name, bytes]) => [name, gzipSync(bytes)]));
const hash = (bytes: Uint8Array, algorithm = 'sha256') =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
const file = (name: string) => ({ name, gzip: hash(zipped[name]!), content: hash(contents[name]!) });
const source = (addresses: string[], more: Partial<ImageSource> = {}): ImageSource => ({
  name: 'tiny',
  title: 'Tiny',
  classes: ['a', 'b'],
  licence: 'none',
  homepage: 'https://example.org/tiny',
  torchvision: 'Tiny/raw',
  addresses,
  files: {
    train: { images: file('train-images-idx3-ubyte'), labels: file('train-labels-idx1-ubyte') },
    test: { images: file('t10k-images-idx3-ubyte'), labels: file('t10k-labels-idx1-ubyte') },
  },
  ...more,
});
const test = { pixels: [20, 21, 22, 23, 24, 25, 26, 27], labels: [1, 0], shape: [2, 2, 2] };
const arrays = ({ pixels, labels, shape }: Awaited<ReturnType<typeof readSplit>>) => ({
  pixels: [...pixels],
  labels: [...labels],
  shape,
});

function put(folder: string, split: Split, { gz = true, only = /./ } = {}): string {
  mkdirSync(folder, { recursive: true });
  for (const { name } of Object.values(source([]).files[split])) {
    if (only.test(name)) writeFileSync(join(folder, gz ? `${name}.gz` : name), gz ? zipped[name]! : contents[name]!);
  }
  return folder;
}

let server: Server;
let address: string;
let requests: string[];
beforeAll(async () => {
  server = createServer((request, response) => {
    const [, kind, name = ''] = request.url!.split('/');
    requests.push(request.url!);
    const body = zipped[name.replace(/\.gz$/, '')];
    if (kind === 'wrong') response.end(gzipSync('something else'));
    else if (kind === 'cut' && body)
      response
        .writeHead(200, { 'content-length': body.length })
        .end(body.subarray(0, 10), () => request.socket.destroy());
    else if (kind === 'silent') response.writeHead(200).write('x');
    else if (kind === 'endless') response.writeHead(200).end(Buffer.alloc(100_000));
    else if (kind === 'good' && body) setTimeout(() => response.end(body), 20);
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(base, { recursive: true, force: true });
});
beforeEach(() => {
  requests = [];
  home = mkdtempSync(join(base, 'home-'));
  process.env = { ...saved, ISOTORCH_HOME: home };
  delete process.env.ISOTORCH_DATA;
});
afterEach(() => {
  process.env = saved;
});

async function failure(attempt: Promise<unknown>): Promise<IsotorchError> {
  return attempt.then(
    () => {
      throw new Error('no error was thrown');
    },
    (error) => error as IsotorchError,
  );
}

describe('places', () => {
  it('are looked at in order: root, ISOTORCH_DATA, the cache, the system', () => {
    process.env.ISOTORCH_DATA = '/data';
    const system = '/usr/share/datasets/tiny';
    const places = placesOf(source([], { debian: { package: 'p', folder: system } }), '/given');
    expect(places.map(({ folder }) => folder)).toEqual([
      ...['/given/tiny', '/given/Tiny/raw', '/given'],
      ...['/data/tiny', '/data/Tiny/raw', '/data'],
      join(home, 'data', 'tiny'),
      system,
    ]);
  });

  it.each(['tiny', 'Tiny/raw', '.'])('a root may have the files in %s, gzipped or not', async (below) => {
    for (const gz of [true, false]) {
      const root = mkdtempSync(join(base, 'root-'));
      put(join(root, below), 'test', { gz });
      const found = await readSplit(source([]), 'test', { root, download: false });
      expect(arrays(found)).toEqual(test);
      expect(found.folder).toBe(join(root, below));
    }
  });

  it('the two splits may lie in different places', async () => {
    process.env.ISOTORCH_DATA = mkdtempSync(join(base, 'data-'));
    put(join(process.env.ISOTORCH_DATA, 'tiny'), 'test');
    put(cacheFolder(source([])), 'train');
    expect((await readSplit(source([]), 'test', { download: false })).folder).toContain('data-');
    expect((await readSplit(source([]), 'train', { download: false })).folder).toBe(cacheFolder(source([])));
  });

  it('a place with only one of the two files is passed over', async () => {
    process.env.ISOTORCH_DATA = put(mkdtempSync(join(base, 'half-')), 'test', { only: /labels/ });
    put(cacheFolder(source([])), 'test');
    expect((await readSplit(source([]), 'test', { download: false })).folder).toBe(cacheFolder(source([])));
  });

  it('findSplit tells where without fetching, and is not taken in by another set', async () => {
    expect(await findSplit(source([`${address}/good/`]), 'test')).toBeUndefined();
    expect(requests).toEqual([]);
    const folder = put(cacheFolder(source([])), 'test');
    expect(await findSplit(source([]), 'test')).toBe(folder);
    writeFileSync(join(folder, 't10k-labels-idx1-ubyte.gz'), gzipSync(idx([2], [1, 1])));
    expect(await findSplit(source([]), 'test')).toBeUndefined();
  });
});

describe('checksums', () => {
  const images = source([]).files.test.images;

  it('accept the published file, any other packing of the same contents, and the plain file', async () => {
    const path = join(home, 'file');
    for (const bytes of [
      zipped[images.name]!,
      gzipSync(contents[images.name]!, { level: 1 }),
      contents[images.name]!,
    ]) {
      writeFileSync(path, bytes);
      expect(Buffer.compare(await readVerified(path, images), contents[images.name]!)).toBe(0);
    }
  });

  it('refuse one flipped bit, wherever it is', async () => {
    const path = join(home, 'file');
    for (const original of [zipped[images.name]!, contents[images.name]!]) {
      for (let byte = 0; byte < original.length; byte++) {
        const damaged = Buffer.from(original);
        damaged[byte]! ^= 1;
        writeFileSync(path, damaged);
        const result = await readVerified(path, images).catch((error: IsotorchError) => error);
        // A bit of gzip's own header (its time stamp, say) may change without changing the contents.
        if (result instanceof Uint8Array) expect(Buffer.compare(result, contents[images.name]!)).toBe(0);
        else expect([result.code, result.message]).toEqual(['ERR_FORMAT', expect.stringContaining(path)]);
      }
    }
  });

  it('without a digest of the contents only the published file will do; md5 works too', async () => {
    const path = join(home, 'file');
    const published = { name: images.name, gzip: hash(zipped[images.name]!, 'md5') };
    writeFileSync(path, zipped[images.name]!);
    expect(Buffer.compare(await readVerified(path, published), contents[images.name]!)).toBe(0);
    writeFileSync(path, contents[images.name]!);
    expect((await failure(readVerified(path, published))).message).toContain('a file that is not gzipped');
    writeFileSync(path, gzipSync('else'));
    expect((await failure(readVerified(path, published))).message).toMatch(
      /expected t10k-images-idx3-ubyte\.gz as published \(md5:\w+\), received md5:\w+;/,
    );
  });

  it('a wrong file in the root given is an error; elsewhere it is passed over and named', async () => {
    const wrong = put(mkdtempSync(join(base, 'wrong-')), 'test');
    writeFileSync(join(wrong, 't10k-images-idx3-ubyte.gz'), gzipSync(idx([2, 2, 2], [0, 0, 0, 0, 0, 0, 0, 0])));
    const given = await failure(readSplit(source([`${address}/good/`]), 'test', { root: wrong }));
    expect([given.code, given.message]).toEqual([
      'ERR_FORMAT',
      expect.stringContaining('damaged or belongs to another data set'),
    ]);

    process.env.ISOTORCH_DATA = wrong;
    const messages: string[] = [];
    const found = await readSplit(source([`${address}/good/`]), 'test', { log: (line) => messages.push(line) });
    expect(arrays(found)).toEqual(test);
    expect(messages[0]).toContain(`passing over Tiny in ${wrong}`);
    expect(messages[1]).toBe(`fetching Tiny from ${address}/good/t10k-images-idx3-ubyte.gz`);
  });

  it('a damaged cache is fetched anew', async () => {
    put(cacheFolder(source([])), 'test');
    writeFileSync(join(cacheFolder(source([])), 't10k-images-idx3-ubyte.gz'), '');
    expect(arrays(await readSplit(source([`${address}/good/`]), 'test'))).toEqual(test);
    expect(statSync(join(cacheFolder(source([])), 't10k-images-idx3-ubyte.gz')).size).toBe(
      zipped['t10k-images-idx3-ubyte']!.length,
    );
  });
});

describe('fetching', () => {
  it('takes the first address that has the right files, then reads the cache', async () => {
    const tiny = source([`${address}/absent/`, `${address}/wrong/`, `${address}/cut/`, `${address}/good/`]);
    expect(arrays(await readSplit(tiny, 'test'))).toEqual(test);
    expect(readdirSync(cacheFolder(tiny)).sort()).toEqual(['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz']);
    expect(readdirSync(join(home, 'data'))).toEqual(['tiny']); // no working folder is left
    requests = [];
    expect(arrays(await readSplit(tiny, 'test'))).toEqual(test);
    expect(requests).toEqual([]);
  });

  it('download: false fetches nothing', async () => {
    const error = await failure(readSplit(source([`${address}/good/`]), 'test', { download: false }));
    expect(error.code).toBe('ERR_DATA');
    expect(requests).toEqual([]);
  });

  it('says every place and way that was tried, and what to do', async () => {
    process.env.ISOTORCH_DATA = join(base, 'nowhere');
    process.env.PATH = home; // no apt-get there
    const tiny = source([`${address}/absent/`, `${address}/wrong/`, 'http://127.0.0.1:1/'], {
      debian: { package: 'dataset-tiny', folder: join(base, 'no-such-folder') },
    });
    const { code, message } = await failure(readSplit(tiny, 'test', { root: join(base, 'given') }));
    expect(code).toBe('ERR_DATA');
    for (const part of [
      'Tiny (test) is not on this machine and could not be fetched. Tried:',
      `  - ${join(base, 'given')} (the root given): not there`,
      `  - ${join(base, 'nowhere', 'tiny')} (ISOTORCH_DATA): not there`,
      `  - ${join(home, 'data', 'tiny')} (our cache): not there`,
      `  - ${join(base, 'no-such-folder')} (Debian's folder): not there`,
      ...(process.platform === 'linux' ? ["  - Debian's package dataset-tiny: apt-get is not installed here"] : []),
      `  - ${address}/absent/t10k-images-idx3-ubyte.gz: the server answered 404 Not Found`,
      `  - ${address}/wrong/t10k-images-idx3-ubyte.gz: expected an IDX magic number`,
      '  - http://127.0.0.1:1/t10k-images-idx3-ubyte.gz: ',
      'Put t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz from https://example.org/tiny into',
      'ISOTORCH_DATA or the option `root`',
    ]) {
      expect(message).toContain(part);
    }
    expect(readdirSync(join(home, 'data'))).toEqual([]); // nothing unverified is left anywhere
  });

  it('says when the cache can not be written', async () => {
    process.env.ISOTORCH_HOME = join(home, 'file');
    writeFileSync(join(home, 'file'), '');
    const { code, message } = await failure(readSplit(source([`${address}/good/`]), 'test'));
    expect([code, message]).toEqual([
      'ERR_DATA',
      expect.stringContaining(`the cache ${join(home, 'file', 'data')} can't be written`),
    ]);
  });

  it('gives up on a server that stops talking, sends too much, or is none', async () => {
    const silent = await failure(download(`${address}/silent/x`, join(home, 'a'), { idleTimeout: 100 }));
    expect([silent.code, silent.message]).toEqual(['ERR_FILE', `${address}/silent/x: nothing arrived for 0.1 s`]);
    const endless = await failure(download(`${address}/endless/x`, join(home, 'b'), { maxBytes: 1000 }));
    expect(endless.message).toBe(`${address}/endless/x: more than 1000 bytes came`);
    const mute = createTcpServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => mute.once('listening', resolve));
    const none = `http://127.0.0.1:${(mute.address() as AddressInfo).port}/x`;
    expect((await failure(download(none, join(home, 'c'), { idleTimeout: 100 }))).message).toContain(
      'nothing arrived for 0.1 s',
    );
    mute.close();
  });

  it('callers in one process share one fetch', async () => {
    const tiny = source([`${address}/good/`]);
    const all = await Promise.all(Array.from({ length: 5 }, () => readSplit(tiny, 'test')));
    expect(all.map(arrays)).toEqual(Array(5).fill(test));
    expect(requests.length).toBe(2);
  });

  it('two processes that fetch at once both get the set, and the cache is whole', async () => {
    const script = `
      import { readSplit } from ${JSON.stringify(new URL('../lib/data/locate.ts', import.meta.url).href)};
      const { pixels, labels, shape } = await readSplit(JSON.parse(process.argv[2]), 'test');
      console.log(JSON.stringify({ pixels: [...pixels], labels: [...labels], shape }));`;
    const path = join(home, 'fetch.mts');
    writeFileSync(path, script);
    const argument = JSON.stringify(source([`${address}/good/`]));
    const tsx = new URL('../node_modules/tsx/dist/cli.mjs', import.meta.url).pathname;
    const run = () => promisify(execFile)(process.execPath, [tsx, path, argument], { env: process.env });
    const [one, two] = await Promise.all([run(), run()]);
    expect([JSON.parse(one.stdout), JSON.parse(two.stdout)]).toEqual([test, test]);
    expect(readdirSync(join(home, 'data'))).toEqual(['tiny']);
    expect(arrays(await readSplit(source([]), 'test', { download: false }))).toEqual(test);
  });

  it('removes working folders that a killed process left, once they are old', async () => {
    const old = join(home, 'data', '.fetch-old');
    const fresh = join(home, 'data', '.fetch-new');
    for (const folder of [old, fresh]) mkdirSync(folder, { recursive: true });
    utimesSync(old, 1_000_000, 1_000_000);
    await readSplit(source([`${address}/good/`]), 'test');
    expect([existsSync(old), existsSync(fresh)]).toEqual([false, true]);
  });
});

const dpkg =
  process.platform === 'linux' &&
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'dpkg-deb')));
const onDebian = needs(dpkg, "Debian's dpkg-deb");

onDebian.describe("Debian's package", () => {
  const folder = '/usr/share/datasets/isotorch-tiny';
  const tiny = () => source([], { debian: { package: 'dataset-tiny', folder } });

  /** A package of the set, recompressed as Debian does, and an `apt-get` that gives it, once its lists are updated if `fresh`. */
  function fakeApt(fresh: boolean): string {
    const root = mkdtempSync(join(base, 'deb-'));
    const tree = join(root, 'tree');
    mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
    mkdirSync(join(tree, folder), { recursive: true });
    writeFileSync(
      join(tree, 'DEBIAN', 'control'),
      'Package: dataset-tiny\nVersion: 1\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: t\n',
    );
    for (const [name, bytes] of Object.entries(contents))
      writeFileSync(join(tree, folder, `${name}.gz`), gzipSync(bytes, { level: 1 }));
    execFileSync('dpkg-deb', ['-b', tree, join(root, 'dataset-tiny_1_all.deb')], { stdio: 'ignore' });
    const bin = join(root, 'bin');
    mkdirSync(bin);
    const log = join(root, 'log');
    writeFileSync(
      join(bin, 'apt-get'),
      `#!/bin/sh
echo "$@" >> ${log}
case "$*" in
  *update) touch ${root}/updated ;;
  *download*) if ${fresh ? `[ ! -e ${root}/updated ]` : 'false'}; then echo "E: Unable to locate package dataset-tiny" >&2; exit 100; fi
    cp ${root}/dataset-tiny_1_all.deb . ;;
esac
`,
    );
    chmodSync(join(bin, 'apt-get'), 0o755);
    process.env.PATH = `${bin}${delimiter}${process.env.PATH}`;
    return log;
  }

  it('is fetched and unpacked into the cache, both splits at once', async () => {
    const log = fakeApt(false);
    expect(arrays(await readSplit(tiny(), 'test'))).toEqual(test);
    expect(readFileSync(log, 'utf8').trim().split('\n')).toHaveLength(1);
    expect(readdirSync(cacheFolder(tiny())).sort()).toEqual(
      Object.keys(contents)
        .map((name) => `${name}.gz`)
        .sort(),
    );
    expect((await readSplit(tiny(), 'train', { download: false })).shape).toEqual([3, 2, 2]);
    expect(readdirSync(join(home, 'data'))).toEqual(['tiny']);
  });

  it('is fetched with package lists of our own where the system has none', async () => {
    const log = fakeApt(true);
    expect(arrays(await readSplit(tiny(), 'test'))).toEqual(test);
    const calls = readFileSync(log, 'utf8').trim().split('\n');
    expect(calls.map((call) => call.match(/(update|download).*$/)![0])).toEqual([
      'download dataset-tiny',
      'update',
      'download dataset-tiny',
    ]);
    expect(calls[0]).not.toContain('Dir::State::Lists');
    for (const call of calls.slice(1)) expect(call).toContain(`Dir::State::Lists=${join(home, 'data')}`);
  });

  it('with the wrong contents is refused', async () => {
    fakeApt(false);
    const other = tiny();
    const wrong: ImageSource = {
      ...other,
      files: {
        ...other.files,
        test: { ...other.files.test, images: { ...other.files.test.images, content: hash(Buffer.of(1)) } },
      },
    };
    const { code, message } = await failure(readSplit(wrong, 'test'));
    expect([code, message]).toEqual(['ERR_DATA', expect.stringContaining("Debian's package dataset-tiny: ")]);
    expect(message).toContain('expected the contents of t10k-images-idx3-ubyte');
  });
});

describe('the catalogue', () => {
  it.each(Object.values(catalog))('$name: four files with well-formed digests, ten classes, https first', (entry) => {
    const files = [entry.files.train, entry.files.test].flatMap(({ images, labels }) => [images, labels]);
    expect(new Set(files.map(({ name }) => name)).size).toBe(4);
    for (const { gzip, content = gzip } of files) {
      for (const digest of [gzip, content]) expect(digest).toMatch(/^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$/);
    }
    expect(new Set(files.map(({ gzip }) => gzip)).size).toBe(4);
    expect(entry.classes).toHaveLength(10);
    expect(entry.addresses[0]).toMatch(/^https:.*\/$/);
  });
});

const real = process.env.ISOTORCH_TEST_DATA ?? new URL('../../shared/data', import.meta.url).pathname;
const withData = needs(existsSync(join(real, 'mnist')), 'the test data (ISOTORCH_TEST_DATA)');

withData.describe('real files', () => {
  it.each([
    ['mnist', 'train', [60000, 28, 28]],
    ['mnist', 'test', [10000, 28, 28]],
    ['kmnist', 'test', [10000, 28, 28]],
    ['notmnist', 'test', [10000, 28, 28]],
  ] as const)('%s %s verifies and reads', async (name, split, shape) => {
    const found = await readSplit(catalog[name], split, { root: real, download: false });
    expect(found.shape).toEqual(shape);
    expect(found.labels.length).toBe(shape[0]);
    expect(Math.max(...found.labels)).toBe(9);
  });

  it('also verify when they are repacked or plain', async () => {
    const { labels } = catalog.mnist.files.test;
    const plain = gunzipSync(readFileSync(join(real, 'mnist', `${labels.name}.gz`)));
    for (const bytes of [plain, gzipSync(plain, { level: 1 })]) {
      writeFileSync(join(home, 'labels'), bytes);
      expect((await readVerified(join(home, 'labels'), labels)).length).toBe(10008);
    }
  });

  it("one set's files are not taken for another's", async () => {
    const error = await failure(
      readSplit(catalog['fashion-mnist'], 'test', { root: join(real, 'mnist'), download: false }),
    );
    expect(error.code).toBe('ERR_FORMAT');
  });
});
