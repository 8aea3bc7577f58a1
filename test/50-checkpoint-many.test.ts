// Files with very many small parts, honest or hostile: they are read in linear time, and the event loop gets its turns.

import { mkdtempSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSafetensors, openSafetensors, saveSafetensors } from '../lib/checkpoint/index.js';
import { torch } from '../lib/tensor/index.js';
import { longestTurn } from './support/turns.js';

/** Far above the 10 ms after which the readers pause, far below what reading all at once takes: collections count too. */
const mostMs = 250;

/** A file of `count` tensors [2]; `shuffled` lists them in another order than their data. */
function manyTensors(count: number, { shuffled = false } = {}): Buffer {
  const members = Array.from(
    { length: count },
    (_, i) => `"layers.${i}.weight":{"dtype":"F32","shape":[2],"data_offsets":[${8 * i},${8 * i + 8}]}`,
  );
  if (shuffled) members.sort((a, b) => (a.length === b.length ? (a > b ? -1 : 1) : b.length - a.length));
  const header = Buffer.from(`{${members.join()}}`);
  const data = Buffer.alloc(8 * count);
  for (let i = 0; i < count; i++) data.writeFloatLE(i, 8 * i);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
}

describe('a hundred thousand tensors', () => {
  it.each([false, true])('are loaded, the event loop going on (listed in another order: %s)', async (shuffled) => {
    const file = manyTensors(100_000, { shuffled });
    const { result: dict, longest } = await longestTurn(() => loadSafetensors(file));
    expect(dict.size).toBe(100_000);
    expect([...dict.keys()].slice(0, 2)).toEqual(['layers.0.weight', 'layers.1.weight']); // the order of their data
    for (const i of [0, 4096, 99_999]) expect(dict.get(`layers.${i}.weight`)!.tolist()).toEqual([i, 0]);
    expect(longest).toBeLessThan(mostMs);
    for (const tensor of dict.values()) tensor.dispose();
  });

  it('of which one overlaps its neighbour are refused', async () => {
    const file = manyTensors(50_000, { shuffled: true });
    const at = file.indexOf('"layers.77.weight"');
    file.write('624', file.indexOf('[616', at) + 1); // begins where its successor does …
    await expect(openSafetensors(file)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });
});

describe('keys', () => {
  const header = (json: string) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
    return Buffer.concat([length, Buffer.from(json)]);
  };
  const texts = (keys: string[]) => header(`{"__metadata__":{${keys.map((key) => `"${key}":""`).join()}}}`);

  it('that come twice are refused among few and among many', async () => {
    for (const count of [2, 7, 8, 9, 30]) {
      const keys = Array.from({ length: count }, (_, i) => `k${i}`);
      await expect(openSafetensors(texts(keys))).resolves.toBeDefined();
      for (const twice of [0, count - 1])
        await expect(openSafetensors(texts([...keys, `k${twice}`]))).rejects.toThrow(`"k${twice}" comes twice`);
    }
  });

  it('are text in UTF-8', async () => {
    const file = await openSafetensors(
      header('{"gewöhnlich 重み \\u00e9":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'),
    );
    expect(file.keys).toEqual(['gewöhnlich 重み é']);
  });
});

it('a file that is cut off while it is open says how long it is now', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'isotorch-')), 'cut.safetensors');
  for (const count of [100, 1 << 20]) {
    await saveSafetensors(path, { a: torch.zeros([count]) });
    const { size } = statSync(path);
    await using file = await openSafetensors(path);
    truncateSync(path, 90);
    await expect(file.get('a')).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining(`ends at byte 90; it was cut off while it was read, and had ${size} bytes`),
    });
  }
});
