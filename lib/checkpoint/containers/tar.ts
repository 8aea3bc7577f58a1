// The format of torch.save before 0.1.10 (early 2017): a tar archive of four files.
//
//   sys_info   a pickle of facts about the machine
//   storages   how many there are; for each a pickle (key, location, class), its number of elements and its bytes; then a list
//              (key, key of the whole, offset, number of elements) of storages that are a part of another
//   tensors    how many there are; for each a pickle (key, key of the storage, class), its number of dimensions in 8 bytes, sizes,
//              strides and offset
//   pickle     the object, in which persistent ids are the keys of tensors and storages, as text
//
// PyTorch reads it with weights_only=False alone, since its restricted reader doesn't know it; nothing is executed here.

import { IsotorchError } from '../../errors.js';
import { readPickle } from '../pickle/extent.js';
import { PickleGlobal } from '../pickle/globals.js';
import { memoryFor, unpickle, unpickleInTurns } from '../pickle/reader.js';
import { storagePart } from '../pickle/storages.js';
import { emptyTensorOf, rebuildPlainTensor } from '../pickle/tensorRules.js';
import { isList, isTuple, RuleError, StorageRef, type StorageView, type TensorRef } from '../pickle/values.js';
import type { ByteSource } from '../source.js';
import { sectionOf } from '../source.js';
import { readTar } from '../tar/reader.js';
import { Turns } from '../turns.js';
import { type Container, checkCount, maxPickleBytes, piecesOf } from './container.js';

const maxHeaderBytes = 1 << 16;
const maxDimensions = 1 << 16;

export class TarContainer implements Container {
  readonly format = 'tar';
  readonly swapped = false;
  readonly where: string;
  /** Where each storage's number of elements stands. */
  private readonly places = new Map<string, number>();
  private readonly turns = new Turns();

  constructor(private readonly source: ByteSource) {
    this.where = `${source.name}: pickle`;
  }

  get name(): string {
    return this.source.name;
  }

  async object(): Promise<unknown> {
    const members = await readTar(this.source);
    const open = (name: string): ByteSource => {
      const member = members.get(name);
      if (member) return sectionOf(this.source, `${this.name}: ${name}`, member.offset, member.size);
      throw this.bad(`it has no ${JSON.stringify(name)}, as a checkpoint from before PyTorch 0.1.10 would`);
    };
    const storages = await this.storages(open('storages'), members.get('storages')?.offset as number);
    const tensors = await this.tensors(open('tensors'), storages);
    const pickle = open('pickle');
    const bytes = await pickle.read(0, Math.min(pickle.size, maxPickleBytes));
    return await unpickleInTurns(bytes, {
      where: this.where,
      memory: memoryFor(this.source.size, bytes.length),
      resolve: (id) => {
        const known = tensors.get(keyOf(id)) ?? storages.get(keyOf(id));
        if (known === undefined) throw new RuleError(`there is no tensor or storage ${JSON.stringify(keyOf(id))}`);
        return { storage: known, fresh: false };
      },
      keepForeign: true,
    });
  }

  private async storages(file: ByteSource, offset: number): Promise<Map<string, StorageRef | StorageView>> {
    const found = new Map<string, StorageRef | StorageView>();
    let at = 0;
    const next = async () => {
      const bytes = await readPickle(file, at, maxHeaderBytes);
      const where = `${file.name}, byte ${at}`;
      at += bytes.length;
      return { value: unpickle(bytes, { where }), where };
    };
    const count = countOf((await next()).value, file);
    for (let i = 0; i < count; i++) {
      await this.turns.pause();
      const { value, where } = await next();
      const [key, location, type] = isTuple(value) ? value : [];
      if (typeof location !== 'string' || !(type instanceof PickleGlobal) || !type.storage)
        throw problem(where, 'expected the key, the place and the class of a storage');
      const numel = (await int64s(file, at, 1))[0] as number;
      if (!(numel >= 0)) throw problem(where, `a storage of ${numel} elements is not possible`);
      const storage = new StorageRef(keyOf(key), type.storage, location, numel);
      if (at + 8 + storage.nbytes > file.size)
        throw problem(where, `the storage’s ${storage.nbytes} bytes reach beyond the end; the file may be cut off`);
      if (found.has(storage.key)) throw problem(where, `storage ${JSON.stringify(storage.key)} is there twice`);
      found.set(storage.key, storage);
      this.places.set(storage.key, offset + at);
      at += 8 + storage.nbytes;
    }
    const bytes = await readPickle(file, at, maxPickleBytes);
    const where = `${file.name}, byte ${at}`;
    const parts = unpickle(bytes, { where });
    if (!isList(parts)) throw problem(where, 'expected a list of parts of storages');
    for (const part of parts) {
      const [key, rootKey, start, numel] = isTuple(part) ? part : [];
      const root = found.get(keyOf(rootKey));
      if (!(root instanceof StorageRef) || found.has(keyOf(key)) || !isCount(start) || !isCount(numel))
        throw problem(where, 'expected the key of a part, that of its storage, an offset and a number of elements');
      found.set(
        keyOf(key),
        ruled(where, () => storagePart(root, start, numel)),
      );
    }
    return found;
  }

  private async tensors(
    file: ByteSource,
    storages: ReadonlyMap<string, StorageRef | StorageView>,
  ): Promise<Map<string, TensorRef>> {
    const found = new Map<string, TensorRef>();
    const head = await readPickle(file, 0, maxHeaderBytes);
    let at = head.length;
    const count = countOf(unpickle(head, { where: `${file.name}, byte 0` }), file);
    for (let i = 0; i < count; i++) {
      await this.turns.pause();
      const where = `${file.name}, byte ${at}`;
      const bytes = await readPickle(file, at, maxHeaderBytes);
      const value = unpickle(bytes, { where });
      at += bytes.length;
      const [key, storageKey, type] = isTuple(value) ? value : [];
      const dimensions = (await int32s(file, at, 1))[0] as number;
      if (dimensions < 0 || dimensions > maxDimensions)
        throw problem(where, `a tensor of ${dimensions} dimensions is not possible`);
      // The number of dimensions takes 8 bytes, of which only 4 were ever set.
      const numbers = await int64s(file, at + 8, 2 * dimensions + 1);
      at += 8 + 8 * numbers.length;
      if (found.has(keyOf(key))) throw problem(where, `tensor ${JSON.stringify(keyOf(key))} is there twice`);
      found.set(
        keyOf(key),
        ruled(where, () => {
          if (storageKey === null && type instanceof PickleGlobal && type.storage && type.storage !== 'untyped')
            return emptyTensorOf(type.storage);
          const offset = numbers[2 * dimensions];
          return rebuildPlainTensor([
            storages.get(keyOf(storageKey)),
            offset,
            numbers.slice(0, dimensions),
            numbers.slice(dimensions, 2 * dimensions),
          ]);
        }),
      );
    }
    return found;
  }

  async *pieces(storage: StorageRef): AsyncGenerator<Uint8Array> {
    yield* piecesOf(this.source, await this.start(storage), storage.nbytes);
  }

  /** Where its bytes start. */
  async start(storage: StorageRef): Promise<number> {
    const at = this.places.get(storage.key);
    if (at === undefined) throw this.bad(`storage ${JSON.stringify(storage.key)} is missing`);
    await checkCount(this.source, at, storage);
    return at + 8;
  }

  private bad(what: string): IsotorchError {
    return new IsotorchError('ERR_FORMAT', `${this.name}: ${what}`);
  }
}

/** Keys were addresses: numbers in lists, text in the object. */
const keyOf = (key: unknown): string => (typeof key === 'object' ? '' : String(key));

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const problem = (where: string, what: string) => new IsotorchError('ERR_FORMAT', `${where}: ${what}`);

/** Each takes some bytes, so that more of them than bytes can't be there. */
function countOf(value: unknown, file: ByteSource): number {
  if (isCount(value) && value <= file.size) return value;
  throw problem(`${file.name}, byte 0`, 'expected the number of entries that follow');
}

function ruled<T>(where: string, rule: () => T): T {
  try {
    return rule();
  } catch (error) {
    if (error instanceof RuleError) throw problem(where, error.message);
    throw error;
  }
}

const viewOf = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

async function int32s(file: ByteSource, at: number, count: number): Promise<number[]> {
  const view = viewOf(await file.read(at, 4 * count));
  return Array.from({ length: count }, (_, i) => view.readInt32LE(4 * i));
}

/** Beyond the safe integers they are inexact, but then no storage is so large. */
async function int64s(file: ByteSource, at: number, count: number): Promise<number[]> {
  const view = viewOf(await file.read(at, 8 * count));
  return Array.from({ length: count }, (_, i) => Number(view.readBigInt64LE(8 * i)));
}
