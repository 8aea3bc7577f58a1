// Image sets from files of people's own: PNG folders, tar archives of them, CIFAR's binary layout, NumPy's arrays. All kinds of
// PNG are decoded as the specification says (and as Pillow did with the real sets), and damage is named with its file.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { saveNpy } from '../lib/checkpoint/index.js';
import * as data from '../lib/data/index.js';
import { decodePng } from '../lib/data/png.js';
import { IsotorchError } from '../lib/errors.js';
import { memory, tidy, torch } from '../lib/tensor/index.js';
import { damage, randomFrom } from './support/checkpoints.js';
import { needs } from './support/skip.js';
import { longestTurn } from './support/turns.js';

const golden = JSON.parse(readFileSync(new URL('fixtures/pngs.json', import.meta.url), 'utf8')) as {
  name: string;
  file: string;
  shape: [1 | 3, number, number];
  pixels: string;
}[];
const root = mkdtempSync(join(tmpdir(), 'isotorch-images-'));
afterAll(() => rmSync(root, { recursive: true }));
const shared = process.env.ISOTORCH_TEST_DATA ?? '';

const chunk = (type: string, content: Uint8Array): Buffer => {
  const whole = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1'), content, Buffer.alloc(4)]);
  whole.writeUInt32BE(content.length, 0);
  whole.writeUInt32BE(crc32(whole.subarray(4, -4)), whole.length - 4);
  return whole;
};
const signature = Buffer.from('89504e470d0a1a0a', 'hex');
const header = (width: number, height: number, depth = 8, colour = 0, rest: number[] = [0, 0, 0]): Buffer => {
  const content = Buffer.alloc(13);
  content.writeUInt32BE(width, 0);
  content.writeUInt32BE(height, 4);
  content.set([depth, colour, ...rest], 8);
  return chunk('IHDR', content);
};
const end = chunk('IEND', Buffer.alloc(0));
const pngOf = (...chunks: Uint8Array[]): Buffer => Buffer.concat([signature, ...chunks, end]);
/** Of one value everywhere; three samples a pixel where `colour` is 2. */
function flat(value: number, width = 4, height = 3, colour: 0 | 2 = 2): Buffer {
  const row = 1 + width * (colour === 2 ? 3 : 1);
  const raw = Buffer.alloc(row * height, value);
  for (let i = 0; i < height; i++) raw[i * row] = 0;
  return pngOf(header(width, height, 8, colour), chunk('IDAT', deflateSync(raw)));
}

let folders = 0;
function folderOf(files: Record<string, Uint8Array | string>): string {
  const folder = join(root, `set-${folders++}`);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}
/** The first pixel of each image. */
const firsts = ({ images }: data.ImageDataset): number[] =>
  tidy(() => [...(images.select(1, 0).select(1, 0).select(1, 0).toArraySync() as Uint8Array)]);

describe('a PNG', () => {
  it.each(golden)('is decoded: $name', async ({ file, shape, pixels }) => {
    const picture = await decodePng(Buffer.from(file, 'base64'), 'x.png');
    expect([picture.channels, picture.height, picture.width]).toEqual(shape);
    expect(Buffer.from(picture.pixels).equals(Buffer.from(pixels, 'base64'))).toBe(true);
  });

  const idat = (bytes: number[]) => chunk('IDAT', deflateSync(Buffer.from(bytes)));
  const cases: [string, Uint8Array, string][] = [
    ['of another kind', Buffer.from('GIF89a and so on'), 'it does not begin as one'],
    ['that is empty', new Uint8Array(), 'it does not begin as one'],
    ['without an end', Buffer.concat([signature, header(1, 1), idat([0, 7])]), 'ends without an end'],
    ['that is cut off in a chunk', flat(7).subarray(0, 50), 'reaches beyond the end'],
    ['with a flipped bit', flat(7).map((byte, i) => (i === 45 ? byte ^ 1 : byte)), 'the checksum at byte'],
    ['without a header', pngOf(idat([0, 7])), 'its header is not its first chunk'],
    ['with two headers', pngOf(header(1, 1), header(1, 1), idat([0, 7])), 'its header is not its first chunk'],
    ['of no size', pngOf(header(0, 1), idat([0])), 'a size of 0 × 1'],
    ['of a monstrous size', pngOf(header(2 ** 31 - 1, 2 ** 31 - 1), idat([0])), 'a size of 2147483647'],
    ['of an unknown colour type', pngOf(header(1, 1, 8, 5), idat([0, 7])), 'colour type 5'],
    ['of a depth that does not go with it', pngOf(header(1, 1, 4, 2), idat([0, 7])), 'colour type 2 with 4 bits'],
    ['with an unknown interlacing', pngOf(header(1, 1, 8, 0, [0, 0, 2]), idat([0, 7])), 'that is unknown'],
    ['with an unknown filter', pngOf(header(1, 1), idat([5, 7])), 'the unknown filter 5'],
    ['with too few pixels', pngOf(header(2, 2), idat([0, 7, 7])), 'expected 6 bytes of pixels, received 3'],
    ['with too many', pngOf(header(1, 1), idat([0, 7, 7])), 'it holds more than its pixels'],
    [
      'that unpacks to 100 MB',
      pngOf(header(1, 1), chunk('IDAT', deflateSync(Buffer.alloc(1e8)))),
      'more than its pixels',
    ],
    ['whose pixels are not packed', pngOf(header(1, 1), chunk('IDAT', Buffer.from('nothing'))), 'can’t be unpacked'],
    ['without pixels', pngOf(header(1, 1)), 'can’t be unpacked'],
    ['without its palette', pngOf(header(1, 1, 8, 3), idat([0, 0])), 'a palette of 0 bytes'],
    [
      'beyond its palette',
      pngOf(header(1, 1, 8, 3), chunk('PLTE', Buffer.alloc(6)), idat([0, 2])),
      'colour 2 of a palette of 2',
    ],
    ['of unknown needs', pngOf(header(1, 1), chunk('NEED', Buffer.alloc(1)), idat([0, 7])), 'unknown type "NEED"'],
  ];
  it.each(cases)('is refused: one %s', async (_, file, message) => {
    const error = await decodePng(file, 'broken.png').catch((reason) => reason);
    expect(error).toMatchObject({ code: 'ERR_FORMAT' });
    expect(error.message).toMatch(/^broken\.png: /);
    expect(error.message).toContain(message);
  });

  it('of any damage is decoded or refused', async () => {
    const harmless = async (file: Uint8Array) => {
      try {
        await decodePng(file, 'x.png');
      } catch (error) {
        if (!(error instanceof IsotorchError) || error.code !== 'ERR_FORMAT') throw error;
      }
    };
    for (let run = 0; run < 2000; run++)
      await harmless(damage(Buffer.from(golden[run % golden.length]!.file, 'base64'), randomFrom(run)));
    // Chunks that are sound, of any content.
    const number = fc.oneof(fc.nat(9), fc.constantFrom(16, 2 ** 31, 2 ** 32 - 1));
    const content = fc.uint8Array({ maxLength: 60 });
    const file = fc.tuple(number, number, fc.nat(17), fc.nat(7), content, content, fc.boolean());
    await fc.assert(
      fc.asyncProperty(file, async ([width, height, depth, colour, palette, pixels, interlaced]) => {
        const rest = [0, 0, interlaced ? 1 : 0];
        await harmless(
          pngOf(header(width, height, depth, colour, rest), chunk('PLTE', palette), chunk('IDAT', deflateSync(pixels))),
        );
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a folder of pictures', () => {
  it('has its classes by folder and its order by path, as torchvision’s ImageFolder', async () => {
    const folder = folderOf({
      'dog/b.png': flat(4),
      'dog/a.png': flat(3),
      'cat/z.png': flat(1),
      'cat/deep/a.png': flat(2),
      'cat/.hidden.png': 'no picture',
      '__MACOSX/.png': 'nor this',
      'README.txt': 'a text',
      'Zebra/1.PNG': flat(0),
    });
    const before = memory().tensors;
    using set = await data.imageFolder(folder);
    expect(set.classes).toEqual(['Zebra', 'cat', 'dog']);
    expect([...set.labelArray()]).toEqual([0, 1, 1, 2, 2]);
    expect(firsts(set)).toEqual([0, 1, 2, 3, 4]);
    expect(set.shape).toEqual([3, 3, 4]);
    expect(set.name).toMatch(/^set-/);
    using chosen = await data.imageFolder(folder, { classes: ['dog', 'cat', 'Zebra'], name: 'pets' });
    expect([...chosen.labelArray()]).toEqual([2, 1, 1, 0, 0]);
    await expect(data.imageFolder(folder, { classes: ['dog', 'cat'] })).rejects.toThrow('1.PNG: expected a folder');
    using plain = await data.imageFolder(folder, { labels: false });
    expect(plain.labels).toBeNull();
    set.dispose();
    chosen.dispose();
    plain.dispose();
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });

  it('of pictures alone has no labels, also where they lie in folders inside each other', async () => {
    const folder = folderOf({ 'only/images/10.png': flat(1), 'only/images/9.png': flat(2) });
    for (const path of [folder, join(folder, 'only'), join(folder, 'only/images')]) {
      using set = await data.imageFolder(path);
      expect(set.labels).toBeNull();
      expect(firsts(set)).toEqual([1, 2]); // by text, not by number
    }
    await expect(data.imageFolder(folder, { labels: true })).rejects.toThrow('found one folder');
  });

  it('makes grey pictures coloured and, when asked, coloured ones grey', async () => {
    const folder = folderOf({ 'a.png': flat(9), 'b.png': flat(50, 4, 3, 0) });
    using coloured = await data.imageFolder(folder);
    expect(coloured.shape).toEqual([3, 3, 4]);
    expect(tidy(() => coloured.images.select(0, 1).eq(50).all().item())).toBe(true);
    using grey = await data.imageFolder(folder, { channels: 1 });
    expect(grey.shape).toEqual([1, 3, 4]);
    expect(firsts(grey)).toEqual([9, 50]);
    const other = folderOf({ 'a.png': flat(50, 4, 3, 0), 'b.png': flat(9) });
    await expect(data.imageFolder(other)).rejects.toThrow(/b\.png: expected a grey picture/);
    // As asLike makes them.
    const rainbow = folderOf({
      'x.png': Buffer.from(golden.find(({ name }) => name === 'colour type 2, 8 bits')!.file, 'base64'),
    });
    using own = await data.imageFolder(rainbow, { channels: 1 });
    using full = await data.imageFolder(rainbow);
    using like = data.asLike(full, own);
    expect(tidy(() => own.images.equal(like.images))).toBe(true);
  });

  it('names the picture that is broken, of another size or another format', async () => {
    const broken = folderOf({ 'a/1.png': flat(1), 'b/2.png': flat(2).subarray(0, 60) });
    await expect(data.imageFolder(broken)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringMatching(/b.2\.png/),
    });
    const sizes = folderOf({ '1.png': flat(1), '2.png': flat(2, 5) });
    await expect(data.imageFolder(sizes)).rejects.toThrow(
      /2\.png: expected a picture of 3 × 4 as the first one.*received 3 × 5/,
    );
    await expect(data.imageFolder(sizes, { size: [3, 5] })).rejects.toThrow(
      /1\.png: expected a picture of 3 × 5 as asked for/,
    );
    const photos = folderOf({ '1.png': flat(1), '2.JPG': 'photo' });
    await expect(data.imageFolder(photos)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('2.JPG'),
    });
    const mixed = folderOf({ '1.png': flat(1), 'a/2.png': flat(1) });
    await expect(data.imageFolder(mixed)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('1.png beside'),
    });
    await expect(data.imageFolder(folderOf({ 'a.txt': '' }))).rejects.toThrow('found none');
    await expect(data.imageFolder(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    const loop = folderOf({ 'a/1.png': flat(1) });
    symlinkSync('..', join(loop, 'a', 'up'));
    await expect(data.imageFolder(loop)).rejects.toThrow('a link may lead back');
    for (const options of [{ channels: 2 }, { size: 3 }, { labels: 'yes' }])
      await expect(data.imageFolder(loop, options as never)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('tells how far it is, and ends when it is told to', async () => {
    const folder = folderOf(Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`${i}.png`, flat(1)])));
    const seen: number[] = [];
    using set = await data.imageFolder(folder, { onProgress: ({ done, total }) => seen.push(done / total) });
    expect(set.size).toBe(600);
    expect(seen).toEqual([256 / 600, 512 / 600, 1]);
    const stop = new AbortController();
    const aborted = data.imageFolder(folder, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  needs(spawnSync('tar', ['--version']).status === 0, 'tar').it('may be a tar archive', async () => {
    const folder = folderOf({
      'x/cat/1.png': flat(1),
      [`x/dog/${'long'.repeat(40)}.png`]: flat(2),
      'x/._junk.png': 'no',
    });
    const archive = join(root, 'pets.tar');
    expect(spawnSync('tar', ['-cf', archive, '-C', folder, 'x']).status).toBe(0);
    using set = await data.imageFolder(archive);
    expect(set.classes).toEqual(['cat', 'dog']);
    expect(set.name).toBe('pets');
    using same = await data.imageFolder(folder);
    expect(set.contentHash).toBe(same.contentHash);
    const cut = join(root, 'cut.tar');
    writeFileSync(cut, readFileSync(archive).subarray(0, 1200));
    await expect(data.imageFolder(cut)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    writeFileSync(cut, gzipSync(readFileSync(archive)));
    await expect(data.imageFolder(cut)).rejects.toThrow('unpack it with gunzip');
    writeFileSync(cut, 'no archive');
    await expect(data.imageFolder(cut)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  // sha256 of the pixels [2000, 3, 32, 32] as Pillow 12 decodes them, in the order of their names.
  const archives = {
    'cifar-100-test': '37f769998f3b986483272eeee00921cd62a302ccf04056f950c123832a52262b',
    'tiny-imagenet-32': '8ecbe39213f77de2d90cf6370a0dce8177071d97ba015c3f0664116c4723328e',
  };
  const file = (name: string) => join(shared, 'cifar-10-ood', `${name}.tar`);
  needs(
    Object.keys(archives).every((name) => existsSync(file(name))),
    'the archives of unknown images for CIFAR-10',
  ).it('is decoded as Pillow does, in real sets', async () => {
    for (const [name, hash] of Object.entries(archives)) {
      using set = await data.imageFolder(file(name));
      expect([set.size, set.labels, ...set.shape]).toEqual([2000, null, 3, 32, 32]);
      expect(
        createHash('sha256')
          .update(set.images.toArraySync() as Uint8Array)
          .digest('hex'),
      ).toBe(hash);
    }
  });
});

describe('CIFAR-10', () => {
  const batch = (label: (i: number) => number) => {
    const bytes = new Uint8Array(30_730_000);
    for (let i = 0; i < 10_000; i++) {
      bytes[i * 3073] = label(i);
      bytes[i * 3073 + 1] = i % 251;
      bytes[i * 3073 + 3072] = 7;
    }
    return bytes;
  };

  it('is read from its binary files, in any of the folders', async () => {
    const folder = folderOf({ 'cifar-10-batches-bin/test_batch.bin': batch((i) => i % 10) });
    using set = await data.cifar10({ root: folder, split: 'test' });
    expect(set.toString()).toBe('cifar-10: 10000 images of 3×32×32, 10 classes, on cpu');
    expect([...set.labelArray().slice(8, 12)]).toEqual([8, 9, 0, 1]);
    expect(firsts(set).slice(249, 253)).toEqual([249, 250, 0, 1]);
    expect(tidy(() => set.images.select(1, 2).select(1, 31).select(1, 31).eq(7).all().item())).toBe(true);
    expect(set.statistics).toEqual({ mean: [0.491, 0.482, 0.446], std: [0.247, 0.243, 0.261] });
    await expect(data.cifar10({ root: folder })).rejects.toMatchObject({ code: 'ERR_DATA' });
  });

  it('has a sister with a hundred classes, of whose two labels the fine one counts', async () => {
    const bytes = new Uint8Array(10_000 * 3074);
    for (let i = 0; i < 10_000; i++) bytes.set([i % 20, i % 100, i % 251], i * 3074);
    const folder = folderOf({ 'cifar-100-binary/test.bin': bytes });
    using set = await data.cifar100({ root: folder, split: 'test' });
    expect(set.toString()).toBe('cifar-100: 10000 images of 3×32×32, 100 classes, on cpu');
    expect([...set.labelArray().slice(98, 102)]).toEqual([98, 99, 0, 1]);
    expect(firsts(set).slice(249, 253)).toEqual([249, 250, 0, 1]);
    expect([set.classes[0], set.classes[20], set.classes[99]]).toEqual(['apple', 'chair', 'worm']);
    bytes[3075] = 100;
    const wrong = folderOf({ 'test.bin': bytes });
    await expect(data.cifar100({ root: wrong, split: 'test' })).rejects.toThrow('received 100 in record 1');
    await expect(data.cifar100({ root: folder })).rejects.toThrow('CIFAR-100 (train) is not on this machine');
  });

  it('is refused when it is damaged, and says where it was looked for', async () => {
    const short = folderOf({ 'test_batch.bin': new Uint8Array(3073) });
    await expect(data.cifar10({ root: short, split: 'test' })).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    const wrong = folderOf({ 'test_batch.bin': batch((i) => (i === 77 ? 10 : 0)) });
    await expect(data.cifar10({ root: wrong, split: 'test' })).rejects.toThrow('received 10 in record 77');
    const packed = folderOf({ 'cifar-10/test_batch.bin.xz': 'xz' });
    await expect(data.cifar10({ root: packed, split: 'test' })).rejects.toThrow('unpack them with xz -dk');
    await expect(data.cifar10({ root: root, split: 'val' as never })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(data.cifar10({ root: 5 as never })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  const packed = join(shared, 'cifar-10', 'test_batch.bin.xz');
  needs(existsSync(packed) && spawnSync('xz', ['-V']).status === 0, 'CIFAR-10 and xz').it('is whole', async () => {
    const folder = folderOf({ 'test_batch.bin': spawnSync('xz', ['-dc', packed], { maxBuffer: 64e6 }).stdout });
    using set = await data.cifar10({ root: folder, split: 'test' });
    expect(set.classCounts()).toEqual(new Array(10).fill(1000));
    using bare = set.unlabelled();
    const { mean } = new data.ImageDataset({ images: bare.images.clone(), labels: null }).statistics;
    expect(mean.map((value) => value.toFixed(3))).toEqual(['0.494', '0.485', '0.450']);
  });
});

describe('NumPy’s arrays', () => {
  it('are read with the channels first or last, or none', async () => {
    const path = join(root, 'images.npy');
    const labels = join(root, 'labels.npy');
    const pixels = tidy(() =>
      torch
        .arange(2 * 3 * 4 * 5)
        .remainder(256)
        .to('uint8')
        .view([2, 3, 4, 5])
        .keep(),
    );
    await saveNpy(labels, torch.tensor([1, 0]).to('uint8'));
    const before = memory().tensors;
    const orders: [string, () => typeof pixels][] = [
      ['first', () => pixels],
      ['last', () => pixels.permute([0, 2, 3, 1])],
    ];
    for (const [, order] of orders) {
      using saved = tidy(() => order().clone({ memoryFormat: 'contiguous_format' }));
      await saveNpy(path, saved);
      using set = await data.fromNpy({ images: path, labels, classes: ['a', 'b'], name: 'two' });
      expect(set.images.equal(pixels)).toBe(true);
      expect(set.images.isContiguous()).toBe(true);
      expect([...set.labelArray()]).toEqual([1, 0]);
      expect(set.name).toBe('two');
      set.dispose();
    }
    {
      using grey = tidy(() => pixels.select(1, 0).contiguous());
      await saveNpy(path, grey);
      using set = await data.fromNpy({ images: path });
      expect(set.shape).toEqual([1, 4, 5]);
      expect(set.labels).toBeNull();
      set.dispose();
    }
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });

  it('are refused when they are no images', async () => {
    const save = async (shape: number[], dtype: 'uint8' | 'float32' = 'uint8') => {
      const path = join(root, `${shape.join('-')}-${dtype}.npy`);
      using tensor = torch.ones(shape, { dtype });
      await saveNpy(path, tensor);
      return path;
    };
    const before = memory().tensors;
    const load = (images: string, more = {}) =>
      data.fromNpy({ images, ...more } as data.NpyOptions & { labels: string });
    await expect(load(await save([2, 3, 4, 4], 'float32'))).rejects.toMatchObject({ code: 'ERR_DTYPE' });
    await expect(load(await save([2, 3]))).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    await expect(load(await save([2, 3, 8, 3]))).rejects.toThrow("layout: 'NCHW' or 'NHWC'");
    using chosen = await load(await save([2, 3, 8, 3]), { layout: 'NHWC' });
    expect(chosen.shape).toEqual([3, 3, 8]);
    chosen.dispose();
    const images = await save([2, 3, 4, 4]);
    await expect(load(images, { labels: await save([3]) })).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    await expect(load(images, { labels: await save([2], 'float32') })).rejects.toMatchObject({ code: 'ERR_DTYPE' });
    await expect(load(images, { layout: 'HWC' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });
});

it('a large set is hashed without holding the event loop, to the same hash', async () => {
  const pixels = new Uint8Array(3000 * 3 * 32 * 32).map((_, i) => i % 253);
  const make = () =>
    data.ImageDataset.fromArrays({ images: pixels, shape: [3000, 3, 32, 32], labels: new Uint8Array(3000) });
  using one = make();
  using other = make();
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const hash = await one.hashContent();
  clearInterval(timer);
  expect(turns).toBeGreaterThan(2);
  expect(hash).toBe(other.contentHash);
  expect(await one.hashContent()).toBe(hash);
  expect(await other.unlabelled().hashContent()).not.toBe(hash);
});

const usps = (name: string) => join(shared, 'usps', `${name}-ubyte.gz`);
needs(existsSync(usps('t10k-images-idx3')), 'USPS').it('USPS is read by fromIdx', async () => {
  for (const [part, size] of [
    ['t10k', 2007],
    ['train', 7291],
  ] as const) {
    using set = await data.fromIdx({
      images: usps(`${part}-images-idx3`),
      labels: usps(`${part}-labels-idx1`),
      name: 'usps',
    });
    expect([set.size, ...set.shape, set.classes.length]).toEqual([size, 1, 16, 16, 10]);
  }
});

describe('large PNG files', () => {
  it('of very many chunks, or very many pixels, leave the event loop its turns', async () => {
    const empty = chunk('IDAT', Buffer.alloc(0));
    const pixels = chunk('IDAT', deflateSync(Buffer.alloc(15)));
    const many = pngOf(header(4, 3), Buffer.concat(Array<Buffer>(300_000).fill(empty)), pixels);
    const { result, longest } = await longestTurn(() => decodePng(many, 'many'));
    expect(result.pixels).toEqual(new Uint8Array(12));
    const [width, height] = [3000, 2000];
    const rows = Buffer.alloc(height * (1 + 3 * width), 1); // each row is its predecessor and left neighbour, plus 1
    const big = pngOf(header(width, height, 8, 2), chunk('IDAT', deflateSync(rows, { level: 1 })));
    const other = await longestTurn(() => decodePng(big, 'big'));
    expect([other.result.width, other.result.height]).toEqual([width, height]);
    expect(Math.max(longest, other.longest)).toBeLessThan(250);
  });
});
