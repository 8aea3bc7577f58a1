// Pickles of very many objects, honest or hostile: read in little memory, in linear time, and the event loop gets its turns.

import { describe, expect, it } from 'vitest';
import { loadTorch } from '../lib/checkpoint/index.js';
import { op } from '../lib/checkpoint/pickle/opcodes.js';
import { memoryFor, unpickle, unpickling } from '../lib/checkpoint/pickle/reader.js';
import { OrderedDict, plainTraits, StorageRef, TensorRef } from '../lib/checkpoint/pickle/values.js';
import { pickle } from '../lib/checkpoint/pickle/writer.js';
import { ZipWriter } from '../lib/checkpoint/zip/writer.js';
import type { Tensor } from '../lib/tensor/index.js';
import { archive, bytes, MemorySink, text } from './support/checkpoints.js';
import { stored, stream } from './support/oldCheckpoints.js';
import { program } from './support/pickles.js';
import { longestTurn } from './support/turns.js';

/** A state dict of so many tensors [2], each on a storage of its own. */
function manyTensors(count: number): { object: Uint8Array; keys: string[] } {
  const state = new OrderedDict<string, TensorRef>();
  const keys = Array.from({ length: count }, (_, i) => String(i));
  for (const key of keys)
    state.set(
      `embeddings.${key}.weight`,
      new TensorRef(new StorageRef(key, 'float32', 'cpu', 2), 'float32', 0, [2], [1], plainTraits),
    );
  return { object: pickle(state), keys };
}

/** How often a job yields. */
function yields(job: Generator<void, unknown>): number {
  let count = 0;
  while (!job.next().done) count += 1;
  return count;
}

describe('parsing', () => {
  it('yields every few thousand opcodes, also within one that takes long', () => {
    const count = (data: Uint8Array) => yields(unpickling(data, { where: 'test', memory: 1e9 }));
    expect(count(program('](', 'N'.repeat(10), 'e'))).toBe(0);
    // Twice: once for what will be asked for again, once to read.
    expect(count(program('](', 'N'.repeat(200_000), 'e'))).toBeGreaterThan(150);
    const pairs = Array.from({ length: 100_000 }, (_, i) => bytes('M', Buffer.of(i & 255, (i >> 8) & 255), 'N'));
    const dict = program('}(', Buffer.concat(pairs), 'u');
    const steps = program('}(', Buffer.concat(pairs), op.TUPLE, '0');
    expect(count(dict) - count(steps)).toBeGreaterThan(40);
  });

  it('remembers only what is asked for again', () => {
    // Each number is remembered and never asked for: a Map of them would take 56 bytes each.
    const numbers = Array.from({ length: 100_000 }, (_, i) =>
      bytes('Nr', Buffer.of(i & 255, (i >> 8) & 255, i >> 16, 0), '0'),
    );
    expect(unpickle(program(Buffer.concat(numbers), 'N'), { where: 'test', memory: 100_000 })).toBe(null);
  });

  it('of twenty thousand tensors takes less than half a kilobyte each', () => {
    const { object } = manyTensors(20_000);
    const state = unpickle(object, { where: 'test', memory: 20_000 * 480 }) as Map<string, TensorRef>;
    expect(state.size).toBe(20_000);
  });
});

describe('a checkpoint of a hundred thousand tensors', () => {
  it('loads, the event loop going on', async () => {
    const { object, keys } = manyTensors(100_000);
    const floats = Buffer.alloc(8);
    const storages = keys.map((_, i) => {
      floats.writeFloatLE(i, 0);
      return stored(Uint8Array.from(floats), 4);
    });
    const { result, longest } = await longestTurn(() =>
      loadTorch<Map<string, Tensor>>(stream(object, keys, Buffer.concat(storages))),
    );
    expect(result.size).toBe(100_000);
    for (const i of [0, 4096, 99_999]) expect(result.get(`embeddings.${i}.weight`)?.tolist()).toEqual([i, 0]);
    expect(longest).toBeLessThan(400);
    for (const tensor of result.values()) tensor.dispose();
  }, 120_000);
});

describe('a packed pickle', () => {
  /** An archive whose pickle is deflated. */
  async function packed(data: Uint8Array): Promise<Uint8Array> {
    const { deflateRawSync } = await import('node:zlib');
    const sink = new MemorySink();
    const zip = new ZipWriter(sink);
    const small = deflateRawSync(data);
    await zip.add('archive/data.pkl', small.length, small);
    await zip.finish();
    // Written as stored; told here to be deflated, and how long it is unpacked.
    const file = Buffer.from(sink.bytes());
    const { crc32 } = await import('node:zlib');
    const central = file.lastIndexOf(Buffer.from('PK\x01\x02', 'latin1'));
    for (const [at, offset] of [
      [0, 8],
      [central, 10],
    ] as const)
      file.writeUInt16LE(8, at + offset);
    file.writeUInt32LE(crc32(data), central + 16);
    file.writeUInt32LE(data.length, central + 24);
    return file;
  }

  it('that unpacks to more than the file may take is refused before it is unpacked', async () => {
    const bomb = await packed(program('(', '}'.repeat(60 << 20), 't'));
    expect(bomb.length).toBeLessThan(100_000);
    const before = process.memoryUsage().rss;
    const refusal: Error = await loadTorch<never>(bomb).catch((error) => error);
    expect(refusal).toMatchObject({ code: 'ERR_FORMAT' });
    expect(refusal.message).toMatch(/bytes that unpack to 62914565, far more than a checkpoint’s would/);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20);
  });

  it('may take four times the file and 64 MB with what it makes', async () => {
    expect(memoryFor(1_000_000, 400_000)).toBeLessThan(4_000_000 - 400_000 + (64 << 20));
    await expect(loadTorch(await archive({ 'data.pkl': program('(', '}'.repeat(400_000), 't') }))).rejects.toThrow(
      'too much memory',
    );
    expect(await loadTorch(await archive({ 'data.pkl': program('(', text('x').subarray(0), 't') }))).toEqual(['x']);
  });
});
