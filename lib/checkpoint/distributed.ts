// Distributed checkpoints (torch.distributed.checkpoint, DCP), as FSDP's trainers write them: a folder with `.metadata`, a pickle that says
// of each tensor which chunks it has and where they are, and files `__0_0.distcp`, each a row of small files of torch.save. What comes
// out is what `dcp_to_torch_save` would save: one object with whole tensors. The pickle names classes of PyTorch's; they are read
// as descriptions, like all that isotorch doesn't know, and nothing is called.

import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { types } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import { Tensor, tidy, torch } from '../tensor/index.js';
import { isSavedDType } from './dtypes.js';
import { ForeignObject } from './pickle/foreign.js';
import { memoryFor, unpickleInTurns } from './pickle/reader.js';
import { isTuple, TorchDType } from './pickle/values.js';
import { type ByteSource, openSource, sectionOf } from './source.js';
import { type LoadTorchOptions, loadFrom } from './torchFile.js';
import { Turns } from './turns.js';

const metadataFile = '.metadata';
const maxMetadataBytes = 1 << 30;
const classes = 'torch.distributed.checkpoint.metadata.';

interface Chunk {
  readonly offsets: readonly number[];
  readonly sizes: readonly number[];
}

interface Entry {
  readonly name: string;
  /** Keys that lead to it: texts of dicts, numbers of lists. */
  readonly path: readonly (string | number)[];
  /** Undefined for what is no tensor. */
  readonly tensor?: { readonly dtype: TorchDType; readonly size: readonly number[]; readonly chunks: readonly Chunk[] };
}

interface Place {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** The folder, if it is one of a distributed checkpoint, or its metadata were given; else undefined. */
export async function distributedFolder(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  const folder = found?.isDirectory() ? path : basename(path) === metadataFile ? dirname(path) : undefined;
  if (folder === undefined) return undefined;
  const metadata = await stat(join(folder, metadataFile)).catch(() => undefined);
  return metadata?.isFile() ? folder : undefined;
}

/**
 * Reads a distributed checkpoint.
 * @param folder with `.metadata` in it
 * @throws ERR_FORMAT if its metadata are none, name files elsewhere, or chunks that don't fit; ERR_ARGUMENT for missing keys
 */
export async function loadDistributed(folder: string, options: LoadTorchOptions): Promise<unknown> {
  const { keys, mmap } = options;
  if (mmap) throw expected('false for a distributed checkpoint, whose parts are put together', 'mmap', mmap);
  const reader = new DistributedReader(folder, options);
  const { entries, places } = await readMetadata(join(folder, metadataFile));
  const top = (entry: Entry) => String(entry.path[0]);
  const wanted = typeof keys === 'function' ? keys : keys && ((key: string) => keys.includes(key));
  const missing = Array.isArray(keys) ? keys.find((key) => !entries.some((entry) => top(entry) === key)) : undefined;
  if (missing !== undefined)
    throw expected(
      `keys that are in ${folder} (${[...new Set(entries.map(top))].slice(0, 10).join(', ')})`,
      'keys',
      missing,
    );
  const root = new Map<unknown, unknown>();
  const turns = new Turns();
  try {
    for (const entry of entries) {
      await turns.pause();
      if (!wanted || wanted(top(entry))) put(root, entry.path, await reader.value(entry, places));
    }
    return root;
  } catch (error) {
    reader.disposeAll();
    throw error;
  } finally {
    await reader.close();
  }
}

class DistributedReader {
  private readonly files = new Map<string, ByteSource>();
  private readonly made: Tensor[] = [];

  constructor(
    private readonly folder: string,
    private readonly options: LoadTorchOptions,
  ) {}

  async value(entry: Entry, places: ReadonlyMap<string, Place>): Promise<unknown> {
    const { name, tensor } = entry;
    const where = (chunk?: Chunk) => {
      const place = places.get(placeKey(name, chunk?.offsets));
      if (place) return place;
      throw this.bad(`${JSON.stringify(name)} has no place${chunk ? ` for its chunk at [${chunk.offsets}]` : ''}`);
    };
    const { keys: _, ...options } = this.options;
    if (!tensor) return await loadFrom(await this.section(where()), options);
    const [first] = tensor.chunks;
    if (tensor.chunks.length === 1 && first && String(first.sizes) === String(tensor.size))
      return this.keep(await this.chunk(entry, first, where(first)));
    return await this.assembled(entry, tensor, where);
  }

  private async assembled(
    entry: Entry,
    { dtype, size, chunks }: NonNullable<Entry['tensor']>,
    where: (chunk: Chunk) => Place,
  ): Promise<Tensor> {
    const count = (sizes: readonly number[]) => sizes.reduce((product, length) => product * length, 1);
    const covered = chunks.reduce((sum, { sizes }) => sum + count(sizes), 0);
    if (covered !== count(size)) throw this.bad(`the chunks of ${JSON.stringify(entry.name)} are not all of it`);
    const target = this.options.dtype && /^b?float/.test(dtype.name) ? this.options.dtype : dtype.name;
    let whole: Tensor | undefined;
    for (const chunk of chunks) {
      const inside = chunk.offsets.every((offset, i) => offset + (chunk.sizes[i] as number) <= (size[i] as number));
      if (!inside) throw this.bad(`a chunk of ${JSON.stringify(entry.name)} at [${chunk.offsets}] leaves it`);
      using part = await this.chunk(entry, chunk, where(chunk));
      // Not before the first chunk: then it is known that the files have something of it.
      whole ??= this.keep(torch.empty(size, { dtype: target, device: this.options.device ?? 'cpu' }));
      const all = whole;
      tidy(() => {
        let window = all;
        for (const [i, offset] of chunk.offsets.entries()) window = window.narrow(i, offset, chunk.sizes[i] as number);
        window.copy_(part);
      });
    }
    return whole ?? this.keep(torch.empty(size, { dtype: target }));
  }

  private async chunk({ name, tensor }: Entry, { sizes }: Chunk, place: Place): Promise<Tensor> {
    const { keys: _, ...options } = this.options;
    const loaded = await loadFrom(await this.section(place), options);
    const fits = loaded instanceof Tensor && String(loaded.shape) === String(sizes);
    const { dtype: target } = options;
    if (fits && (target !== undefined || loaded.dtype === tensor?.dtype.name)) return loaded;
    if (loaded instanceof Tensor) loaded.dispose();
    throw this.bad(
      `${JSON.stringify(name)} should have a tensor ${tensor?.dtype} [${sizes}] at byte ${place.offset} of ${place.file}`,
    );
  }

  private keep(tensor: Tensor): Tensor {
    this.made.push(tensor);
    return tensor;
  }

  private async section({ file, offset, length }: Place): Promise<ByteSource> {
    if (!/^[^/\\\0]+$/.test(file) || file === '..')
      throw this.bad(`it names the file ${JSON.stringify(file)}, which is not in it`);
    const source = this.files.get(file) ?? (await openSource(join(this.folder, file)));
    this.files.set(file, source);
    if (offset + length > source.size)
      throw this.bad(
        `${file} should have ${length} bytes at byte ${offset} but ends at byte ${source.size}; it may be cut off`,
      );
    return sectionOf(source, `${source.name}, byte ${offset}`, offset, length);
  }

  disposeAll(): void {
    for (const tensor of this.made) tensor.dispose();
  }

  async close(): Promise<void> {
    for (const source of this.files.values()) await source.close();
  }

  private bad(problem: string): IsotorchError {
    return new IsotorchError('ERR_FORMAT', `${this.folder}: not a sound distributed checkpoint: ${problem}`);
  }
}

const placeKey = (name: string, offsets?: readonly number[]): string => JSON.stringify([name, offsets ?? null]);

async function readMetadata(path: string): Promise<{ entries: Entry[]; places: Map<string, Place> }> {
  const source = await openSource(path);
  const bad = (problem: string) =>
    new IsotorchError('ERR_FORMAT', `${path}: expected the metadata of a distributed checkpoint: ${problem}`);
  try {
    if (source.size > maxMetadataBytes) throw bad(`${source.size} bytes are too many`);
    const bytes = await source.readRange(0, source.size);
    const memory = memoryFor(source.size, 0) + 8 * source.size;
    const root = attributes(await unpickleInTurns(bytes, { where: path, memory, keepForeign: true }), 'Metadata', bad);
    return { entries: entriesOf(root, bad), places: placesOf(root, bad) };
  } finally {
    await source.close();
  }
}

type Bad = (problem: string) => IsotorchError;

/** What a dataclass of PyTorch's was given. */
function attributes(value: unknown, name: string, bad: Bad): Map<unknown, unknown> {
  if (value instanceof ForeignObject && value.name.endsWith(`.${name}`)) {
    if (types.isMap(value.state)) return value.state;
    if (value.args !== undefined && value.state === undefined) return new Map();
  }
  throw bad(`there is no ${name} where one should be`);
}

function mapIn(object: ReadonlyMap<unknown, unknown>, key: string, bad: Bad): ReadonlyMap<unknown, unknown> {
  const value = object.get(key);
  if (types.isMap(value)) return value;
  throw bad(`it has no dict ${key}`);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function countsIn(value: unknown, bad: Bad): readonly number[] {
  if (isTuple(value) && value.every(isCount)) return value as readonly number[];
  throw bad('a size or an offset is none');
}

function entriesOf(root: ReadonlyMap<unknown, unknown>, bad: Bad): Entry[] {
  const paths = root.get('planner_data');
  return [...mapIn(root, 'state_dict_metadata', bad)].map(([name, described]) => {
    if (typeof name !== 'string') throw bad('a name is no text');
    const path = pathIn(types.isMap(paths) ? paths.get(name) : undefined) ?? [name];
    if (!(described instanceof ForeignObject) || !described.name.startsWith(classes))
      throw bad(`${JSON.stringify(name)} is not described`);
    if (described.name.endsWith('.BytesStorageMetadata')) return { name, path };
    return { name, path, tensor: tensorIn(attributes(described, 'TensorStorageMetadata', bad), bad) };
  });
}

function pathIn(value: unknown): readonly (string | number)[] | undefined {
  const fine = isTuple(value) && value.length > 0 && value.every((key) => typeof key === 'string' || isCount(key));
  return fine ? (value as readonly (string | number)[]) : undefined;
}

function tensorIn(described: ReadonlyMap<unknown, unknown>, bad: Bad): NonNullable<Entry['tensor']> {
  const properties = described.get('properties');
  const state = properties instanceof ForeignObject ? properties.state : undefined;
  const dtype = isTuple(state) ? state[0] : types.isMap(state) ? state.get('dtype') : undefined;
  if (!(dtype instanceof TorchDType) || !isSavedDType(dtype.name)) throw bad('a tensor has no dtype');
  const size = countsIn(described.get('size'), bad);
  const listed = described.get('chunks');
  if (!Array.isArray(listed)) throw bad('a tensor has no chunks');
  const chunks = listed.map((chunk) => {
    const given = attributes(chunk, 'ChunkStorageMetadata', bad);
    const [offsets, sizes] = [countsIn(given.get('offsets'), bad), countsIn(given.get('sizes'), bad)];
    if (offsets.length !== size.length || sizes.length !== size.length)
      throw bad('a chunk has another rank than its tensor');
    return { offsets, sizes };
  });
  return { dtype, size, chunks };
}

function placesOf(root: ReadonlyMap<unknown, unknown>, bad: Bad): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const [key, value] of mapIn(root, 'storage_data', bad)) {
    const index = attributes(key, 'MetadataIndex', bad);
    const info = attributes(value, '_StorageInfo', bad);
    const [name, offsets] = [index.get('fqn'), index.get('offset')];
    const [file, offset, length] = ['relative_path', 'offset', 'length'].map((field) => info.get(field));
    const transforms = info.get('transform_descriptors');
    if (Array.isArray(transforms) && transforms.length > 0)
      throw bad(
        `its files are packed by ${JSON.stringify(transforms)}; make one file of it in Python with dcp_to_torch_save()`,
      );
    if (typeof name !== 'string' || typeof file !== 'string' || !isCount(offset) || !isCount(length))
      throw bad('a place is none');
    const at = offsets === null || offsets === undefined ? undefined : countsIn(offsets, bad);
    places.set(placeKey(name, at), { file, offset, length });
  }
  return places;
}

/** Into dicts and lists, made where they are missing. */
function put(root: Map<unknown, unknown>, path: readonly (string | number)[], value: unknown): void {
  let at: Map<unknown, unknown> | unknown[] = root;
  for (const [i, key] of path.entries()) {
    const next = path[i + 1];
    const present: unknown = types.isMap(at) ? at.get(key) : at[key as number];
    const inside =
      next === undefined ? value : isContainer(present) ? present : typeof next === 'number' ? [] : new Map();
    if (types.isMap(at)) at.set(key, inside);
    else at[key as number] = inside;
    at = inside as Map<unknown, unknown> | unknown[];
  }
}

const isContainer = (value: unknown): boolean => types.isMap(value) || Array.isArray(value);
