// The IDX format, in which MNIST and its relatives are published (http://yann.lecun.com/exdb/mnist): two zero bytes,
// one byte for the element type, one for the number of dimensions, each size as a big-endian 32-bit integer, then the
// elements row-major and big-endian. Read here plain or gzipped. Everything a file says about itself is checked
// before memory is taken for it, so a cut-off, padded or hostile file gives ERR_FORMAT and no crash.
import { constants } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { Readable } from 'node:stream';
import { types } from 'node:util';
import { createGunzip } from 'node:zlib';
import { IsotorchError } from '../errors.js';

export type IdxType = 'uint8' | 'int8' | 'int16' | 'int32' | 'float32' | 'float64';
export type IdxValues = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** What an IDX file holds: `data` row-major in this machine's byte order, `shape` from its header. */
export interface IdxArray {
  readonly dtype: IdxType;
  readonly shape: readonly number[];
  readonly data: IdxValues;
}

interface Header {
  readonly dtype: IdxType;
  readonly shape: readonly number[];
  readonly itemSize: number;
  /** Where the elements start. */
  readonly offset: number;
  /** Bytes of the whole file, header included. */
  readonly total: number;
}

const TYPES: Readonly<Record<number, readonly [IdxType, number]>> = {
  8: ['uint8', 1],
  9: ['int8', 1],
  11: ['int16', 2],
  12: ['int32', 4],
  13: ['float32', 4],
  14: ['float64', 8],
};

/** deflate can't make more than 1,032 bytes of one (zlib's technical details). */
const MOST_INFLATION = 1032;

const bad = (source: string, wanted: string, received: string, cause?: unknown): IsotorchError =>
  new IsotorchError(
    'ERR_FORMAT',
    `${source}: expected ${wanted}, received ${received}. Fetch the file anew from where it came.`,
    { cause },
  );

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

export const isGzip = (bytes: Uint8Array): boolean => bytes.length > 1 && bytes[0] === 0x1f && bytes[1] === 0x8b;

/** The header, or undefined while `bytes` (a beginning of the file) is too short to tell. */
function peekHeader(bytes: Uint8Array, source: string): Header | undefined {
  if (bytes.length < 4) return undefined;
  const type = TYPES[bytes[2]!];
  const rank = bytes[3]!;
  if (bytes[0] !== 0 || bytes[1] !== 0 || type === undefined || rank === 0) {
    throw bad(
      source,
      'an IDX magic number (0x0000, type 08 09 0b 0c 0d or 0e, rank 1 to 255)',
      hex(bytes.subarray(0, 4)),
    );
  }
  const offset = 4 + 4 * rank;
  if (bytes.length < offset) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const [dtype, itemSize] = type;
  const total = shape.includes(0) ? offset : shape.reduce((product, size) => product * size, itemSize) + offset;
  if (total > constants.MAX_LENGTH) {
    throw bad(source, `at most ${constants.MAX_LENGTH} bytes`, `a header that promises ${dtype} [${shape.join(', ')}]`);
  }
  return { dtype, shape, itemSize, offset, total };
}

function cutOff(source: string, header: Header | undefined, length: number): IsotorchError {
  if (!header) return bad(source, 'a whole IDX header', `${length} bytes; the file is cut off`);
  const { dtype, shape, total } = header;
  return bad(source, `${total} bytes for ${dtype} [${shape.join(', ')}]`, `${length}; the file is cut off`);
}

const tooLong = (source: string, { dtype, shape, total }: Header, length: string): IsotorchError =>
  bad(source, `${total} bytes for ${dtype} [${shape.join(', ')}]`, `${length}: there are bytes after the end`);

/**
 * Reads plain (not gzipped) IDX bytes. uint8 data is a view into `bytes`; other types are copied.
 * @param source what messages call it, usually the file's path
 * @throws ERR_FORMAT when the bytes are not IDX, are too few or too many
 */
export function parseIdx(bytes: Uint8Array, source = 'IDX data'): IdxArray {
  const header = peekHeader(bytes, source);
  if (!header || bytes.length < header.total) throw cutOff(source, header, bytes.length);
  if (bytes.length > header.total) throw tooLong(source, header, String(bytes.length));
  const { dtype, shape, offset } = header;
  const body = bytes.subarray(offset);
  return { dtype, shape, data: values(body, header) };
}

function values(body: Uint8Array, { dtype, itemSize }: Header): IdxValues {
  if (dtype === 'uint8') return body;
  const copy = Buffer.from(new Uint8Array(body).buffer); // own, aligned memory
  if (endianness() === 'LE') {
    if (itemSize === 2) copy.swap16();
    else if (itemSize === 4) copy.swap32();
    else if (itemSize === 8) copy.swap64();
  }
  const { buffer } = copy;
  switch (dtype) {
    case 'int8':
      return new Int8Array(buffer);
    case 'int16':
      return new Int16Array(buffer);
    case 'int32':
      return new Int32Array(buffer);
    case 'float32':
      return new Float32Array(buffer);
    case 'float64':
      return new Float64Array(buffer);
  }
}

/**
 * Unzips gzipped IDX bytes, off the event loop, into memory sized by the header inside.
 * @throws ERR_FORMAT when they are not gzip, not IDX, too few or too many; no more is unzipped than the header promises
 */
export async function gunzipIdx(bytes: Uint8Array, source = 'IDX data'): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  let whole: Uint8Array | undefined;
  let header: Header | undefined;
  let length = 0;
  const stream = Readable.from([bytes]).pipe(createGunzip({ chunkSize: 1 << 18 }));
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      if (!header || !whole) {
        head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
        header = peekHeader(head, source);
        length = head.length;
        if (!header) continue;
        if (header.total > bytes.length * MOST_INFLATION) throw cutOff(source, header, length);
        if (length > header.total) throw tooLong(source, header, 'more');
        whole = new Uint8Array(header.total);
        whole.set(head);
      } else {
        if (length + chunk.length > header.total) throw tooLong(source, header, 'more');
        whole.set(chunk, length);
        length += chunk.length;
      }
    }
  } catch (error) {
    if (error instanceof IsotorchError) throw error;
    const reason = types.isNativeError(error) ? error.message : String(error);
    throw bad(source, 'whole gzip data', `${bytes.length} bytes that do not unzip (${reason})`, error);
  } finally {
    stream.destroy();
  }
  if (!header || !whole || length < header.total) throw cutOff(source, header, length);
  return whole;
}

/**
 * Reads an IDX file, plain or gzipped (told by its first bytes, not by its name).
 * @throws ERR_FILE when it can't be read, ERR_FORMAT when it is not IDX, is cut off or too long
 * @example const { shape, data } = await readIdx('train-images-idx3-ubyte.gz');   // [60000, 28, 28], Uint8Array
 */
export async function readIdx(path: string): Promise<IdxArray> {
  const bytes = await readFileBytes(path);
  return parseIdx(isGzip(bytes) ? await gunzipIdx(bytes, path) : bytes, path);
}

/** The file's bytes. @throws ERR_FILE */
export async function readFileBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = types.isNativeError(error) ? error.message : String(error);
    throw new IsotorchError('ERR_FILE', `Expected a readable file at ${path}: ${reason}`, { cause: error });
  }
}
