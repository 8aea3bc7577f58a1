// PyTorch's checkpoints: whatever `torch.save` has written is read, in all three formats that it has had, and what is written
// `torch.load` reads, with `weights_only=True` and `mmap=True` too. See docs/checkpoints.md for how Python's objects map.

import { types } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import { type Device, type DType, isDType, isFloating } from '../tensor/dtype.js';
import { writeFileAtomically } from './atomicFile.js';
import type { Container } from './containers/container.js';
import { openContainer } from './containers/open.js';
import { isSavedDType, type SavedDType } from './dtypes.js';
import { MappedFile } from './mapped.js';
import { ForeignObject } from './pickle/foreign.js';
import { refusal } from './pickle/refusal.js';
import { ForeignError } from './pickle/tree.js';
import { isTensorRef, OrderedDict } from './pickle/values.js';
import { pickle } from './pickle/writer.js';
import type { ByteSource, PathInput } from './source.js';
import { findWeights } from './stateDicts.js';
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
  /**
   * What becomes of objects of classes that isotorch doesn't know: `'refuse'` the file, or `'keep'` a `ForeignObject`, which says what it
   * was and does nothing.
   * @default 'refuse'
   */
  foreign?: 'refuse' | 'keep';
}

/** `loadTorch` from an open source, which stays open. */
export async function loadFrom(source: ByteSource, options: LoadTorchOptions = {}): Promise<unknown> {
  const { keys } = options;
  using opened = await TorchFile.open(source, options);
  return await opened.load(keys === undefined ? opened.object : onlyKeys(opened.object, keys));
}

/** A file of torch.save whose object is known, in descriptions, and whose tensors can be loaded. The source stays open. */
export class TorchFile implements Disposable {
  private constructor(
    /** What was saved, with descriptions in place of tensors and of objects of unknown classes. */
    readonly object: unknown,
    private readonly container: Container,
    private readonly options: Omit<LoadTorchOptions, 'keys'>,
    private readonly mapped: MappedFile | undefined,
  ) {}

  static async open(source: ByteSource, options: Omit<LoadTorchOptions, 'keys'>): Promise<TorchFile> {
    if (options.mmap && source.path === undefined)
      throw expected('the path of a file', 'file, to map it into memory', source.name);
    const mapped = options.mmap ? MappedFile.open(source) : undefined;
    try {
      const container = await openContainer(mapped?.source ?? source);
      return new TorchFile(await container.object(), container, options, mapped);
    } catch (error) {
      mapped?.close();
      throw error;
    }
  }

  /** A part of the object, with its tensors; once, since it is changed in place. */
  async load(part: unknown): Promise<unknown> {
    const { device = 'cpu', dtype, foreign = 'refuse' } = this.options;
    try {
      return await loadTensors(part, this.container.where, this.container, {
        ...{ device, foreign },
        ...(dtype === undefined ? {} : { dtype: dtype as SavedDType }),
        ...(this.mapped ? { mapped: this.mapped } : {}),
      });
    } catch (error) {
      throw error instanceof ForeignError ? this.refused(error.object) : error;
    }
  }

  private refused(object: ForeignObject): IsotorchError {
    const cause = causeOf(object);
    const { name, problem } = cause;
    const why =
      problem === undefined
        ? refusal(name, waysAround(this.object))
        : name === 'persistent id'
          ? problem
          : `${name}: ${problem}`;
    return new IsotorchError('ERR_FORMAT', `${this.container.where}, byte ${ForeignObject.at(cause)}: ${why}`);
  }

  [Symbol.dispose](): void {
    this.mapped?.close();
  }
}

/** What went wrong first: what is unsound makes all that is made of it unsound. */
function causeOf(object: ForeignObject): ForeignObject {
  if (object.problem === undefined) return object;
  const inner = object.args?.find((arg) => arg instanceof ForeignObject);
  return inner instanceof ForeignObject ? causeOf(inner) : object;
}

/** How to get at what can be read of a file that holds more. */
function waysAround(object: unknown): string {
  const [weights] = isTensorRef(object) ? [] : findWeights(object);
  const keep = "loadTorch(path, { foreign: 'keep' }) puts placeholders where it has none.";
  if (!weights) return ` ${keep}`;
  const [key] = weights.path;
  const part =
    types.isMap(object) && key !== undefined && weights.path.length === 1
      ? `loadTorch(path, { keys: [${JSON.stringify(key)}] }) reads that part alone, `
      : '';
  return (
    ` The weights can be read all the same: checkpoint.weights(path) finds them${key === undefined ? '' : ` at ${JSON.stringify(weights.path.join('.'))}`}` +
    ` (isotorch convert <file> <new>.safetensors --weights), ${part}${keep}`
  );
}

export function checkOptions({ mmap, dtype, keys, foreign }: LoadTorchOptions): void {
  if (foreign !== undefined && foreign !== 'refuse' && foreign !== 'keep')
    throw expected("'refuse' or 'keep'", 'foreign', foreign);
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
      isTensorRef(object) ? 'a tensor' : object instanceof ForeignObject ? object.name : object,
    );
  if (typeof keys !== 'function') {
    const missing = keys.find((key) => !object.has(key));
    if (missing !== undefined) {
      const some = [...object.keys()].slice(0, 10).map((key) => JSON.stringify(String(key)));
      throw expected(`keys that are in the file (${some.join(', ')}${object.size > 10 ? ', …' : ''})`, 'keys', missing);
    }
  }
  const isWanted = typeof keys === 'function' ? keys : (key: string) => set.has(key);
  const set = new Set<unknown>(typeof keys === 'function' ? [] : keys);
  const wanted = object instanceof OrderedDict ? new OrderedDict<unknown, unknown>() : new Map<unknown, unknown>();
  for (const [key, value] of object) if (typeof key === 'string' && isWanted(key)) wanted.set(key, value);
  if (object instanceof OrderedDict && object._metadata !== undefined)
    (wanted as OrderedDict)._metadata = object._metadata;
  return wanted;
}

/**
 * Writes an object of tensors and plain values so that Python reads it (`torch.save`): Maps and plain objects as dicts,
 * Maps with `_metadata` as OrderedDicts, arrays as lists, frozen arrays as tuples, whole numbers as ints, other numbers
 * as floats. Storages are written once, whole, and on `cpu`; Parameters as plain tensors.
 *
 * The file appears whole or not at all, and shows the values at the call: what is written to the tensors meanwhile makes the
 * storage be copied first. Otherwise the memory needed beside them is a few MiB at a time.
 *
 * @throws ERR_ARGUMENT for what a checkpoint can't hold, naming its place; ERR_DTYPE for
 *   tensors of two dtypes on one memory; ERR_FILE if it can't be written.
 * @example await saveTorch('model.pth', model.stateDict());
 */
export async function saveTorch(path: PathInput, object: unknown): Promise<void> {
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
