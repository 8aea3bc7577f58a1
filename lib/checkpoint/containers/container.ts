// What a file of torch.save is to those who read it, whichever of its three formats it has: one object in which tensors are
// descriptions, and the bytes of storages by their key.

import { IsotorchError } from '../../errors.js';
import type { StorageRef } from '../pickle/values.js';
import type { ByteSource } from '../source.js';
import { pieceBytes, type StorageReader } from '../tensors.js';

export interface Container extends StorageReader {
  readonly format: 'zip' | 'stream' | 'tar';
  /** What messages call the object's pickle. */
  readonly where: string;
  /**
   * The object, with descriptions in place of tensors and of objects of unknown classes. Nothing of a storage is read.
   * @throws ERR_FORMAT
   */
  object(): Promise<unknown>;
}

/** A pickle of this size would describe ten million tensors. */
export const maxPickleBytes = 1 << 30;

/** A range of the source in pieces, each good until the next is asked for. */
export async function* piecesOf(source: ByteSource, start: number, nbytes: number): AsyncGenerator<Uint8Array> {
  const scratch = nbytes > pieceBytes ? Buffer.allocUnsafeSlow(pieceBytes) : undefined;
  for (let at = 0; at < nbytes; at += pieceBytes)
    yield await source.read(start + at, Math.min(pieceBytes, nbytes - at), scratch);
}

/** Files that are a row of storages have each as its number of elements, in 64 bits, and its bytes. */
export async function checkCount(source: ByteSource, start: number, storage: StorageRef): Promise<void> {
  const head = await source.read(start, 8);
  const view = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const count = view.readBigInt64LE();
  // Old versions on big-endian machines swapped the elements, but not their number.
  if (count === BigInt(storage.numel) || view.readBigInt64BE() === BigInt(storage.numel)) return;
  throw new IsotorchError(
    'ERR_FORMAT',
    `${source.name}, byte ${start}: storage ${JSON.stringify(storage.key)} should have ${storage.numel} elements but has ${count}`,
  );
}
