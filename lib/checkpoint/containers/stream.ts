// The format of torch.save from 0.1.10 to 1.5, and of `_use_new_zipfile_serialization=False` since: five pickles one after
// another (a magic number, the protocol's version, facts about the machine, the object, the keys of the storages), then the
// storages in the keys' order, each as its number of elements and its bytes. The numbers are little-endian on every machine:
// big-endian ones swap them when they write.

import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import { readPickle } from '../pickle/extent.js';
import { memoryFor, unpickle, unpickleInTurns } from '../pickle/reader.js';
import { StorageTable } from '../pickle/storages.js';
import { isList, type StorageRef } from '../pickle/values.js';
import type { ByteSource } from '../source.js';
import { stepsPerTurn, Turns } from '../turns.js';
import { type Container, checkCount, maxPickleBytes, piecesOf } from './container.js';

const magic = 0x1950a86a20f9469cfc6cn;
const protocol = 1001;
/** The pickles beside the object are small, but for the list of keys. */
const maxHeaderBytes = 1 << 16;

export class StreamContainer implements Container {
  readonly format = 'stream';
  readonly swapped = false;
  readonly where: string;
  /** Where each storage's number of elements stands. */
  private readonly places = new Map<string, number>();

  constructor(private readonly source: ByteSource) {
    this.where = `${source.name}: the object’s pickle`;
  }

  get name(): string {
    return this.source.name;
  }

  async object(): Promise<unknown> {
    let at = 0;
    const next = async (limit: number) => {
      const bytes = await readPickle(this.source, at, limit);
      at += bytes.length;
      return bytes;
    };
    const plain = async (what: string, limit: number) =>
      unpickle(await next(limit), { where: `${this.name}: the pickle of ${what}` });

    if ((await plain('the magic number', maxHeaderBytes)) !== magic) throw this.bad('its magic number is another');
    const version = await plain('the protocol’s version', maxHeaderBytes);
    if (version !== protocol)
      throw this.bad(`expected version ${protocol} of its protocol but found ${String(version)}`);
    await plain('facts about the machine', maxHeaderBytes);
    const storages = new StorageTable();
    const object = await next(maxPickleBytes);
    const tree = await unpickleInTurns(object, {
      where: this.where,
      memory: memoryFor(this.source.size, object.length),
      resolve: (id) => storages.resolve(id),
      keepForeign: true,
    });
    const list = await next(maxPickleBytes);
    const keys = await unpickleInTurns(list, { where: `${this.name}: the pickle of the keys of storages` });
    if (!isList(keys)) throw this.bad('expected a list of keys of storages');
    const turns = new Turns();
    for (const [i, key] of keys.entries()) {
      at = this.place(key, storages, at);
      if (i % stepsPerTurn === 0) await turns.pause();
    }
    return tree;
  }

  /** Notes where a storage is; the next one's place. */
  private place(key: unknown, storages: StorageTable, at: number): number {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined)
      throw this.bad(`it has a storage ${typeof key === 'string' ? JSON.stringify(key) : ''} that its object doesn’t`);
    if (this.places.has(storage.key)) throw this.bad(`storage ${JSON.stringify(key)} is there twice`);
    this.places.set(storage.key, at);
    const end = at + 8 + storage.nbytes;
    if (end > this.source.size)
      throw this.bad(
        `storage ${JSON.stringify(key)} should end at byte ${end} but the file ends at byte ${this.source.size}; it may be cut off`,
      );
    return end;
  }

  async *pieces(storage: StorageRef): AsyncGenerator<Uint8Array> {
    const start = await this.start(storage);
    yield* piecesOf(this.source, start, storage.nbytes);
  }

  async filler(storage: StorageRef): Promise<((tensor: Tensor) => Promise<void>) | undefined> {
    const { readInto } = this.source;
    if (!readInto) return undefined;
    const start = await this.start(storage);
    return async (tensor) => void (await readInto(tensor, start, storage.nbytes));
  }

  /** Where its bytes start. */
  async start(storage: StorageRef): Promise<number> {
    const at = this.places.get(storage.key);
    if (at === undefined) throw this.bad(`storage ${JSON.stringify(storage.key)} is missing`);
    await checkCount(this.source, at, storage);
    return at + 8;
  }

  private bad(problem: string): IsotorchError {
    return new IsotorchError('ERR_FORMAT', `${this.name}: ${problem}`);
  }
}
