// PyTorch's checkpoints: what `torch.save` writes since 1.6 is read, and what is written `torch.load` reads, with
// `weights_only=True` and `mmap=True` too. The file is a zip archive: `data.pkl`, a pickle of the object in which tensors
// are references, and one record `data/<key>` for each storage. See docs/checkpoints.md for how Python's objects map.

import { IsotorchError } from '../errors.js';
import type { Device } from '../tensor/dtype.js';
import { writeFileAtomically } from './atomicFile.js';
import { expectStateArchive, expectZip } from './formats.js';
import { unpickle } from './pickle/reader.js';
import type { StorageRef } from './pickle/values.js';
import { pickle } from './pickle/writer.js';
import { type ByteSource, openSource } from './source.js';
import { loadTensors, pieceBytes, type StorageReader, TensorTable } from './tensors.js';
import { ZipReader } from './zip/reader.js';
import { ZipWriter } from './zip/writer.js';

export interface LoadTorchOptions {
  /** Where the tensors go, whatever the file says (`map_location`). Default `'cpu'`. */
  device?: Device;
}

/** A pickle of this size would describe ten million tensors. */
const maxPickleBytes = 1 << 30;
/** The newest version of the archive format that PyTorch 2.13 knows (kMaxSupportedFileFormatVersion). */
const newestVersion = 10;

/**
 * Reads a file that `torch.save` wrote in PyTorch 1.6 or later (`torch.load(path, weights_only=True)`). Nothing in the
 * file is executed. A dict becomes a Map, in its order and with its keys' types; a list an array; a tuple a frozen
 * array; None null; an int that is not safe a bigint. Tensors that shared memory share it.
 *
 * @param file a path, or the file's bytes
 * @throws ERR_FILE if it is missing or unreadable; ERR_FORMAT if it is something else, damaged, or holds anything but
 *   tensors and plain values, saying what and at which byte.
 * @example
 * const checkpoint = await loadTorch<Map<string, Tensor>>('model.pth');
 * checkpoint.get('fc.weight')?.shape;
 */
export async function loadTorch<T = unknown>(file: string | Uint8Array, options: LoadTorchOptions = {}): Promise<T> {
  const { device = 'cpu' } = options;
  const source = await openSource(file);
  try {
    await expectZip(source);
    const archive = await Archive.open(source);
    const where = `${source.name}: ${archive.root}data.pkl`;
    const tree = unpickle(await archive.record('data.pkl', maxPickleBytes), { where });
    return (await loadTensors(tree, where, archive, device)) as T;
  } finally {
    await source.close();
  }
}

/**
 * Writes an object of tensors and plain values so that Python reads it (`torch.save`): Maps and plain objects as dicts,
 * Maps with `_metadata` as OrderedDicts, arrays as lists, frozen arrays as tuples, whole numbers as ints, other numbers
 * as floats. Storages are written once, whole, and on `cpu`; Parameters as plain tensors.
 *
 * The file appears whole or not at all. Wait for the promise before you change the tensors: they are copied one by one,
 * and the memory needed beside them is a few MiB at a time.
 *
 * @throws ERR_ARGUMENT for what a checkpoint can't hold, naming its place; ERR_DTYPE for quantised tensors and for
 *   tensors of two dtypes on one memory; ERR_FILE if it can't be written.
 * @example await saveTorch('model.pth', model.stateDict());
 */
export async function saveTorch(path: string, object: unknown): Promise<void> {
  const table = new TensorTable();
  const data = pickle(object, (value, where) => table.describe(value, where));
  await writeFileAtomically(path, async (sink) => {
    // Records, names and order as PyTorch's; the folder's name is free, and the same for every file.
    const zip = new ZipWriter(sink);
    const add = (name: string, content: Uint8Array) => zip.add(`archive/${name}`, content.length, content);
    await add('data.pkl', data);
    await add('.format_version', Buffer.from('1'));
    await add('.storage_alignment', Buffer.from('64'));
    await add('byteorder', Buffer.from('little'));
    for (const { key, nbytes, pieces } of table.storages()) await zip.add(`archive/data/${key}`, nbytes, pieces);
    await add('version', Buffer.from('3\n'));
    await zip.finish();
  });
}

/** The records of a checkpoint. */
class Archive implements StorageReader {
  private constructor(
    private readonly source: ByteSource,
    private readonly zip: ZipReader,
    /** The folder in the archive, with its slash. */
    readonly root: string,
    readonly swapped: boolean,
  ) {}

  static async open(source: ByteSource): Promise<Archive> {
    const zip = await ZipReader.open(source);
    const root = expectStateArchive(source, [...zip.entries.keys()]);
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
    if (version !== undefined && !(Number(version) >= 1 && Number(version) <= newestVersion)) {
      throw bad(
        `expected a version from 1 to ${newestVersion} in record "version" but found ${JSON.stringify(version)}`,
      );
    }
    const order = (await text('byteorder')) ?? 'little';
    if (order !== 'little' && order !== 'big')
      throw bad(`expected "little" or "big" in record "byteorder" but found ${JSON.stringify(order)}`);
    return new Archive(source, zip, root, order === 'big');
  }

  get name(): string {
    return this.source.name;
  }

  private entry(name: string) {
    const entry = this.zip.entries.get(this.root + name);
    if (entry) return entry;
    throw new IsotorchError(
      'ERR_FORMAT',
      `${this.source.name}: the record ${JSON.stringify(this.root + name)} is missing`,
    );
  }

  async record(name: string, limit: number): Promise<Uint8Array> {
    return await this.zip.read(this.entry(name), limit);
  }

  async *pieces({ key, nbytes }: StorageRef): AsyncGenerator<Uint8Array> {
    const entry = this.entry(`data/${key}`);
    if (entry.size < nbytes) {
      throw new IsotorchError(
        'ERR_FORMAT',
        `${this.source.name}: storage ${JSON.stringify(key)} should have ${nbytes} bytes but has ${entry.size}`,
      );
    }
    let left = nbytes;
    for await (const piece of this.zip.pieces(entry, pieceBytes)) {
      yield piece.subarray(0, left);
      left -= Math.min(left, piece.length);
    }
  }
}
