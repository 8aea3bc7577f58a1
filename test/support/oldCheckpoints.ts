// Checkpoints in the two formats that torch.save had before 1.6, put together by hand.

import { pickle } from '../../lib/checkpoint/pickle/writer.js';
import { bytes, integer, text } from './checkpoints.js';
import { global, program } from './pickles.js';

const int64 = (value: number): Uint8Array => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64LE(BigInt(value));
  return buffer;
};

const ints = (...values: number[]) => bytes('(', ...values.map(integer), 't');

/** A storage's persistent id, with the part of it that is meant, if it is a part. */
export const storage = (
  key: string,
  numel: number,
  { type = 'FloatStorage', part = 'N' as string | Uint8Array } = {},
) => bytes('(', text('storage'), global('torch', type), text(key), text('cpu'), integer(numel), part, 'tQ');

export const part = (key: string, offset: number, numel: number) =>
  bytes('(', text(key), integer(offset), integer(numel), 't');

/** A call of torch._utils._rebuild_tensor. */
export const tensor = (on: Uint8Array, offset: number, size: number[], stride: number[]) =>
  bytes(global('torch._utils', '_rebuild_tensor'), '(', on, integer(offset), ints(...size), ints(...stride), 'tR');

export const magic = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');

/** A stream: the object's pickle, the keys in their order, and what follows them. */
export const stream = (object: Uint8Array, keys: unknown, ...storages: Uint8Array[]): Uint8Array =>
  bytes(magic, pickle(1001), pickle({ little_endian: true }), object, pickle(keys), ...storages);

/** A storage as streams and tar archives have it. */
export const stored = (content: Uint8Array, itemSize: number, numel = content.length / itemSize): Uint8Array =>
  bytes(int64(numel), content);

const floats = (count: number) => new Uint8Array(Float32Array.from({ length: count }, (_, i) => i).buffer);

export function streamSample(): Uint8Array {
  const object = program(
    global('collections', 'OrderedDict'),
    ')R(',
    text('weight'),
    tensor(storage('11', 6), 0, [2, 3], [3, 1]),
    text('column'),
    tensor(storage('11', 6), 1, [2], [3]),
    text('part'),
    tensor(storage('12', 8, { part: part('13', 2, 4) }), 1, [3], [1]),
    text('mask'),
    tensor(storage('14', 3, { type: 'BoolStorage' }), 0, [3], [1]),
    text('epoch'),
    integer(3),
    'u',
  );
  return stream(
    object,
    ['11', '12', '14'],
    stored(floats(6), 4),
    stored(floats(8), 4),
    stored(Uint8Array.of(1, 0, 1), 1),
  );
}

/** One file of a tar archive, its header's checksum right. */
export function tarFile(name: string, content: Uint8Array, { type = '0', size = content.length } = {}): Uint8Array {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write(type, 156);
  header.write('ustar\u000000', 257);
  return bytes(checksummed(header), content, new Uint8Array((512 - (content.length % 512)) % 512));
}

function checksummed(header: Buffer): Buffer {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** Mends the checksum of every header that starts where one may. */
export function withChecksums(archive: Uint8Array): Uint8Array {
  const copy = Buffer.from(archive);
  for (let at = 0; at + 512 <= copy.length; at += 512)
    if (copy.toString('latin1', at + 257, at + 262) === 'ustar') checksummed(copy.subarray(at, at + 512));
  return copy;
}

export const tarEnd = new Uint8Array(1024);

/** `(key, location, class)` of a storage, or `(key, key of the storage, class)` of a tensor. */
const entry = (key: number, second: Uint8Array, type: string) =>
  program('(', integer(key), second, global('torch', type), 't');

/** A tensor's entry and window. */
export const tarTensor = (key: number, storageKey: number, offset: number, size: number[], stride: number[]) =>
  bytes(
    entry(key, integer(storageKey), 'FloatTensor'),
    Buffer.of(size.length, 0, 0, 0, 0, 0, 0, 0),
    ...[...size, ...stride, offset].map(int64),
  );

export function tarMembers(): Record<string, Uint8Array> {
  return {
    sys_info: pickle({ protocol_version: 1000 }),
    pickle: program('}(', text('w'), text('101'), 'Q', text('half'), text('102'), 'Q', text('n'), integer(3), 'u'),
    tensors: bytes(pickle(2), tarTensor(101, 1, 0, [2, 3], [3, 1]), tarTensor(102, 2, 1, [2], [1])),
    storages: bytes(
      pickle(1),
      entry(1, text('cpu'), 'FloatStorage'),
      stored(floats(6), 4),
      program(']', '(', ints(2, 1, 3, 3), 'e'),
    ),
  };
}

export const tarOf = (members: Record<string, Uint8Array>): Uint8Array =>
  bytes(...Object.entries(members).map(([name, content]) => tarFile(name, content)), tarEnd);

export const tarSample = (): Uint8Array => tarOf(tarMembers());
