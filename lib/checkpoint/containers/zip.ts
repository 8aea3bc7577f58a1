// The format of torch.save since 1.6: a zip archive with a folder that holds `data.pkl`, a pickle of the object in which tensors are
// references, and one record `data/<key>` for each storage.

import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import { expectStateArchive } from '../formats.js';
import { memoryFor, unpickleInTurns } from '../pickle/reader.js';
import type { StorageRef } from '../pickle/values.js';
import type { ByteSource } from '../source.js';
import { pieceBytes } from '../tensors.js';
import { method } from '../zip/layout.js';
import { type ZipEntry, ZipReader } from '../zip/reader.js';
import { type Container, maxPickleBytes } from './container.js';

/** The newest version of the archive format that PyTorch 2.13 knows (kMaxSupportedFileFormatVersion). */
const newestVersion = 10;

export class ZipContainer implements Container {
  readonly format = 'zip';
  readonly where: string;

  private constructor(
    private readonly source: ByteSource,
    private readonly zip: ZipReader,
    /** The folder in the archive, with its slash. */
    private readonly root: string,
    readonly swapped: boolean,
  ) {
    this.where = `${source.name}: ${root}data.pkl`;
  }

  static async open(source: ByteSource, scripts = false): Promise<ZipContainer> {
    const zip = await ZipReader.open(source);
    const root = expectStateArchive(source, [...zip.entries.keys()], scripts);
    const text = async (name: string) => {
      const entry = zip.entries.get(root + name);
      return (
        entry &&
        Buffer.from(await zip.read(entry, 64))
          .toString('latin1')
          .trim()
      );
    };
    const bad = (problem: string) => new IsotorchError('ERR_FORMAT', `${source.name}: ${problem}`);
    const version = await text('version');
    // A script's version counts something else: its operators.
    if (!scripts && version !== undefined && !(Number(version) >= 1 && Number(version) <= newestVersion)) {
      throw bad(
        `expected a version from 1 to ${newestVersion} in record "version" but found ${JSON.stringify(version)}`,
      );
    }
    const order = (await text('byteorder')) ?? 'little';
    if (order !== 'little' && order !== 'big')
      throw bad(`expected "little" or "big" in record "byteorder" but found ${JSON.stringify(order)}`);
    return new ZipContainer(source, zip, root, order === 'big');
  }

  get name(): string {
    return this.source.name;
  }

  async object(): Promise<unknown> {
    const entry = this.entry('data.pkl');
    const memory = memoryFor(this.source.size, entry.size);
    // A packed pickle may be a thousand times as long as the file.
    if (memory < entry.size)
      throw new IsotorchError(
        'ERR_FORMAT',
        `${this.where}: ${entry.compressedSize} bytes that unpack to ${entry.size}, far more than a checkpoint’s would; it may be made to exhaust memory`,
      );
    const bytes = await this.zip.read(entry, maxPickleBytes);
    return await unpickleInTurns(bytes, { where: this.where, memory, keepForeign: true });
  }

  async *pieces(storage: StorageRef): AsyncGenerator<Uint8Array> {
    let left = storage.nbytes;
    for await (const piece of this.zip.pieces(this.record(storage), pieceBytes)) {
      yield piece.subarray(0, left);
      left -= Math.min(left, piece.length);
    }
  }

  async filler(storage: StorageRef): Promise<((tensor: Tensor) => Promise<void>) | undefined> {
    const entry = this.record(storage);
    return entry.size === storage.nbytes ? await this.zip.filler(entry) : undefined;
  }

  /** Where its bytes start; undefined if they are compressed. */
  async start(storage: StorageRef): Promise<number | undefined> {
    const entry = this.record(storage);
    return entry.method === method.stored ? await this.zip.dataOffset(entry) : undefined;
  }

  private record({ key, nbytes }: StorageRef): ZipEntry {
    const entry = this.entry(`data/${key}`);
    if (entry.size >= nbytes) return entry;
    throw new IsotorchError(
      'ERR_FORMAT',
      `${this.source.name}: storage ${JSON.stringify(key)} should have ${nbytes} bytes but has ${entry.size}`,
    );
  }

  private entry(name: string): ZipEntry {
    const entry = this.zip.entries.get(this.root + name);
    if (entry) return entry;
    throw new IsotorchError(
      'ERR_FORMAT',
      `${this.source.name}: the record ${JSON.stringify(this.root + name)} is missing`,
    );
  }
}
