// The long versions of test/50-checkpoint-*.test.ts: a hundred thousand damaged checkpoints within their time and memory,
// two hundred kills, archives beyond 4 GiB that PyTorch reads too.

import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTorch } from '../../lib/checkpoint/index.js';
import { openSource } from '../../lib/checkpoint/source.js';
import { ZipReader } from '../../lib/checkpoint/zip/reader.js';
import { ZipWriter } from '../../lib/checkpoint/zip/writer.js';
import type { Tensor } from '../../lib/tensor/index.js';
import { fuzz } from '../support/checkpointFuzz.js';
import { killWhileSaving, withFolder } from '../support/checkpoints.js';
import { python } from '../support/python.js';
import { fuzzSafetensors } from '../support/safetensorsFuzz.js';

/** How much to do: 1 is the full soak. */
const scale = Number(process.env.ISOTORCH_SOAK ?? 1);

describe('damage', () => {
  for (const target of ['file', 'pickle', 'archive', 'stream', 'tar'] as const) {
    const rounds = Math.ceil(35 * scale);
    it(`a ${target}, ${rounds} thousand times`, async () => {
      global.gc?.();
      const before = process.memoryUsage().rss;
      let highest = 0;
      for (let seed = 100; seed < 100 + rounds; seed++) {
        const { slowest } = await fuzz({ target, runs: 1000, seed, mapped: seed % 2 === 0 });
        expect(slowest).toBeLessThan(2000);
        highest = Math.max(highest, process.memoryUsage().rss - before);
      }
      expect(highest).toBeLessThan(256 * 2 ** 20);
    }, 3_600_000);
  }
});

describe('damage to safetensors', () => {
  for (const target of ['file', 'header'] as const) {
    const rounds = Math.ceil(100 * scale);
    it(`a ${target}, ${rounds} thousand times`, async () => {
      for (let seed = 100; seed < 100 + rounds; seed++) {
        const { slowest } = await fuzzSafetensors(target, 1000, seed);
        expect(slowest).toBeLessThan(2000);
      }
    }, 3_600_000);
  }
});

describe('kills', () => {
  const kills = Math.ceil(200 * scale);
  it(
    `${kills} at random moments`,
    () =>
      withFolder(async (folder) => {
        const path = join(folder, 'x.pt');
        let last = 0;
        for (let i = 0; i < kills; i++) {
          last = await killWhileSaving(path, last + 1, Math.random() * 30);
          const loaded = await loadTorch<Map<string, Tensor & number>>(path);
          const n = loaded.get('n') as number;
          expect(n === last || n === last + 1).toBe(true);
          for (const name of ['first', 'last']) expect(loaded.get(name)?.eq(n).all().item()).toBe(true);
        }
      }),
    3_600_000,
  );
});

describe('archives beyond 4 GiB', () => {
  it(
    'have 64-bit sizes and places, which PyTorch reads too',
    () =>
      withFolder(async (folder) => {
        // Zeros are left out on the disk: the file is sparse.
        const path = join(folder, 'large.pt');
        const file = openSync(path, 'w');
        let at = 0;
        const piece = new Uint8Array(1 << 26);
        const zip = new ZipWriter({
          write: async (bytes) => {
            if (bytes !== piece) writeSync(file, bytes, 0, bytes.length, at);
            at += bytes.length;
          },
        });
        const pieces = 65;
        const rebuild = (key: string, numel: number) =>
          `ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nByteStorage\nX\x01\0\0\0${key}X\x03\0\0\0cpu\x8a\x08${little(numel)}tQK\0\x8a\x08${little(numel)}\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR`;
        const pickle = Buffer.from(
          `\x80\x02](${rebuild('0', pieces * piece.length)}${rebuild('1', 3)}${rebuild('2', 0)}e.`,
          'latin1',
        );
        const add = (name: string, content: Uint8Array) => zip.add(`archive/${name}`, content.length, content);
        await add('data.pkl', pickle);
        await add('.format_version', Buffer.from('1'));
        await add('.storage_alignment', Buffer.from('64'));
        await add('byteorder', Buffer.from('little'));
        await zip.add(
          'archive/data/0',
          pieces * piece.length,
          (async function* () {
            for (let i = 0; i < pieces; i++) yield piece;
          })(),
        );
        await add('data/1', Buffer.from([1, 2, 3]));
        await add('data/2', Buffer.alloc(0));
        await add('version', Buffer.from('3\n'));
        await zip.finish();
        ftruncateSync(file, at);
        closeSync(file);

        const source = await openSource(path);
        const reader = await ZipReader.open(source);
        expect(reader.entries.get('archive/data/0')?.size).toBe(pieces * piece.length);
        expect([...(await reader.read(reader.entries.get('archive/data/1')!, 3))]).toEqual([1, 2, 3]);
        await source.close();
        if (python === undefined) return;
        const code = `
import sys, torch, torch.utils.serialization
for offsets in (False, True):
    with torch.utils.serialization.config.patch({'load.calculate_storage_offsets': offsets}):
        large, small, empty = torch.load(sys.argv[1], weights_only=True, mmap=True)
    assert large.numel() == ${pieces * piece.length} and large[-1] == 0 and small.tolist() == [1, 2, 3] and empty.numel() == 0`;
        const ended = spawnSync(python, ['-c', code, path], { encoding: 'utf8' });
        expect(ended.stderr).toBe('');
        expect(statSync(path).size).toBe(at);
      }),
    3_600_000,
  );
});

const little = (value: number): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes.toString('latin1');
};
