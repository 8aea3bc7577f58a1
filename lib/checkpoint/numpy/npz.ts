// NumPy's .npz files: zip archives of .npy files, whose names are those of the arrays.

import { types } from 'node:util';
import { expected, IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import type { Snapshot } from '../../tensor/snapshot.js';
import { writeFileAtomically } from '../atomicFile.js';
import { expectKind } from '../formats.js';
import { MappedFile } from '../mapped.js';
import { type ByteSource, type FileInput, openSource, type PathInput, sectionOf } from '../source.js';
import { pieceBytes } from '../tensors.js';
import { visible } from '../visible.js';
import { method } from '../zip/layout.js';
import { type ZipEntry, ZipReader } from '../zip/reader.js';
import { ZipWriter } from '../zip/writer.js';
import { readNpyHeader } from './header.js';
import { checkMap, type LoadNumpyOptions, mappedArray, npyContent, readArray } from './npy.js';

export interface LoadNpzOptions extends LoadNumpyOptions {
  /** Load these only. @default all */
  keys?: readonly string[];
}

const suffix = '.npy';

/**
 * Reads a .npz file (`np.load(path)`), of `np.savez` or `np.savez_compressed`: tensors by name, in the archive's order. The
 * checksum of everything that is read is verified; what is mapped is not.
 *
 * @param file a path, or the file's bytes
 * @throws as `loadNpy`; ERR_FORMAT for an archive that is not sound or holds something else; ERR_ARGUMENT for `keys` that it
 *   doesn't have
 * @example const { features, labels } = Object.fromEntries(await checkpoint.loadNpz('test.npz'));
 */
export async function loadNpz(
  file: FileInput,
  { mmap = false, keys }: LoadNpzOptions = {},
): Promise<Map<string, Tensor>> {
  checkMap(file, mmap);
  const source = await openSource(file);
  const tensors = new Map<string, Tensor>();
  try {
    await expectKind(source, 'an archive of NumPy arrays (.npz)', 'npz', 'archive');
    const zip = await ZipReader.open(source);
    const entries = arraysIn(zip, source.name);
    using mapped = mmap ? MappedFile.open(source) : undefined;
    for (const name of keys ?? entries.keys()) {
      const entry = entries.get(name);
      if (!entry)
        throw expected(`the name of an array in ${source.name} (${[...entries.keys()].join(', ')})`, 'key', name);
      if (!tensors.has(name)) tensors.set(name, await loadMember(source, zip, entry, mapped));
    }
    return tensors;
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw error;
  } finally {
    await source.close();
  }
}

/**
 * Writes tensors as a .npz file, not compressed (`np.savez`), whole or not at all. Equal tensors give equal bytes.
 * @throws ERR_DTYPE for dtypes that NumPy doesn't have; ERR_ARGUMENT for what is no tensor; ERR_FILE if it can't be written
 * @example await checkpoint.saveNpz('test.npz', { features, labels });
 */
export async function saveNpz(
  path: PathInput,
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
): Promise<void> {
  const named = types.isMap(tensors) ? [...tensors] : Object.entries(tensors);
  const arrays: ({ name: string } & ReturnType<typeof npyContent>)[] = [];
  try {
    for (const [name, tensor] of named)
      arrays.push({ name, ...npyContent(tensor, `tensors[${JSON.stringify(name)}]`) });
    await writeFileAtomically(path, async (sink) => {
      const zip = new ZipWriter(sink);
      for (const { name, header, values } of arrays)
        await zip.add(name + suffix, header.length + values.nbytes, after(header, values));
      await zip.finish();
    });
  } finally {
    for (const { values } of arrays) values[Symbol.dispose]();
  }
}

async function* after(header: Uint8Array, values: Snapshot): AsyncGenerator<Uint8Array> {
  yield header;
  yield* values.pieces();
}

function arraysIn(zip: ZipReader, name: string): Map<string, ZipEntry> {
  const entries = new Map<string, ZipEntry>();
  for (const [path, entry] of zip.entries) {
    if (!path.endsWith(suffix))
      throw new IsotorchError(
        'ERR_FORMAT',
        `Expected an archive of NumPy arrays but ${name} holds ${visible(path)}, which is no ${suffix} file`,
      );
    entries.set(path.slice(0, -suffix.length), entry);
  }
  return entries;
}

async function loadMember(
  source: ByteSource,
  zip: ZipReader,
  entry: ZipEntry,
  mapped: MappedFile | undefined,
): Promise<Tensor> {
  const name = `${source.name}: ${visible(entry.name).slice(1, -1)}`;
  if (entry.method !== method.stored) {
    const content = await zip.read(entry, entry.size);
    const member = sectionOf(await openSource(content), name, 0, content.length);
    const header = await readNpyHeader(member);
    return await readArray(header, inPieces(content.subarray(header.offset)), name);
  }
  const start = await zip.dataOffset(entry);
  const header = await readNpyHeader(sectionOf(source, name, start, entry.size));
  return (
    mappedArray(header, mapped, start, name) ??
    (await readArray(header, without(header.offset, zip.pieces(entry, pieceBytes)), name))
  );
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** The pieces without the first bytes. All of them are read, since the checksum comes with the last. */
async function* without(skipped: number, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = skipped;
  for await (const piece of pieces) {
    const start = Math.min(left, piece.length);
    left -= start;
    if (start < piece.length) yield piece.subarray(start);
  }
}
