// Writing a file so that no crash, kill or full disk leaves half of it: into a temporary file of the same folder, flushed
// to the disk, then renamed over the old one, and the folder flushed too. Data streams through, so a checkpoint larger
// than memory's spare room can be written (write-file-atomic takes the whole content at once, and 2 GB at most).

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { IsotorchError } from '../errors.js';
import type { Snapshot } from '../tensor/snapshot.js';
import { fileError, type PathInput, pathOf } from './source.js';

/** Takes bytes in order. They may be reused by the caller once the promise is fulfilled. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
  /** Takes a snapshot's bytes, where they are direct, without a copy, and gives their CRC-32; missing where that can't be. */
  readonly writeFrom?: ((bytes: Snapshot) => Promise<number>) | undefined;
}

/** Writes a snapshot's bytes, without a copy where that can be. */
export async function writeBytes(sink: ByteSink, bytes: Snapshot): Promise<void> {
  if (sink.writeFrom && bytes.isDirect) await sink.writeFrom(bytes);
  else for await (const piece of bytes.pieces()) await sink.write(piece);
}

/**
 * Calls `produce` with a sink; when it is done, the path holds what it wrote. If it throws, or this process dies at any
 * moment, it is what it was before. A symbolic link is followed; an existing file keeps its mode.
 *
 * @throws ERR_FILE if the folder is missing, not writable or full, or the path is not a regular file.
 */
export async function writeFileAtomically(where: PathInput, produce: (sink: ByteSink) => Promise<void>): Promise<void> {
  const path = pathOf(where, 'path');
  const { target, mode } = await destination(path);
  const folder = dirname(target);
  const temporary = join(folder, `.${basename(target).slice(0, 40)}.${randomBytes(6).toString('hex')}.tmp`);
  let renamed = false;
  let file: FileHandle | undefined;
  try {
    file = await open(temporary, 'wx', mode);
    const sink = new BufferedSink(file);
    await produce(sink);
    await sink.flush();
    await file.sync();
    await file.close();
    file = undefined;
    await rename(temporary, target);
    renamed = true;
    await syncFolder(folder);
  } catch (error) {
    throw fileError('write', path, error);
  } finally {
    await file?.close();
    if (!renamed) await rm(temporary, { force: true });
  }
}

async function destination(path: string): Promise<{ target: string; mode: number }> {
  try {
    const target = await realpath(path);
    const old = await stat(target);
    if (!old.isFile()) {
      const what = old.isDirectory() ? 'a folder' : 'a device or a pipe';
      throw new IsotorchError('ERR_FILE', `Expected a file name for path but ${path} is ${what}`);
    }
    return { target, mode: old.mode & 0o777 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { target: path, mode: 0o666 };
    throw fileError('write', path, error);
  }
}

/** Makes the rename itself last. Windows can't open folders and needs no flush. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const bufferBytes = 1 << 20;
const mostPerCall = 1 << 28;

/** Gathers small writes into large ones. */
class BufferedSink implements ByteSink {
  private readonly buffer = Buffer.allocUnsafeSlow(bufferBytes);
  private used = 0;

  constructor(private readonly file: FileHandle) {}

  async write(bytes: Uint8Array): Promise<void> {
    if (this.used + bytes.length > bufferBytes) await this.flush();
    if (bytes.length >= bufferBytes) {
      await this.writeNow(bytes);
    } else {
      this.buffer.set(bytes, this.used);
      this.used += bytes.length;
    }
  }

  readonly writeFrom = this.transfer.bind(this);

  private async transfer(bytes: Snapshot): Promise<number> {
    await this.flush();
    return (await bytes.writeTo(this.file.fd)).crc;
  }

  async flush(): Promise<void> {
    const { used } = this;
    this.used = 0;
    await this.writeNow(this.buffer.subarray(0, used));
  }

  private async writeNow(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.file.write(bytes, done, Math.min(bytes.length - done, mostPerCall));
      done += bytesWritten;
    }
  }
}
