// Reads safetensors files (format specification: the README of huggingface/safetensors): all of one, or one tensor of many.
// Only the header is read to open a file; a tensor's bytes are read, or mapped, when it is asked for.

import { expected, IsotorchError } from '../../errors.js';
import { type Device, type DType, dtypes, isDType, isFloating } from '../../tensor/dtype.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { SavedDType } from '../dtypes.js';
import { expectKind } from '../formats.js';
import { inLanes } from '../lanes.js';
import { MappedFile } from '../mapped.js';
import { areBytes, type ByteSource, type FileInput, openSource } from '../source.js';
import { directBytes } from '../tensors.js';
import { inTurns, sorted, Turns } from '../turns.js';
import { chunksOf, readAhead } from './chunks.js';
import type { StoredDType } from './dtypes.js';
import { type Entry, type Header, readHeader } from './header.js';

/** A tensor takes microseconds to make. */
const tensorsPerTurn = 256;

export interface OpenSafetensorsOptions {
  /**
   * Map the file into memory instead of reading it: tensors on the CPU are then windows onto it, whose pages come from
   * the disk when they are first used. Changes to them stay private. The file must not be shortened while they are alive:
   * the system ends processes that touch what is gone. Default false.
   */
  mmap?: boolean;
}

export interface LoadTensorOptions {
  /** Where tensors go. Default `'cpu'`. */
  device?: Device;
  /** Converts floating-point tensors; integers, booleans and complex numbers stay. By default all stay. */
  dtype?: DType;
}

export interface LoadSafetensorsOptions extends OpenSafetensorsOptions, LoadTensorOptions {
  /** Load these only. Default: all. */
  keys?: readonly string[];
}

export interface SafetensorsInfo {
  /** The tensor's dtype; the file's own name of it for F4 and F6, which isotorch can't load. */
  readonly dtype: DType | StoredDType;
  readonly shape: readonly number[];
  readonly nbytes: number;
}

/** Tensors by name, in the order of their data, with the file's texts about itself. */
export class SafetensorsDict extends Map<string, Tensor> {
  /** `__metadata__` of the file, such as `format → pt`. `saveSafetensors` writes it again. */
  metadata: ReadonlyMap<string, string> = new Map();
}

/**
 * Opens a safetensors file (`safetensors.safe_open`): its header is read and checked, its tensors when you ask for them.
 *
 * @throws as `loadSafetensors`; ERR_FORMAT for the index of a checkpoint in several files, which has no header
 * @example
 * await using file = await openSafetensors('model.safetensors');
 * for (const key of file.keys) console.log(key, file.info(key).shape);
 * const embedding = await file.get('embedding.weight'); // reads the bytes of this one
 */
export async function openSafetensors(
  file: FileInput,
  { mmap = false }: OpenSafetensorsOptions = {},
): Promise<SafetensorsFile> {
  if (typeof mmap !== 'boolean') throw expected('a boolean', 'mmap', mmap);
  if (mmap && areBytes(file)) throw expected('a path, since only files can be mapped,', 'file', file);
  return await SafetensorsFile.from(await openSource(file), mmap);
}

export class SafetensorsFile implements AsyncDisposable {
  private closed = false;

  private constructor(
    private readonly source: ByteSource,
    private readonly header: Header,
    private readonly mapped: MappedFile | undefined,
  ) {}

  /** Takes the source over: it is closed here, or when this fails. */
  static async from(source: ByteSource, mmap = false): Promise<SafetensorsFile> {
    try {
      const header = await readHeader(source).catch(async (error) => {
        await expectKind(source, 'a safetensors file', 'safetensors'); // a better reason, if it is something known
        throw error;
      });
      // Its size was checked against the header; LibTorch refuses files that have become shorter since.
      return new SafetensorsFile(source, header, mmap ? MappedFile.open(source) : undefined);
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** Names, in the order of their data. */
  get keys(): string[] {
    return [...this.header.entries.keys()];
  }

  /** `__metadata__`: texts about the file. */
  get metadata(): ReadonlyMap<string, string> {
    return this.header.metadata;
  }

  /** Of one tensor, without reading it. @throws ERR_ARGUMENT if there is none of this name. */
  info(key: string): SafetensorsInfo {
    const { stored, shape, start, end } = this.entry(key);
    return { dtype: stored.dtype ?? stored.name, shape: [...shape], nbytes: end - start };
  }

  /** One tensor: reads its bytes and no others. @throws ERR_ARGUMENT if there is none of this name. */
  async get(key: string, options: LoadTensorOptions = {}): Promise<Tensor> {
    return (await this.load([key], options)).get(key) as Tensor;
  }

  /**
   * Rows `from` to before `to` of a tensor's first dimension: reads their bytes and no others.
   * @throws ERR_ARGUMENT if there is no such tensor; ERR_INDEX if it doesn't have these rows.
   */
  async slice(key: string, from: number, to: number, options: LoadTensorOptions = {}): Promise<Tensor> {
    const entry = this.entry(key);
    const [rows, ...rest] = entry.shape;
    const within = Number.isSafeInteger(from) && Number.isSafeInteger(to) && 0 <= from && from <= to;
    if (rows === undefined || !within || to > rows)
      throw new IsotorchError(
        'ERR_INDEX',
        `Expected rows within 0 and ${rows ?? 0} of ${JSON.stringify(key)} but received ${from} to ${to}`,
      );
    const row = rows === 0 ? 0 : (entry.end - entry.start) / rows;
    const part = {
      ...entry,
      shape: [to - from, ...rest],
      start: entry.start + from * row,
      end: entry.start + to * row,
    };
    return (await this.loadEntries([part], options)).get(key) as Tensor;
  }

  /** Tensors with these names, by default all. If one fails, none is left behind. */
  async load(keys?: readonly string[], options: LoadTensorOptions = {}): Promise<SafetensorsDict> {
    if (keys === undefined) return await this.loadEntries([...this.header.entries.values()], options);
    if (!Array.isArray(keys)) throw expected('an array of names', 'keys', keys);
    const wanted = [...new Set(keys)].map((key) => this.entry(key));
    return await this.loadEntries(await inTurns(sorted(wanted, (a, b) => a.start - b.start || a.end - b.end)), options);
  }

  /** Tensors stay as they are. Closing twice does nothing. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.mapped?.close();
    await this.source.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private entry(key: string): Entry {
    const entry = this.header.entries.get(key);
    if (entry) return entry;
    const keys = this.keys;
    const some = keys.slice(0, 5).map((name) => JSON.stringify(name));
    throw expected(`the name of a tensor in ${this.source.name} (${keys.length}: ${some}…)`, 'key', key);
  }

  private async loadEntries(
    entries: readonly Entry[],
    { device = 'cpu', dtype }: LoadTensorOptions,
  ): Promise<SafetensorsDict> {
    if (dtype !== undefined && !(isDType(dtype) && isFloating(dtype)))
      throw expected(`one of ${dtypes.filter(isFloating).join(', ')}`, 'dtype', dtype, 'ERR_DTYPE');
    if (this.closed) throw new IsotorchError('ERR_FILE', `Expected an open file but ${this.source.name} was closed`);
    const result = new SafetensorsDict();
    result.metadata = this.header.metadata;
    const asAsked = (tensor: Tensor) =>
      tidy(() => tensor.to({ device, ...(dtype && isFloating(tensor.dtype) ? { dtype } : {}) }));
    const take = (name: string, tensor: Tensor) => {
      if (device === 'cpu' && dtype === undefined) return void result.set(name, tensor);
      const changed = asAsked(tensor);
      if (changed !== tensor) tensor.dispose();
      result.set(name, changed);
    };
    const { readInto } = this.source;
    const isLarge = ({ start, end, stored }: Entry) =>
      readInto !== undefined && end - start >= directBytes && stored.dtype !== 'bool';
    const turns = new Turns();
    try {
      for (const entry of entries) this.expectDType(entry);
      if (this.mapped) {
        for (const [i, entry] of entries.entries()) {
          if (i % tensorsPerTurn === 0) await turns.pause();
          take(entry.name, this.map(entry, this.mapped));
        }
      } else if (!entries.some(isLarge)) await this.readSmall(entries, take);
      else {
        const made = new Map<string, Tensor>();
        const keep = (name: string, tensor: Tensor) => void made.set(name, tensor);
        try {
          await this.readSmall(
            entries.filter((entry) => !isLarge(entry)),
            keep,
          );
          await inLanes(entries.filter(isLarge).map((entry) => () => this.readLarge(entry, readInto!, keep)));
          for (const { name } of entries) {
            const tensor = made.get(name) as Tensor;
            made.delete(name);
            take(name, tensor);
          }
        } finally {
          for (const tensor of made.values()) tensor.dispose();
        }
      }
      return result;
    } catch (error) {
      for (const tensor of result.values()) tensor.dispose();
      throw error;
    }
  }

  /** Straight from the file into the tensor. */
  private async readLarge(
    entry: Entry,
    readInto: NonNullable<ByteSource['readInto']>,
    keep: (name: string, tensor: Tensor) => void,
  ): Promise<void> {
    const tensor = torch.empty(entry.shape, { dtype: this.expectDType(entry) });
    keep(entry.name, tensor);
    await readInto(tensor, entry.start, entry.end - entry.start);
  }

  /** In ranges of several, which are copied. */
  private async readSmall(entries: readonly Entry[], keep: (name: string, tensor: Tensor) => void): Promise<void> {
    let large: Tensor | undefined;
    const turns = new Turns();
    try {
      for await (const { chunk, bytes } of readAhead(this.source, chunksOf(entries))) {
        for (const [i, entry] of chunk.entries.entries()) {
          if (i % tensorsPerTurn === 0) await turns.pause();
          const dtype = this.expectDType(entry);
          const own = bytes.subarray(Math.max(entry.start - chunk.start, 0), entry.end - chunk.start);
          if (dtype === 'bool' && own.some((byte) => byte > 1)) throw this.badBoolean(entry);
          const whole = own.length === entry.end - entry.start;
          if (!whole) {
            large ??= torch.empty(entry.shape, { dtype });
            fill(large, chunk.start - entry.start, own);
            if (chunk.end < entry.end) continue;
          }
          const tensor = large ?? torch.fromBuffer(own, { dtype, shape: entry.shape });
          large = undefined;
          keep(entry.name, tensor);
        }
      }
    } finally {
      large?.dispose();
    }
  }

  /** A window onto the mapped file, or a copy where its place suits no tensor of this dtype. */
  private map(entry: Entry, file: MappedFile): Tensor {
    const dtype = this.expectDType(entry);
    const { start, end, shape, stored } = entry;
    const part = { start, length: end - start };
    const isAligned = start % (stored.bits / 8) === 0;
    if (isAligned && dtype !== 'bool')
      return file.tensor(dtype as SavedDType, part, { shape, stride: stridesOf(shape) });
    return tidy(() => {
      const bytes = file.range(part.start, part.length);
      // LibTorch's kernels rely on it.
      if (dtype === 'bool' && bytes.gt(1).any().item()) throw this.badBoolean(entry);
      return isAligned
        ? file.tensor(dtype as SavedDType, part, { shape, stride: stridesOf(shape) })
        : bytes.clone().view(dtype).view(shape);
    });
  }

  private expectDType({ name, stored }: Entry): DType {
    if (stored.dtype) return stored.dtype;
    throw new IsotorchError(
      'ERR_DTYPE',
      `${this.source.name}: tensor ${JSON.stringify(name)} is ${stored.name}, for which isotorch has no dtype. The others can be loaded with \`keys\``,
    );
  }

  private badBoolean({ name }: Entry): IsotorchError {
    return new IsotorchError(
      'ERR_FORMAT',
      `${this.source.name}: tensor ${JSON.stringify(name)} holds a boolean that is neither 0 nor 1; the file is damaged`,
    );
  }
}

function fill(tensor: Tensor, offset: number, bytes: Uint8Array): void {
  tidy(() => {
    const source = torch.fromBuffer(bytes, { dtype: 'uint8' });
    tensor.view([-1]).view('uint8').narrow(0, offset, bytes.length).copy_(source);
  });
}

function stridesOf(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides.unshift(step);
    step *= Math.max(shape[i] as number, 1);
  }
  return strides;
}
