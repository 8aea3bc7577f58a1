// Storages straight from files and into them: see native/files.cc. What `checkpoint` builds on for large tensors.

import { native } from '../native.js';
import { Snapshot } from './snapshot.js';
import type { Tensor } from './tensor.js';

export interface Transferred {
  /** Bytes; fewer than asked for at the end of a file. */
  done: number;
  /** CRC-32 of them. */
  crc: number;
}

/**
 * Fills bytes `start` to `start + length` of the tensor's storage, on the CPU, from byte `offset` of an open file. Whoever uses
 * the tensor meanwhile waits.
 */
export async function readStorage(
  { handle }: Tensor,
  fd: number,
  { start, length, offset }: { start: number; length: number; offset: number },
): Promise<Transferred> {
  const [done, crc] = await native.readStorage(handle, fd, start, length, offset);
  return { done: done!, crc: crc! };
}

/** Writes bytes `start` to `start + length` of the tensor's storage, as they are now, to where an open file stands. */
export async function writeStorage(
  tensor: Tensor,
  fd: number,
  { start, length }: { start: number; length: number },
): Promise<Transferred> {
  using bytes = Snapshot.ofStorage(tensor, start, length);
  return await bytes.writeTo(fd);
}
