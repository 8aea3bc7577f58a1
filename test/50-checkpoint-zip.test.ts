// The zip layer: what it writes it reads, aligned and the same every time; what is not sound it refuses.

import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openSource } from '../lib/checkpoint/source.js';
import { ZipReader } from '../lib/checkpoint/zip/reader.js';
import { archive, bytes } from './support/checkpoints.js';

const open = async (content: Uint8Array) => ZipReader.open(await openSource(content));
const records = {
  'data.pkl': Buffer.from('abc'),
  'data/0': Buffer.alloc(1000, 7),
  'data/1': Buffer.alloc(0),
  version: Buffer.from('3\n'),
};

async function readAll(zip: ZipReader): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  for (const [name, entry] of zip.entries) contents[name] = Buffer.from(await zip.read(entry, 1e6)).toString('latin1');
  return contents;
}

/** A copy with bytes changed at an offset from the first occurrence of a signature (or the last, if `last`). */
function patched(
  original: Uint8Array,
  signature: string,
  offset: number,
  change: Uint8Array,
  last = false,
): Uint8Array {
  const copy = Buffer.from(original);
  const at = last ? copy.lastIndexOf(signature, undefined, 'latin1') : copy.indexOf(signature, 0, 'latin1');
  expect(at).toBeGreaterThanOrEqual(0);
  copy.set(change, at + offset);
  return copy;
}
const central = 'PK\x01\x02';
const local = 'PK\x03\x04';
const end = 'PK\x05\x06';
const u16 = (value: number) => bytes(value & 255, value >> 8);
const u32 = (value: number) => bytes(...[0, 8, 16, 24].map((shift) => (value >>> shift) & 255));

describe('what it writes', () => {
  it('reads again, whatever names and contents', async () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .map((text) => text.replace(/[/\0]/g, '_'))
      .filter((text) => text !== '..');
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, fc.uint8Array({ maxLength: 300 })), async (contents) => {
        const zip = await open(await archive(contents));
        expect(await readAll(zip)).toEqual(
          Object.fromEntries(
            Object.entries(contents).map(([key, content]) => [
              `archive/${key}`,
              Buffer.from(content).toString('latin1'),
            ]),
          ),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('aligns all data to 64 bytes', async () => {
    const zip = await open(await archive(records));
    for (const entry of zip.entries.values()) expect((await zip.dataOffset(entry)) % 64).toBe(0);
  });

  it('is the same every time', async () => {
    expect(Buffer.compare(await archive(records), await archive(records))).toBe(0);
  });

  it('refuses two entries of one name', async () => {
    const { ZipWriter } = await import('../lib/checkpoint/zip/writer.js');
    const zip = new ZipWriter({ write: async () => {} });
    await zip.add('a', 1, bytes(1));
    await expect(zip.add('a', 1, bytes(1))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(zip.add('b', 2, bytes(1))).rejects.toThrow('Expected 2 bytes');
  });
});

describe('what it reads', () => {
  it('gives large entries in pieces', async () => {
    const zip = await open(await archive(records));
    const sizes: number[] = [];
    for await (const piece of zip.pieces(zip.entries.get('archive/data/0')!, 300)) sizes.push(piece.length);
    expect(sizes).toEqual([300, 300, 300, 100]);
  });

  it('finds the end record behind a comment', async () => {
    const plain = await archive(records);
    const commented = Buffer.concat([patched(plain, end, 20, u16(5), true), Buffer.from('hello')]);
    expect(Object.keys(await readAll(await open(commented)))).toHaveLength(4);
  });

  it('limits what one read may return', async () => {
    const zip = await open(await archive(records));
    await expect(zip.read(zip.entries.get('archive/data/0')!, 999)).rejects.toThrow('has 1000 bytes; at most 999');
  });

  it('reads deflated entries, and no more of them than they promise', async () => {
    const content = Buffer.alloc(5000, 'isotorch ');
    const packed = deflateRawSync(content);
    const good = await deflatedArchive(packed, content.length, 0x00000000);
    // The checksum is 0 throughout, which stands for none.
    expect(await readAll(await open(good))).toEqual({ 'archive/x': content.toString('latin1') });
    for (const size of [content.length - 1, content.length + 1]) {
      const zip = await open(await deflatedArchive(packed, size, 0));
      await expect(readAll(zip)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    }
    await expect(open(await deflatedArchive(packed, packed.length * 1033, 0))).rejects.toThrow('can’t unpack to');
    await expect(readAll(await open(await deflatedArchive(Buffer.alloc(100, 0xff), 500, 0)))).rejects.toThrow(
      'can’t be unpacked',
    );
  });

  async function deflatedArchive(packed: Uint8Array, size: number, crc: number): Promise<Uint8Array> {
    let zip = await archive({ x: packed });
    for (const [signature, offset] of [
      [central, 8],
      [local, 6],
    ] as const) {
      zip = patched(zip, signature, offset, u16(0x800));
      zip = patched(zip, signature, offset + 2, u16(8));
      zip = patched(zip, signature, offset + 8, bytes(u32(crc), u32(packed.length), u32(size)));
    }
    return zip;
  }
});

describe('what it refuses', () => {
  const cases: [string, (good: Buffer) => Uint8Array, string | RegExp][] = [
    ['an empty file', () => Buffer.alloc(0), 'no end record'],
    ['a file cut off in the middle', (good) => good.subarray(0, good.length / 2), 'no end record'],
    ['a file without its last byte', (good) => good.subarray(0, -1), 'no end record'],
    ['a byte after the end', (good) => Buffer.concat([good, Buffer.of(0)]), 'no end record'],
    ['bytes before the archive', (good) => Buffer.concat([Buffer.alloc(10), good]), /not a sound zip archive/],
    [
      'a damaged byte of content',
      (good) => patched(good, 'abc', 0, bytes('b')),
      'the checksum of entry "archive/data.pkl"',
    ],
    ['encrypted entries', (good) => patched(good, central, 8, u16(0x801)), 'is encrypted'],
    ['unknown compression', (good) => patched(good, central, 10, u16(93)), 'method 93'],
    [
      'a size beyond the file',
      (good) => patched(good, central, 20, bytes(u32(1e6), u32(1e6))),
      'reaches beyond the file',
    ],
    ['two sizes of a stored entry', (good) => patched(good, central, 24, u32(2)), 'of two sizes: 2 and 3'],
    ['a place beyond the file', (good) => patched(good, central, 42, u32(0x7fffffff)), 'reaches beyond the file'],
    ['entries that overlap', (good) => patched(good, central, 20, bytes(u32(900), u32(900))), 'overlap'],
    ['two entries in one place', (good) => patched(good, central, 42, u32(0), true), /overlaps/],
    [
      'another name in the header',
      (good) => patched(good, 'archive/data.pklFB', 0, bytes('B')),
      'its header calls it "Brchive/data.pkl"',
    ],
    ['an entry that is none', (good) => patched(good, local, 0, bytes('XX')), 'expected an entry here'],
    ['a directory entry that is none', (good) => patched(good, central, 0, bytes('XX')), 'expected an entry here'],
    ['several volumes', (good) => patched(good, end, 4, u16(1), true), 'several volumes'],
    ['end records that disagree', (good) => patched(good, end, 16, u32(17), true), 'two end records disagree'],
    [
      'a wrong place of the zip64 record',
      (good) => patched(good, 'PK\x06\x07', 8, u32(0xfffffff), true),
      'zip64 end record is wrong',
    ],
    [
      'a wrong count',
      (good) =>
        patched(patched(good, end, 8, bytes(u16(3), u16(3)), true), 'PK\x06\x06', 24, bytes(u32(3), u32(0), u32(3))),
      'more than the 3 entries',
    ],
    [
      'an absurd count',
      (good) => patched(patched(good, end, 10, u16(0xffff), true), 'PK\x06\x06', 32, bytes(u32(0xffffffff), u32(0xff))),
      'entries can’t be in a directory',
    ],
    [
      'a name that leaves the archive',
      (good) =>
        Buffer.from(good.toString('latin1').replaceAll('archive/version', '../../../version'.slice(0, 15)), 'latin1'),
      'leaves the archive',
    ],
    [
      'a name twice',
      (good) => Buffer.from(good.toString('latin1').replaceAll('archive/data/1', 'archive/data/0'), 'latin1'),
      'two entries named "archive/data/0"',
    ],
  ];
  for (const [what, damaged, message] of cases) {
    it(what, async () => {
      const broken = damaged(Buffer.from(await archive(records)));
      const result = open(broken).then(readAll);
      await expect(result).rejects.toMatchObject({ code: 'ERR_FORMAT' });
      await expect(result).rejects.toThrow(message);
    });
  }
});
