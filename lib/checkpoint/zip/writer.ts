// Writes zip archives as PyTorch does: nothing compressed, every entry's data aligned (so that it can be memory-mapped) by
// a padding in the extra field, sizes and checksum in a descriptor after the data, so that entries of unknown content
// stream through. Byte for byte the layout of `torch.save`, down to zip64 fields, because PyTorch may compute offsets
// from it without reading the directory (`torch.utils.serialization.config.load.calculate_storage_offsets`).
// Times are zero, so equal input gives equal bytes.

import { types } from 'node:util';
import { crc32 } from 'node:zlib';
import { expected } from '../../errors.js';
import { Snapshot } from '../../tensor/snapshot.js';
import type { ByteSink } from '../atomicFile.js';
import {
  centralHeader,
  dataDescriptor,
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

interface Written {
  name: Buffer;
  crc: number;
  size: number;
  headerOffset: number;
}

/** The extra field's id that PyTorch gives its padding: the letters FB. */
const paddingId = 0x4246;
const padding = 'Z'.charCodeAt(0);

export class ZipWriter {
  private readonly entries: Written[] = [];
  private readonly names = new Set<string>();
  private offset = 0;

  constructor(
    private readonly sink: ByteSink,
    /** Data of every entry starts at a multiple of this many bytes. */
    private readonly alignment = 64,
  ) {}

  /** Adds an entry of `size` bytes, which may come in pieces; those of a snapshot, where the sink takes it, without a copy. */
  async add(name: string, size: number, content: Uint8Array | AsyncIterable<Uint8Array> | Snapshot): Promise<void> {
    if (this.names.has(name)) throw expected('a new name', 'name of the entry', name);
    this.names.add(name);
    const headerOffset = this.offset;
    const nameBytes = Buffer.from(name, 'utf8');
    await this.write(this.localHeader(nameBytes, size));
    let crc = 0;
    let written = 0;
    if (content instanceof Snapshot && content.isDirect && this.sink.writeFrom) {
      crc = await this.sink.writeFrom(content);
      written = content.nbytes;
      this.offset += written;
    } else {
      for await (const piece of piecesOf(content)) {
        crc = crc32(piece, crc);
        written += piece.length;
        await this.write(piece);
      }
    }
    if (written !== size) throw expected(`${size} bytes`, `content of entry ${name}`, written);
    const entry = { name: nameBytes, crc, size, headerOffset };
    if (size > 0) await this.write(descriptor(entry));
    this.entries.push(entry);
  }

  /** Writes the directory. Nothing can be added after it. */
  async finish(): Promise<void> {
    const offset = this.offset;
    for (const entry of this.entries) await this.write(directoryEntry(entry));
    const size = this.offset - offset;
    await this.write(end64(this.entries.length, size, offset));
    await this.write(end32(this.entries.length, size, offset));
  }

  private async write(bytes: Uint8Array): Promise<void> {
    await this.sink.write(bytes);
    this.offset += bytes.length;
  }

  private localHeader(name: Buffer, size: number): Buffer {
    const wide = zip64Extra([
      ...(size >= saturated32 ? [size, size] : []),
      ...(this.offset >= saturated32 ? [this.offset] : []),
    ]);
    const unpadded = this.offset + localHeader.length + name.length + wide.length + 4;
    const gap = Math.ceil(unpadded / this.alignment) * this.alignment - unpadded;
    const header = Buffer.alloc(localHeader.length);
    header.writeUInt32LE(localHeader.signature, 0);
    header.writeUInt16LE(flagsOf(size), 6);
    header.writeUInt16LE(method.stored, 8);
    header.writeUInt16LE(name.length, 26);
    header.writeUInt16LE(wide.length + 4 + gap, 28);
    const pad = Buffer.alloc(4 + gap, padding);
    pad.writeUInt16LE(paddingId, 0);
    pad.writeUInt16LE(gap, 2);
    return Buffer.concat([header, name, wide, pad]);
  }
}

const piecesOf = (content: Uint8Array | AsyncIterable<Uint8Array> | Snapshot) =>
  types.isUint8Array(content) ? [content] : content instanceof Snapshot ? content.pieces() : content;

const flagsOf = (size: number) => flags.utf8 | (size > 0 ? flags.descriptor : 0);

function zip64Extra(values: readonly number[]): Buffer {
  if (values.length === 0) return Buffer.alloc(0);
  const extra = Buffer.alloc(4 + 8 * values.length);
  extra.writeUInt16LE(zip64ExtraId, 0);
  extra.writeUInt16LE(8 * values.length, 2);
  for (const [i, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  return extra;
}

function descriptor({ crc, size, headerOffset }: Written): Buffer {
  const wide = size >= saturated32 || headerOffset >= saturated32;
  const bytes = Buffer.alloc(wide ? dataDescriptor.length64 : dataDescriptor.length32);
  bytes.writeUInt32LE(dataDescriptor.signature, 0);
  bytes.writeUInt32LE(crc, 4);
  if (wide) {
    bytes.writeBigUInt64LE(BigInt(size), 8);
    bytes.writeBigUInt64LE(BigInt(size), 16);
  } else {
    bytes.writeUInt32LE(size, 8);
    bytes.writeUInt32LE(size, 12);
  }
  return bytes;
}

function directoryEntry({ name, crc, size, headerOffset }: Written): Buffer {
  const wide = zip64Extra([
    ...(size >= saturated32 ? [size, size] : []),
    ...(headerOffset >= saturated32 ? [headerOffset] : []),
  ]);
  const header = Buffer.alloc(centralHeader.length);
  header.writeUInt32LE(centralHeader.signature, 0);
  header.writeUInt16LE(flagsOf(size), 8);
  header.writeUInt16LE(method.stored, 10);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(Math.min(size, saturated32), 20);
  header.writeUInt32LE(Math.min(size, saturated32), 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(wide.length, 30);
  header.writeUInt32LE(Math.min(headerOffset, saturated32), 42);
  return Buffer.concat([header, name, wide]);
}

/** PyTorch writes the zip64 records always. Version 4.5 of the format (0x2d), made on UNIX (0x03). */
function end64(count: number, size: number, offset: number): Buffer {
  const record = Buffer.alloc(end64Record.length + end64Locator.length);
  record.writeUInt32LE(end64Record.signature, 0);
  record.writeBigUInt64LE(BigInt(end64Record.length - 12), 4);
  record.writeUInt16LE(0x031e, 12);
  record.writeUInt16LE(0x002d, 14);
  record.writeBigUInt64LE(BigInt(count), 24);
  record.writeBigUInt64LE(BigInt(count), 32);
  record.writeBigUInt64LE(BigInt(size), 40);
  record.writeBigUInt64LE(BigInt(offset), 48);
  const at = end64Record.length;
  record.writeUInt32LE(end64Locator.signature, at);
  record.writeBigUInt64LE(BigInt(offset + size), at + 8);
  record.writeUInt32LE(1, at + 16);
  return record;
}

function end32(count: number, size: number, offset: number): Buffer {
  const record = Buffer.alloc(endRecord.length);
  record.writeUInt32LE(endRecord.signature, 0);
  record.writeUInt16LE(Math.min(count, saturated16), 8);
  record.writeUInt16LE(Math.min(count, saturated16), 10);
  record.writeUInt32LE(Math.min(size, saturated32), 12);
  record.writeUInt32LE(Math.min(offset, saturated32), 16);
  return record;
}
