// The formats from before PyTorch 1.6, streams and tar archives, put together by hand: what they hold, and how each way in which
// they can be wrong is refused.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTorch } from '../lib/checkpoint/index.js';
import { pickle } from '../lib/checkpoint/pickle/writer.js';
import { type ByteSource, openSource } from '../lib/checkpoint/source.js';
import { loadFrom } from '../lib/checkpoint/torchFile.js';
import type { Tensor } from '../lib/tensor/index.js';
import { bytes, integer, text, withFolder } from './support/checkpoints.js';
import {
  magic,
  part,
  storage,
  stored,
  stream,
  streamSample,
  tarEnd,
  tarFile,
  tarMembers,
  tarOf,
  tarSample,
  tarTensor,
  tensor,
} from './support/oldCheckpoints.js';
import { program } from './support/pickles.js';

const six = new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer);

async function refusal(file: Uint8Array): Promise<string> {
  const error = await loadTorch(file).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toMatchObject({ code: 'ERR_FORMAT' });
  return error.message;
}

describe('a stream', () => {
  it('is read: windows, parts of storages, sharing', async () => {
    const loaded = await loadTorch<Map<string, Tensor>>(streamSample());
    const [weight, column, half, mask] = ['weight', 'column', 'part', 'mask'].map((key) => loaded.get(key) as Tensor);
    expect(weight?.tolist()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(column?.tolist()).toEqual([1, 4]);
    expect(half?.tolist()).toEqual([3, 4, 5]);
    expect(mask?.tolist()).toEqual([true, false, true]);
    expect(loaded.get('epoch')).toBe(3);
    expect(column?.storage().id).toBe(weight?.storage().id);
  });

  it('is refused where it is wrong', async () => {
    const one = program(tensor(storage('1', 6), 0, [6], [1]));
    const good = stored(six, 4);
    expect(await refusal(stream(one, ['1', '1'], good, good))).toContain('storage "1" is there twice');
    expect(await refusal(stream(one, ['2'], good))).toContain('a storage "2" that its object doesn’t');
    expect(await refusal(stream(one, [], good))).toContain('storage "1" is missing');
    expect(await refusal(stream(one, [7], good))).toContain('that its object doesn’t');
    expect(await refusal(stream(one, { a: 1 }, good))).toContain('a list of keys');
    expect(await refusal(stream(one, ['1'], good.subarray(0, 20)))).toContain('it may be cut off');
    expect(await refusal(stream(one, ['1'], stored(six, 4, 5)))).toContain('should have 6 elements but has 5');
    expect(await refusal(stream(one, ['1'], stored(six, 4, -1)))).toContain('has -1');
    expect(await refusal(bytes(magic, pickle(1002)))).toContain('expected version 1001');
    expect(await refusal(magic)).toContain('ends without a STOP');
    const outside = program(tensor(storage('1', 6, { part: part('2', 4, 3) }), 0, [1], [1]));
    expect(await refusal(stream(outside, ['1'], good))).toContain('elements 4 to 7 reach beyond the 6');
    const beyond = program(tensor(storage('1', 6, { part: part('2', 1, 3) }), 2, [2], [1]));
    expect(await refusal(stream(beyond, ['1'], good))).toContain('reaches beyond the 12 bytes');
  });

  it('takes bytes that are neither 0 nor 1 for true, as Python does', async () => {
    const booleans = program(tensor(storage('1', 3, { type: 'BoolStorage' }), 0, [3], [1]));
    const loaded = await loadTorch<Tensor>(stream(booleans, ['1'], stored(Uint8Array.of(0, 2, 255), 1)));
    expect(loaded.tolist()).toEqual([false, true, true]);
    expect([...loaded.toArraySync()]).toEqual([0, 1, 1]);
  });

  it('of a big-endian machine has its counts in its own order', async () => {
    const count = Buffer.alloc(8);
    count.writeBigInt64BE(6n);
    const file = stream(program(tensor(storage('1', 6), 0, [6], [1])), ['1'], bytes(count, six));
    expect((await loadTorch<Tensor>(file)).tolist()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('is refused at every length that cuts it off', async () => {
    const whole = streamSample();
    for (let length = 0; length < whole.length; length++) await refusal(whole.subarray(0, length));
  });
});

describe('a tar archive', () => {
  it('is read: windows, parts of storages, sharing', async () => {
    const loaded = await loadTorch<Map<string, Tensor>>(tarSample());
    expect(loaded.get('w')?.tolist()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(loaded.get('half')?.tolist()).toEqual([4, 5]);
    expect(loaded.get('n')).toBe(3);
    expect(loaded.get('half')?.storage().id).toBe(loaded.get('w')?.storage().id);
  });

  it('is refused where it is wrong', async () => {
    const members = tarMembers();
    const without = (name: string) =>
      tarOf(Object.fromEntries(Object.entries(members).filter(([key]) => key !== name)));
    const withMember = (name: string, content: Uint8Array) => refusal(tarOf({ ...members, [name]: content }));
    for (const name of ['storages', 'tensors', 'pickle'])
      expect(await refusal(without(name))).toContain(`it has no "${name}"`);
    const first = tarFile('sys_info', members.sys_info as Uint8Array);
    expect(await refusal(bytes(first, first, tarEnd))).toContain('two files named "sys_info"');
    expect(await refusal(bytes(tarFile('../evil', six), tarEnd))).toContain('leaves the archive');
    expect(await refusal(bytes(tarFile('link', six, { type: '2' }), tarEnd))).toContain('a link, a device');
    expect(await refusal(bytes(tarFile('large', six, { size: 1e9 }), tarEnd))).toContain('reaches beyond the end');
    const damaged = Buffer.from(tarSample());
    damaged[3] = (damaged[3] as number) ^ 1;
    expect(await refusal(damaged)).toContain('checksum is wrong');
    expect(await withMember('pickle', program(text('999'), 'Q'))).toContain('no tensor or storage "999"');
    expect(await withMember('tensors', bytes(pickle(1), tarTensor(101, 9, 0, [1], [1])))).toContain(
      'expected a storage',
    );
    expect(await withMember('tensors', bytes(pickle(1), tarTensor(101, 1, 5, [2], [1])))).toContain('reaches beyond');
    expect(await withMember('tensors', bytes(pickle(1), tarTensor(101, 1, 0, [-2], [1])))).toContain('0 or more');
    expect(await withMember('tensors', pickle(2 ** 40))).toContain('the number of entries');
    expect(await withMember('tensors', bytes(program(integer(-1))))).toContain('the number of entries');
    expect(await withMember('storages', (members.storages as Uint8Array).subarray(0, 60))).toContain('cut off');
  });

  it('is refused at every length that cuts it off', async () => {
    const whole = tarSample();
    // The zeros at its end may be missing.
    for (let length = 0; length < whole.length - tarEnd.length - 512; length += 13)
      await refusal(whole.subarray(0, length));
  });
});

describe('large files', () => {
  /** A source that counts what is read of another. */
  async function counting(path: string) {
    const source = await openSource(path);
    const counted = { bytes: 0 };
    const wrapped: ByteSource = {
      name: source.name,
      size: source.size,
      read: (offset, length, scratch) => {
        counted.bytes += length;
        return source.read(offset, length, scratch);
      },
      readRange: (offset, length, scratch) => wrapped.read(offset, length, scratch),
      close: () => source.close(),
    };
    return { source: wrapped, counted };
  }

  const large = (): Uint8Array => {
    const object = program(
      '}(',
      text('large'),
      tensor(storage('1', 10_000_000), 0, [10_000_000], [1]),
      text('small'),
      tensor(storage('2', 6), 0, [6], [1]),
      'u',
    );
    return stream(object, ['1', '2'], stored(new Uint8Array(40_000_000), 4), stored(six, 4));
  };

  it('of which one key is wanted are read where it is', () =>
    withFolder(async (folder) => {
      writeFileSync(join(folder, 'x.pth'), large());
      const { source, counted } = await counting(join(folder, 'x.pth'));
      const loaded = (await loadFrom(source, { keys: ['small'] })) as Map<string, Tensor>;
      await source.close();
      expect([...loaded.keys()]).toEqual(['small']);
      expect(loaded.get('small')?.tolist()).toEqual([0, 1, 2, 3, 4, 5]);
      expect(counted.bytes).toBeLessThan(30_000);
    }));
});
