// Reads zip archives: stored and deflated entries, zip64. Strict, because the file may be hostile: one directory, at the
// end, whose every number is checked against the file's size; entries that overlap, repeat or are encrypted are refused,
// and sizes are believed only as far as the bytes are there. The checksum of everything that is read is verified.

import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import type { ByteSource } from '../source.js';
import { inTurns, sorted, stepsPerTurn } from '../turns.js';
import {
  centralHeader,
  end64Locator,
  end64Record,
  endRecord,
  flags,
  localHeader,
  method,
  saturated16,
  saturated32,
  zip64ExtraId,
} from './layout.js';

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  /** Bytes in the archive. */
  readonly compressedSize: number;
  /** Bytes of content. */
  readonly size: number;
  /** In bytes. */
  readonly nameLength: number;
  readonly headerOffset: number;
  /** Where the next entry or the directory starts: nothing of this entry lies there or beyond. */
  readonly end: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const farApart = 1 << 18;
/** deflate can't do better than 1032 : 1, so a larger size is a lie. */
const maxInflation = 1032;
/** Compressed entries are unpacked in memory; all of an archive together may need no more than this. */
const maxInflated = (size: number) => 8 * size + (64 << 20);

const inflate = promisify(inflateRaw);

export class ZipReader {
  private constructor(
    private readonly source: ByteSource,
    /** By name, in the directory's order. Folders are left out. */
    readonly entries: ReadonlyMap<string, ZipEntry>,
    /** Archives written without checksums have 0 everywhere (`torch.serialization.set_crc32_options(False)`). */
    private readonly checked: boolean,
  ) {}

  /** @throws ERR_FORMAT, saying what is wrong with the archive and at which byte. */
  static async open(source: ByteSource): Promise<ZipReader> {
    const directory = await findDirectory(source);
    const bytes = await source.read(directory.offset, directory.size);
    return await inTurns(ZipReader.reading(source, bytes, directory));
  }

  /** Yields now and then: a directory may have a million entries. */
  private static *reading(source: ByteSource, bytes: Uint8Array, directory: Directory): Generator<void, ZipReader> {
    const entries = yield* parseDirectory(source, bytes, directory);
    yield* checkRoom(source, entries, directory.offset);
    const byName = new Map<string, ZipEntry>();
    let checked = false;
    for (const [i, entry] of entries.entries()) {
      if (i % stepsPerTurn === 0) yield;
      checked ||= entry.crc !== 0;
      if (entry.name.endsWith('/') && entry.size === 0) continue;
      if (byName.has(entry.name)) throw bad(source, `it holds two entries named ${JSON.stringify(entry.name)}`);
      byName.set(entry.name, entry);
    }
    return new ZipReader(source, byName, checked);
  }

  /** The whole content of an entry of at most `limit` bytes. */
  async read(entry: ZipEntry, limit: number): Promise<Uint8Array> {
    if (entry.size > limit) {
      throw bad(
        this.source,
        `entry ${JSON.stringify(entry.name)} has ${entry.size} bytes; at most ${limit} were expected`,
      );
    }
    const start = await this.dataOffset(entry);
    const content =
      entry.method === method.stored
        ? await this.source.read(start, entry.size)
        : await this.inflated(entry, await this.source.read(start, entry.compressedSize));
    this.verify(entry, crc32(content));
    return content;
  }

  /**
   * The content in pieces of `length` bytes (the last may be shorter), each good until the next is asked for. The checksum
   * is verified after the last.
   */
  async *pieces(entry: ZipEntry, length: number): AsyncGenerator<Uint8Array> {
    if (entry.size <= length || entry.method !== method.stored) {
      const content = await this.read(entry, entry.size);
      for (let at = 0; at < content.length; at += length) yield content.subarray(at, at + length);
      return;
    }
    const start = await this.dataOffset(entry);
    const scratch = Buffer.allocUnsafeSlow(length);
    let crc = 0;
    for (let at = 0; at < entry.size; at += length) {
      const piece = await this.source.read(start + at, Math.min(length, entry.size - at), scratch);
      crc = crc32(piece, crc);
      yield piece;
    }
    this.verify(entry, crc);
  }

  /**
   * Fills a tensor's storage with the content; undefined where that takes a copy in between, as `pieces` makes it. What is
   * asked of the file beforehand is done when this has returned.
   */
  async filler(entry: ZipEntry): Promise<((tensor: Tensor) => Promise<void>) | undefined> {
    const { readInto } = this.source;
    if (entry.method !== method.stored || !readInto) return undefined;
    const start = await this.dataOffset(entry);
    return async (tensor) => this.verify(entry, await readInto(tensor, start, entry.size));
  }

  /** Where the entry's bytes start; the header in front of them must agree with the directory. */
  async dataOffset(entry: ZipEntry): Promise<number> {
    const at = entry.headerOffset;
    const say = (problem: string) => bad(this.source, `entry ${JSON.stringify(entry.name)}, byte ${at}: ${problem}`);
    // What follows a large entry is far away: nothing around its header is worth reading along.
    const length = Math.min(localHeader.length + entry.nameLength, this.source.size - at);
    const header = view(
      await (entry.compressedSize < farApart ? this.source.read(at, length) : this.source.readRange(at, length)),
    );
    if (header.readUInt32LE(0) !== localHeader.signature) throw say('expected an entry here');
    const entryFlags = header.readUInt16LE(6);
    const streamed = (entryFlags & flags.descriptor) !== 0;
    if (entryFlags & (flags.encrypted | flags.strongEncryption)) throw say('it is encrypted');
    if (header.readUInt16LE(8) !== entry.method) throw say('its header and the directory disagree on the compression');
    const agrees = (field: number, value: number) =>
      field === value || (streamed && field === 0) || (field === saturated32 && value <= Number.MAX_SAFE_INTEGER);
    if (!agrees(header.readUInt32LE(18), entry.compressedSize) || !agrees(header.readUInt32LE(22), entry.size)) {
      throw say('its header and the directory disagree on the size');
    }
    if (header.readUInt32LE(14) !== entry.crc && !streamed)
      throw say('its header and the directory disagree on the checksum');
    const nameLength = header.readUInt16LE(26);
    const start = at + localHeader.length + nameLength + header.readUInt16LE(28);
    if (start + entry.compressedSize > entry.end)
      throw say(`its ${entry.compressedSize} bytes overlap what follows at byte ${entry.end}`);
    const name = decodeName(header.subarray(localHeader.length, localHeader.length + nameLength));
    if (nameLength !== entry.nameLength || name !== entry.name)
      throw say(`its header calls it ${JSON.stringify(name)}`);
    return start;
  }

  private async inflated(entry: ZipEntry, bytes: Uint8Array): Promise<Uint8Array> {
    const say = (problem: string, cause?: unknown) =>
      new IsotorchError('ERR_FORMAT', `${this.source.name}: entry ${JSON.stringify(entry.name)} ${problem}`, { cause });
    let content: Uint8Array;
    try {
      // One byte more than promised, so that more than promised is seen, and not one more is unpacked.
      content = await inflate(bytes, { maxOutputLength: entry.size + 1 });
    } catch (cause) {
      throw say('can’t be unpacked; the file is damaged', cause);
    }
    if (content.length !== entry.size) throw say(`unpacks to another size than the promised ${entry.size} bytes`);
    return content;
  }

  private verify(entry: ZipEntry, crc: number): void {
    if (!this.checked || crc === entry.crc) return;
    throw bad(
      this.source,
      `the checksum of entry ${JSON.stringify(entry.name)} is ${hex(crc)} instead of ${hex(entry.crc)}: the file is damaged. Fetch or copy it again`,
    );
  }
}

const hex = (crc: number) => crc.toString(16).padStart(8, '0');

const view = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const bad = (source: ByteSource, problem: string) =>
  new IsotorchError('ERR_FORMAT', `${source.name}: not a sound zip archive: ${problem}`);

/** Names are UTF-8 where they say so, and in practice also where they don't. */
const decodeName = (bytes: Uint8Array) => view(bytes).toString('utf8');

interface Directory {
  offset: number;
  size: number;
  count: number;
}

/** A 64-bit field; beyond the safe integers it can't be inside a file, so any such number will do. */
const readSize = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at));

/** Finds the end record, which must close the file, and the directory, which must lie right before it. */
async function findDirectory(source: ByteSource): Promise<Directory> {
  const tailLength = Math.min(source.size, endRecord.length + saturated16);
  const tailStart = source.size - tailLength;
  const tail = view(await source.read(tailStart, tailLength));
  let at = tail.length - endRecord.length;
  const closes = () =>
    tail.readUInt32LE(at) === endRecord.signature && at + endRecord.length + tail.readUInt16LE(at + 20) === tail.length;
  while (at >= 0 && !closes()) at -= 1;
  if (at < 0) throw bad(source, 'it has no end record; it may be cut off');

  const end = tail.subarray(at);
  if (end.readUInt16LE(4) !== end.readUInt16LE(6)) throw bad(source, 'it is a part of an archive in several volumes');
  let limit = tailStart + at;
  let directory: Directory = { offset: end.readUInt32LE(16), size: end.readUInt32LE(12), count: end.readUInt16LE(10) };

  const wide = await findWideDirectory(source, limit);
  if (wide) {
    // Both records describe one directory: a reader that trusts the other must not see another archive.
    const agrees = (field: number, saturated: number, value: number) => field === saturated || field === value;
    if (
      !agrees(directory.offset, saturated32, wide.offset) ||
      !agrees(directory.size, saturated32, wide.size) ||
      !agrees(directory.count, saturated16, wide.count)
    ) {
      throw bad(source, 'its two end records disagree');
    }
    limit = wide.limit;
    directory = wide;
  }
  if (directory.offset + directory.size !== limit) {
    throw bad(
      source,
      `its directory should end at byte ${limit} but is said to end at ${directory.offset + directory.size}`,
    );
  }
  if (directory.count * centralHeader.length > directory.size) {
    throw bad(source, `${directory.count} entries can’t be in a directory of ${directory.size} bytes`);
  }
  return directory;
}

/** The zip64 end record, whose locator would lie right before the end record at `end`. */
async function findWideDirectory(
  source: ByteSource,
  end: number,
): Promise<(Directory & { limit: number }) | undefined> {
  if (end < end64Locator.length) return undefined;
  const locator = view(await source.read(end - end64Locator.length, end64Locator.length));
  if (locator.readUInt32LE(0) !== end64Locator.signature) return undefined;
  const at = readSize(locator, 8);
  if (at + end64Record.length > end - end64Locator.length)
    throw bad(source, 'the place of its zip64 end record is wrong');
  const record = view(await source.read(at, end64Record.length));
  // The record's length counts what follows its first 12 bytes.
  if (record.readUInt32LE(0) !== end64Record.signature || at + 12 + readSize(record, 4) !== end - end64Locator.length) {
    throw bad(source, `byte ${at}: expected a zip64 end record`);
  }
  return { count: readSize(record, 32), size: readSize(record, 40), offset: readSize(record, 48), limit: at };
}

function* parseDirectory(
  source: ByteSource,
  bytes: Uint8Array,
  { offset, count }: Directory,
): Generator<void, Mutable<ZipEntry>[]> {
  const directory = view(bytes);
  const entries: Mutable<ZipEntry>[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (i % stepsPerTurn === 0) yield;
    const say = (problem: string) => bad(source, `directory entry ${i}, byte ${offset + at}: ${problem}`);
    if (at + centralHeader.length > directory.length) throw say('the directory ends early');
    if (directory.readUInt32LE(at) !== centralHeader.signature) throw say('expected an entry here');
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const commentLength = directory.readUInt16LE(at + 32);
    const next = at + centralHeader.length + nameLength + extraLength + commentLength;
    if (next > directory.length) throw say('the directory ends early');
    const nameEnd = at + centralHeader.length + nameLength;
    const entry: Mutable<ZipEntry> = {
      name: decodeName(directory.subarray(at + centralHeader.length, nameEnd)),
      nameLength,
      method: directory.readUInt16LE(at + 10),
      flags: directory.readUInt16LE(at + 8),
      crc: directory.readUInt32LE(at + 16),
      compressedSize: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      headerOffset: directory.readUInt32LE(at + 42),
      end: 0,
    };
    const disk = directory.readUInt16LE(at + 34);
    if (disk !== 0 && disk !== saturated16) throw say('it lies in another volume');
    widen(entry, directory.subarray(nameEnd, nameEnd + extraLength), say);
    checkEntry(entry, source, say);
    entries.push(entry);
    at = next;
  }
  if (at !== directory.length) throw bad(source, `its directory holds more than the ${count} entries that it counts`);
  return entries;
}

/** Takes the 64-bit values from the zip64 extra field, which holds only those that are saturated, in this order. */
function widen(entry: Mutable<ZipEntry>, extra: Buffer, say: (problem: string) => IsotorchError): void {
  const fields = (['size', 'compressedSize', 'headerOffset'] as const).filter((field) => entry[field] === saturated32);
  if (fields.length === 0) return;
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    if (at + 4 + length > extra.length) break;
    if (extra.readUInt16LE(at) === zip64ExtraId) {
      if (length < 8 * fields.length) break;
      for (const [i, field] of fields.entries()) entry[field] = readSize(extra, at + 4 + 8 * i);
      return;
    }
    at += 4 + length;
  }
  throw say('its zip64 sizes are missing');
}

function checkEntry(entry: ZipEntry, source: ByteSource, say: (problem: string) => IsotorchError): void {
  const { name, size, compressedSize, headerOffset } = entry;
  if (name === '' || name.includes('\0')) throw say('its name is not a file name');
  if (name.startsWith('/') || name.split('/').includes('..'))
    throw say(`its name ${JSON.stringify(name)} leaves the archive`);
  if (entry.flags & (flags.encrypted | flags.strongEncryption)) throw say(`${JSON.stringify(name)} is encrypted`);
  if (headerOffset + localHeader.length + compressedSize > source.size) {
    throw say(
      `${JSON.stringify(name)} with ${compressedSize} bytes at byte ${headerOffset} reaches beyond the file’s ${source.size} bytes`,
    );
  }
  if (entry.method === method.stored) {
    if (size !== compressedSize)
      throw say(`${JSON.stringify(name)} is stored, but of two sizes: ${size} and ${compressedSize}`);
  } else if (entry.method === method.deflated) {
    if (size > compressedSize * maxInflation)
      throw say(`${compressedSize} bytes of ${JSON.stringify(name)} can’t unpack to ${size}`);
  } else {
    throw say(
      `${JSON.stringify(name)} is compressed by method ${entry.method}; only stored and deflated entries can be read`,
    );
  }
}

/** No two entries share bytes: each ends where the next begins, at the latest. */
function* checkRoom(
  source: ByteSource,
  entries: readonly Mutable<ZipEntry>[],
  directoryOffset: number,
): Generator<void, void> {
  let inflated = 0;
  let end = directoryOffset;
  let steps = 0;
  const inOrder = yield* sorted(entries, (a, b) => a.headerOffset - b.headerOffset);
  for (let i = inOrder.length - 1; i >= 0; i--) {
    const entry = inOrder[i] as Mutable<ZipEntry>;
    if (++steps % stepsPerTurn === 0) yield;
    entry.end = end;
    if (entry.headerOffset + localHeader.length + entry.compressedSize > end) {
      throw bad(source, `entry ${JSON.stringify(entry.name)} overlaps what follows at byte ${end}`);
    }
    end = entry.headerOffset;
    if (entry.method !== method.stored) inflated += entry.size;
  }
  if (inflated > maxInflated(source.size)) {
    throw bad(source, `its compressed entries would unpack to ${inflated} bytes, far more than a checkpoint’s would`);
  }
}
