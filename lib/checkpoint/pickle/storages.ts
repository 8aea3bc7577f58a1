// What a pickle's persistent ids stand for: storages. One object a key, so that tensors which share memory are seen to, and
// files that describe one storage in two ways are refused.

import { PickleGlobal } from './globals.js';
import { isTuple, RuleError, StorageRef, StorageView } from './values.js';

export class StorageTable {
  private readonly known = new Map<string, StorageRef>();

  /** @returns the storage or its part; `fresh` if it was not seen before. @throws RuleError */
  resolve(id: unknown): { storage: StorageRef | StorageView; fresh: boolean } {
    if (!isTuple(id) || id.length < 5 || id[0] !== 'storage')
      throw new RuleError('expected the description of a storage');
    const [, type, key, location, numel, view] = id;
    if (!(type instanceof PickleGlobal) || type.storage === undefined)
      throw new RuleError('expected the class of a storage');
    if (typeof key !== 'string' || typeof location !== 'string')
      throw new RuleError('expected a storage’s key and location');
    if (!isCount(numel)) throw new RuleError('expected a storage’s number of elements');
    const { storage, fresh } = this.add(new StorageRef(key, type.storage, location, numel));
    return view === undefined || view === null ? { storage, fresh } : { storage: partOf(storage, view), fresh: true };
  }

  add(storage: StorageRef): { storage: StorageRef; fresh: boolean } {
    const { key, dtype, numel } = storage;
    if (!Number.isSafeInteger(storage.nbytes)) throw new RuleError(`a storage of ${numel} elements is too large`);
    const known = this.known.get(key);
    if (known && known.dtype === dtype && known.numel === numel) return { storage: known, fresh: false };
    // PyTorch gives empty storages of several dtypes one key.
    if (known && known.nbytes + storage.nbytes > 0)
      throw new RuleError(`storage ${JSON.stringify(key)} appears with two dtypes or sizes`);
    this.known.set(key, storage);
    return { storage, fresh: true };
  }

  get(key: string): StorageRef | undefined {
    return this.known.get(key);
  }

  get size(): number {
    return this.known.size;
  }
}

/** `(view_key, offset, view_size)`, which PyTorch wrote for storages that were a part of another. */
function partOf(root: StorageRef, view: unknown): StorageView {
  if (!isTuple(view) || view.length !== 3 || !isCount(view[1]) || !isCount(view[2]))
    throw new RuleError('expected the key, the offset and the size of a part of a storage');
  return storagePart(root, view[1], view[2]);
}

export function storagePart(root: StorageRef, offset: number, numel: number): StorageView {
  if (offset + numel > root.numel)
    throw new RuleError(
      `elements ${offset} to ${offset + numel} reach beyond the ${root.numel} of storage ${JSON.stringify(root.key)}`,
    );
  return new StorageView(root, offset, numel);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
