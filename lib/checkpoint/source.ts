// Where a checkpoint's bytes come from: a file, read piece by piece without blocking, or a buffer. Readers above ask
// for ranges, so that a file is never in memory as a whole.

import { fstatSync, readSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import { readStorage, type Tensor } from '../tensor/index.js';

export interface ByteSource {
  /** How messages call it: the path, or `the buffer`. */
  readonly name: string;
  readonly size: number;
  /** Of a file: what LibTorch can map into memory. */
  readonly path?: string;
  /**
   * Exactly `length` bytes from `offset`; may be a view that other calls return too, so it is to be read only.
   * @param scratch memory that may be used for them, and so may be overwritten by the next call that is given it
   * @throws ERR_FORMAT if the range leaves the source.
   */
  read(offset: number, length: number, scratch?: Uint8Array): Promise<Uint8Array>;
  /** The same, and nothing around it is read along: for few ranges that lie far apart. */
  readRange(offset: number, length: number, scratch?: Uint8Array): Promise<Uint8Array>;
  /** The same at once: for the few bytes here and there of a file that is mapped, where a page fault would wait as long. */
  readonly readSync?: ((offset: number, length: number) => Uint8Array) | undefined;
  /**
   * Fills the beginning of a tensor's storage with `length` bytes from `offset`, without a copy in between, and gives their
   * CRC-32. Missing where bytes can't go that way.
   */
  readonly readInto?: ((tensor: Tensor, offset: number, length: number) => Promise<number>) | undefined;
  close(): Promise<void>;
}

/** A path, or a `file:` URL. */
export type PathInput = string | URL;
/** What is read from: a file, or its bytes. */
export type FileInput = PathInput | Uint8Array | ArrayBuffer;

/**
 * The path that is meant.
 * @throws ERR_ARGUMENT for URLs that are none of files, and for anything else.
 */
export function pathOf(path: unknown, name: string, what = 'a path'): string {
  if (typeof path === 'string' && path !== '') return path;
  if (!isUrl(path)) throw expected(what, name, path);
  try {
    return fileURLToPath(path.href);
  } catch {
    throw expected('a file: URL; others are to be fetched first', name, path.href);
  }
}

/** Bytes rather than a file: what can't be mapped. */
export const areBytes = (file: unknown): boolean => types.isUint8Array(file) || types.isAnyArrayBuffer(file);

/** Of any realm. */
const isUrl = (value: unknown): value is URL => Object.prototype.toString.call(value) === '[object URL]';

/**
 * Opens a path, or wraps bytes without a copy.
 * @throws ERR_FILE if the path is missing, unreadable or not a regular file; ERR_ARGUMENT for anything else.
 */
export async function openSource(file: FileInput): Promise<ByteSource> {
  if (types.isUint8Array(file)) return new BufferSource(file);
  if (types.isAnyArrayBuffer(file)) return new BufferSource(new Uint8Array(file));
  return await FileSource.open(pathOf(file, 'file', 'a path or a Uint8Array'));
}

/** A range of a source as a source of its own. Closing it closes nothing. */
export const sectionOf = (source: ByteSource, name: string, start: number, size: number): ByteSource => ({
  name,
  size,
  readInto: undefined,
  async read(offset, length, scratch) {
    checkInside(this, offset, length);
    return await source.read(start + offset, length, scratch);
  },
  async readRange(offset, length, scratch) {
    checkInside(this, offset, length);
    return await source.readRange(start + offset, length, scratch);
  },
  async close() {},
});

/** ERR_FILE from what Node says, in words; errors that are not the file system's pass through. */
export function fileError(doing: string, path: string, cause: unknown): unknown {
  if (cause instanceof IsotorchError || !types.isNativeError(cause)) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === undefined) return cause;
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file or folder',
    EACCES: 'permission denied',
    EPERM: 'not permitted',
    ENOTDIR: 'a part of the path is not a folder',
    EISDIR: 'it is a folder',
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    EROFS: 'the file system is read-only',
    ENAMETOOLONG: 'the name is too long',
    EMFILE: 'this process has too many files open',
  };
  return new IsotorchError('ERR_FILE', `Could not ${doing} ${path}: ${reasons[code] ?? message}`, { cause });
}

const outside = (
  { name, size }: Pick<ByteSource, 'name' | 'size'>,
  offset: number,
  length: number,
  problem = 'it may be cut off',
): IsotorchError =>
  new IsotorchError(
    'ERR_FORMAT',
    `${name}: expected ${length} bytes at byte ${offset} but the file ends at byte ${size}; ${problem}`,
  );

/** For a file that has less than it had when it was opened. */
const shortened = ({ name, size: before }: ByteSource, offset: number, length: number, size: number): IsotorchError =>
  outside({ name, size }, offset, length, `it was cut off while it was read, and had ${before} bytes`);

/** @throws ERR_FORMAT if the range leaves the source. */
export function checkInside(source: ByteSource, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!whole || offset + length > source.size) throw outside(source, offset, length);
}

class BufferSource implements ByteSource {
  readonly name = 'the buffer';

  constructor(private readonly bytes: Uint8Array) {}

  get size(): number {
    return this.bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkInside(this, offset, length);
    return this.bytes.subarray(offset, offset + length);
  }

  readRange(offset: number, length: number): Promise<Uint8Array> {
    return this.read(offset, length);
  }

  async close(): Promise<void> {}
}

/** Small reads are served from a window of the file, so that thousands of small entries cost few system calls. */
const windowBytes = 1 << 20;
const mostPerCall = 1 << 30;

class FileSource implements ByteSource {
  private window: Uint8Array = new Uint8Array(0);
  private windowStart = 0;

  private constructor(
    readonly name: string,
    readonly size: number,
    private readonly file: FileHandle,
  ) {}

  get path(): string {
    return this.name;
  }

  static async open(path: string): Promise<FileSource> {
    try {
      // Before open(), which would wait for a writer if the path is a pipe.
      const before = await stat(path);
      if (before.isDirectory()) throw new IsotorchError('ERR_FILE', `Expected a file at ${path} but it is a folder`);
      if (!before.isFile())
        throw new IsotorchError('ERR_FILE', `Expected a regular file at ${path} but it is a device or a pipe`);
      const file = await open(path, 'r');
      const { size } = await file.stat();
      return new FileSource(path, size, file);
    } catch (error) {
      throw fileError('read', path, error);
    }
  }

  async read(offset: number, length: number, scratch?: Uint8Array): Promise<Uint8Array> {
    checkInside(this, offset, length);
    if (length >= windowBytes) return await this.readNow(offset, length, scratch);
    if (offset < this.windowStart || offset + length > this.windowStart + this.window.length) {
      this.window = await this.readNow(offset, Math.min(windowBytes, this.size - offset));
      this.windowStart = offset;
    }
    return this.window.subarray(offset - this.windowStart, offset - this.windowStart + length);
  }

  async readRange(offset: number, length: number, scratch?: Uint8Array): Promise<Uint8Array> {
    checkInside(this, offset, length);
    return await this.readNow(offset, length, scratch);
  }

  readonly readInto = this.fill.bind(this);

  private async fill(tensor: Tensor, offset: number, length: number): Promise<number> {
    checkInside(this, offset, length);
    try {
      const { done, crc } = await readStorage(tensor, this.file.fd, { start: 0, length, offset });
      if (done < length) throw shortened(this, offset, length, (await this.file.stat()).size);
      return crc;
    } catch (error) {
      throw fileError('read', this.name, error);
    }
  }

  readSync(offset: number, length: number): Uint8Array {
    checkInside(this, offset, length);
    const bytes = Buffer.allocUnsafeSlow(length);
    try {
      for (let done = 0; done < length; ) {
        const count = readSync(this.file.fd, bytes, done, Math.min(length - done, mostPerCall), offset + done);
        if (count === 0) throw shortened(this, offset, length, fstatSync(this.file.fd).size);
        done += count;
      }
    } catch (error) {
      throw fileError('read', this.name, error);
    }
    return bytes;
  }

  private async readNow(offset: number, length: number, scratch?: Uint8Array): Promise<Uint8Array> {
    const bytes = scratch && scratch.length >= length ? scratch.subarray(0, length) : Buffer.allocUnsafeSlow(length);
    try {
      for (let done = 0; done < length; ) {
        const { bytesRead } = await this.file.read(bytes, done, Math.min(length - done, mostPerCall), offset + done);
        if (bytesRead === 0) throw shortened(this, offset, length, (await this.file.stat()).size);
        done += bytesRead;
      }
    } catch (error) {
      throw fileError('read', this.name, error);
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
