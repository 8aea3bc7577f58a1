// PyTorch's checkpoints: whatever `torch.save` has written is read, in all three formats that it has had, and what is written
// `torch.load` reads, with `weights_only=True` and `mmap=True` too. See docs/checkpoints.md for how Python's objects map.

import { types } from 'node:util';
import { expected } from '../errors.js';
import { type Device, type DType, isDType, isFloating } from '../tensor/dtype.js';
import { writeFileAtomically } from './atomicFile.js';
import { openContainer } from './containers/open.js';
import { isSavedDType, type SavedDType } from './dtypes.js';
import { MappedFile } from './mapped.js';
import { TensorRef } from './pickle/values.js';
import { pickle } from './pickle/writer.js';
import { type ByteSource, openSource } from './source.js';
import { loadTensors } from './tensors.js';
import { TensorTable } from './tensorTable.js';
import { ZipWriter } from './zip/writer.js';

export interface LoadTorchOptions {
  /** Where the tensors go, whatever the file says (`map_location`). Default `'cpu'`. */
  device?: Device;
  /**
   * Map the file into memory instead of reading it: tensors on the CPU then need no copy, where their alignment in the file
   * allows, and only what is used is read. Checksums are not verified, and the file must not be cut off while tensors use it.
   * @default false
   */
  mmap?: boolean;
  /** Converts floating tensors while they are loaded; others keep their dtype. */
  dtype?: DType;
  /** Of the outermost dict only these entries; the bytes of others are not read. */
  keys?: readonly string[] | ((key: string) => boolean);
}

/**
 * Reads a file that any `torch.save` wrote (`torch.load(path, weights_only=True)`): the zip archives of today, the streams of
 * 0.1.10 to 1.5, the tar archives before. Nothing in the file is executed. A dict becomes a Map, in its order and with its keys'
 * types; a list an array; a tuple a frozen array; None null; an int that is not safe a bigint. Tensors that shared memory
 * share it.
 *
 * @param file a path, or the file's bytes
 * @throws ERR_FILE if it is missing or unreadable; ERR_FORMAT if it is something else, damaged, or holds anything but
 *   tensors and plain values, saying what and at which byte; ERR_ARGUMENT if a key is missing, or bytes are to be mapped.
 * @example
 * const checkpoint = await loadTorch<Map<string, Tensor>>('model.pth');
 * checkpoint.get('fc.weight')?.shape;
 * @example await loadTorch('large.pth', { mmap: true, keys: ['model'], dtype: 'bfloat16' });
 */
export async function loadTorch<T = unknown>(file: string | Uint8Array, options: LoadTorchOptions = {}): Promise<T> {
  checkOptions(options);
  const source = await openSource(file);
  try {
    return (await loadFrom(source, options)) as T;
  } finally {
    await source.close();
  }
}

/** `loadTorch` from an open source, which stays open. */
export async function loadFrom(source: ByteSource, options: LoadTorchOptions = {}): Promise<unknown> {
  const { device = 'cpu', mmap = false, dtype, keys } = options;
  if (mmap && source.path === undefined)
    throw expected('the path of a file', 'file, to map it into memory', source.name);
  using mapped = mmap ? MappedFile.open(source) : undefined;
  const container = await openContainer(mapped?.source ?? source);
  const object = await container.object();
  return await loadTensors(keys === undefined ? object : onlyKeys(object, keys), container.where, container, {
    device,
    ...(dtype === undefined ? {} : { dtype: dtype as SavedDType }),
    ...(mapped ? { mapped } : {}),
  });
}

function checkOptions({ mmap, dtype, keys }: LoadTorchOptions): void {
  if (mmap !== undefined && typeof mmap !== 'boolean') throw expected('a boolean', 'mmap', mmap);
  if (dtype !== undefined && !(isDType(dtype) && isSavedDType(dtype) && isFloating(dtype)))
    throw expected('a floating dtype, such as bfloat16,', 'dtype', dtype, 'ERR_DTYPE');
  const fine =
    keys === undefined ||
    typeof keys === 'function' ||
    (Array.isArray(keys) && keys.every((key) => typeof key === 'string'));
  if (!fine) throw expected('an array of strings or a function', 'keys', keys);
}

/** The outermost dict without the entries that are not asked for. */
function onlyKeys(object: unknown, keys: NonNullable<LoadTorchOptions['keys']>): unknown {
  if (!types.isMap(object))
    throw expected(
      'a file that holds a dict, to take keys from',
      'file',
      object instanceof TensorRef ? 'a tensor' : object,
    );
  if (typeof keys !== 'function') {
    const missing = keys.find((key) => !object.has(key));
    if (missing !== undefined) {
      const some = [...object.keys()].slice(0, 10).map((key) => JSON.stringify(String(key)));
      throw expected(`keys that are in the file (${some.join(', ')}${object.size > 10 ? ', …' : ''})`, 'keys', missing);
    }
  }
  const wanted = typeof keys === 'function' ? keys : (key: string) => keys.includes(key);
  for (const key of [...object.keys()]) if (typeof key !== 'string' || !wanted(key)) object.delete(key);
  return object;
}

/**
 * Writes an object of tensors and plain values so that Python reads it (`torch.save`): Maps and plain objects as dicts,
 * Maps with `_metadata` as OrderedDicts, arrays as lists, frozen arrays as tuples, whole numbers as ints, other numbers
 * as floats. Storages are written once, whole, and on `cpu`; Parameters as plain tensors.
 *
 * The file appears whole or not at all, and shows the values at the call: what is written to the tensors meanwhile makes the
 * storage be copied first. Otherwise the memory needed beside them is a few MiB at a time.
 *
 * @throws ERR_ARGUMENT for what a checkpoint can't hold, naming its place; ERR_DTYPE for quantised tensors and for
 *   tensors of two dtypes on one memory; ERR_FILE if it can't be written.
 * @example await saveTorch('model.pth', model.stateDict());
 */
export async function saveTorch(path: string, object: unknown): Promise<void> {
  using table = new TensorTable();
  const data = pickle(object, (value, where) => table.describe(value, where));
  await writeFileAtomically(path, async (sink) => {
    // Records, names and order as PyTorch's; the folder's name is free, and the same for every file.
    const zip = new ZipWriter(sink);
    const add = (name: string, content: Uint8Array) => zip.add(`archive/${name}`, content.length, content);
    await add('data.pkl', data);
    await add('.format_version', Buffer.from('1'));
    await add('.storage_alignment', Buffer.from('64'));
    await add('byteorder', Buffer.from('little'));
    for (const { key, nbytes, bytes } of table.storages()) await zip.add(`archive/data/${key}`, nbytes, bytes);
    await add('version', Buffer.from('3\n'));
    await zip.finish();
  });
}
