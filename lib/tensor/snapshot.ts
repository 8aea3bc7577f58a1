// A tensor's values as they are now, for whoever reads them over several turns of the event loop: files, hashes. See
// native/snapshot.h: no memory is taken while nobody writes to the tensor's, and the tensor may be written to, resized,
// disposed of meanwhile.

import { native } from '../native.js';
import type { Tensor } from './tensor.js';
import type { Transferred } from './transfer.js';

/** Large enough that its cost is copying, small enough to stay in the cache. */
const pieceBytes = 1 << 22;

/** Up to here copying is sooner done than handed to another thread; and above, a file is written without a copy in between. */
const smallBytes = 1 << 18;

/** @internal Of a tensor's values, row-major, or of bytes of its storage. */
export class Snapshot implements Disposable {
  private constructor(
    private readonly number: number,
    readonly nbytes: number,
  ) {}

  /** Its values, row-major, whatever its strides and its device. @throws ERR_ARGUMENT if they lie in no storage */
  static ofValues(tensor: Tensor): Snapshot {
    const number = native.beginSnapshot(tensor.handle);
    return new Snapshot(number, native.snapshotSize(number));
  }

  /** Bytes of the storage that it views, as they lie there. */
  static ofStorage(tensor: Tensor, start: number, nbytes: number): Snapshot {
    return new Snapshot(native.beginStorageSnapshot(tensor.handle, start, nbytes), nbytes);
  }

  /** All bytes, in pieces of `most` that are copied when they are asked for. */
  async *pieces(most = pieceBytes): AsyncGenerator<Uint8Array> {
    for (let start = 0; start < this.nbytes; start += most) {
      const length = Math.min(most, this.nbytes - start);
      yield length <= smallBytes
        ? native.snapshotBytesSync(this.number, start, length)
        : await native.snapshotBytes(this.number, start, length);
    }
  }

  /** Whether it is large and lies on the CPU as it is to be written, so that `writeTo` takes no copy. */
  get isDirect(): boolean {
    return this.nbytes >= smallBytes && native.snapshotIsPlain(this.number);
  }

  /** Writes all of it to where an open file stands. @throws ERR_ARGUMENT unless its bytes lie on the CPU as they are to be written */
  async writeTo(fd: number): Promise<Transferred> {
    const [done, crc] = await native.writeSnapshot(this.number, fd);
    return { done: done!, crc: crc! };
  }

  [Symbol.dispose](): void {
    native.endSnapshot(this.number);
  }
}

/** @internal The values of all of them as they are now, to be let go together. */
export function snapshotsOf(tensors: readonly Tensor[]): readonly Snapshot[] & Disposable {
  const made: Snapshot[] = [];
  const end = () => {
    for (const snapshot of made) snapshot[Symbol.dispose]();
  };
  try {
    for (const tensor of tensors) made.push(Snapshot.ofValues(tensor));
  } catch (error) {
    end();
    throw error;
  }
  return Object.assign(made, { [Symbol.dispose]: end });
}
