// Sparse tensors, and the options of loadTorch: mapped into memory, converted, some keys only.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTorch, saveTorch } from '../lib/checkpoint/index.js';
import { op } from '../lib/checkpoint/pickle/opcodes.js';
import { openSource } from '../lib/checkpoint/source.js';
import { loadFrom } from '../lib/checkpoint/torchFile.js';
import { memory, type Tensor, torch } from '../lib/tensor/index.js';
import { bytes, disposeAll, integer, text, withFolder } from './support/checkpoints.js';
import { storage, stored, stream, tensor } from './support/oldCheckpoints.js';
import { global, program } from './support/pickles.js';

const weights = () => ({
  weight: torch.arange(1000).to('float32').view([10, 100]),
  bias: torch.arange(10).to('float64'),
  steps: torch.tensor(7),
  mask: torch.tensor([true, false]),
});

type Loaded = Map<string, Tensor>;

describe('a sparse tensor', () => {
  const coo = (indices: number[], coalesced: number) => {
    const index = tensor(
      storage('1', indices.length, { type: 'LongStorage' }),
      0,
      [1, indices.length],
      [indices.length, 1],
    );
    const values = tensor(storage('2', indices.length), 0, [indices.length], [1]);
    return stream(
      program(
        global('torch._utils', '_rebuild_sparse_tensor'),
        '(',
        bytes(global('torch.serialization', '_get_layout'), text('torch.sparse_coo'), op.TUPLE1, 'R'),
        bytes('(', index, values, integer(4), op.TUPLE1, coalesced, 't'),
        'tR',
      ),
      ['1', '2'],
      stored(new Uint8Array(BigInt64Array.from(indices.map(BigInt)).buffer), 8),
      stored(new Uint8Array(new Float32Array(indices.length).fill(1).buffer), 4),
    );
  };

  it('is read, and refused if its indices are not sound', async () => {
    const loaded = await loadTorch<Tensor>(coo([0, 3], op.NEWTRUE));
    expect(loaded.toDense().tolist()).toEqual([1, 0, 0, 1]);
    for (const [indices, coalesced] of [
      [[0, 4], op.NEWFALSE],
      [[-1, 2], op.NEWFALSE],
      [[2 ** 40, 1], op.NEWFALSE],
      [[3, 0], op.NEWTRUE],
    ] as const) {
      await expect(loadTorch(coo([...indices], coalesced))).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: expect.stringContaining('a tensor of layout sparse_coo is not sound'),
      });
    }
  });
});

describe('mmap', () => {
  it('gives the same tensors on the file’s own memory', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      await saveTorch(path, weights());
      const size = readFileSync(path).length;
      const loaded = await loadTorch<Loaded>(path, { mmap: true });
      for (const [key, wanted] of Object.entries(weights())) {
        expect(loaded.get(key)?.equal(wanted)).toBe(true);
        expect(loaded.get(key)?.dtype).toBe(wanted.dtype);
      }
      // Booleans are looked at before they are believed, and so copied.
      const sizes = ['weight', 'bias', 'steps', 'mask'].map((key) => loaded.get(key)?.storage().nbytes);
      expect(sizes).toEqual([size, size, size, 2]);
    }));

  it('writes to no file, and outlives its name', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      await saveTorch(path, weights());
      const before = readFileSync(path);
      const loaded = await loadTorch<Loaded>(path, { mmap: true });
      loaded.get('weight')?.fill_(-1);
      expect(readFileSync(path).equals(before)).toBe(true);
      // Saving replaces the file; the mapping is of the one that was.
      await saveTorch(path, [1]);
      expect(loaded.get('bias')?.tolist()).toEqual([...Array(10).keys()]);
      expect(loaded.get('weight')?.sum().item()).toBe(-1000);
    }));

  it('can’t be resized beyond the file', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      await saveTorch(path, weights());
      const weight = (await loadTorch<Loaded>(path, { mmap: true })).get('weight') as Tensor;
      expect(() => weight.resize_([1_000_000])).toThrow('not resizable');
    }));

  it('saves the tensors’ own storages, not the file that was mapped', () =>
    withFolder(async (folder) => {
      const [path, again] = [join(folder, 'x.pt'), join(folder, 'y.pt')];
      const base = torch.arange(3_000_000).to('float32');
      await saveTorch(path, { base, tail: base.narrow(0, 10, 5), ...weights() });
      const loaded = await loadTorch<Loaded>(path, { mmap: true });
      await saveTorch(again, loaded);
      expect(readFileSync(again).equals(readFileSync(path))).toBe(true);
      await saveTorch(again, { bias: (loaded.get('bias') as Tensor).narrow(0, 2, 3).detach() });
      expect(readFileSync(again).length).toBeLessThan(3000);
      const part = (await loadTorch<Loaded>(again)).get('bias') as Tensor;
      expect([part.tolist(), part.storageOffset(), part.storage().nbytes]).toEqual([[2, 3, 4], 2, 80]);
    }));

  it('copies what is not aligned, as in streams', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pth');
      const content = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
      for (const name of ['1', '12', '123', '1234']) {
        writeFileSync(path, stream(program(tensor(storage(name, 3), 0, [3], [1])), [name], stored(content, 4)));
        expect((await loadTorch<Tensor>(path, { mmap: true })).tolist()).toEqual([1, 2, 3]);
      }
    }));

  it('needs a path, and leaves nothing behind', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      await saveTorch(path, weights());
      await expect(loadTorch(readFileSync(path), { mmap: true })).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining('the path of a file'),
      });
      for (let i = 0; i < 3; i++) globalThis.gc?.();
      const before = memory();
      disposeAll(await loadTorch(path, { mmap: true }));
      expect(memory().tensors).toBeLessThanOrEqual(before.tensors);
      expect(memory().bytes).toBeLessThanOrEqual(before.bytes);
    }));
});

describe('dtype', () => {
  it('converts floating tensors alone, and keeps what they share', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      const base = torch.arange(6).to('float32');
      await saveTorch(path, {
        ...weights(),
        base,
        columns: base.view([2, 3]).t(),
        small: torch.ones([2]).to('float8_e5m2'),
      });
      for (const mmap of [false, true]) {
        const loaded = await loadTorch<Loaded>(path, { dtype: 'bfloat16', mmap });
        expect([...loaded].map(([key, { dtype }]) => `${key} ${dtype}`)).toEqual([
          'weight bfloat16',
          'bias bfloat16',
          'steps int64',
          'mask bool',
          'base bfloat16',
          'columns bfloat16',
          'small bfloat16',
        ]);
        expect(loaded.get('bias')?.tolist()).toEqual([...Array(10).keys()]);
        const [whole, columns] = [loaded.get('base'), loaded.get('columns')];
        expect(columns?.stride()).toEqual([1, 3]);
        expect(columns?.storage().id).toBe(whole?.storage().id);
        whole?.fill_(2);
        expect(columns?.sum().item()).toBe(12);
      }
    }));

  it('must be a floating one', async () => {
    for (const dtype of ['int32', 'complex64', 'qint8', 'float', 3])
      await expect(loadTorch(Buffer.alloc(1), { dtype: dtype as never })).rejects.toMatchObject({
        code: 'ERR_DTYPE',
        message: expect.stringContaining('a floating dtype'),
      });
  });
});

describe('keys', () => {
  it('are all that is read', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      await saveTorch(path, { large: torch.zeros([5_000_000]), ...weights() });
      let count = 0;
      const source = await openSource(path);
      const counting = {
        name: path,
        size: source.size,
        read: (offset: number, length: number, scratch?: Uint8Array) => {
          count += length;
          return source.read(offset, length, scratch);
        },
        readRange(offset: number, length: number, scratch?: Uint8Array) {
          return this.read(offset, length, scratch);
        },
        close: () => source.close(),
      };
      const loaded = (await loadFrom(counting, { keys: ['bias', 'steps'] })) as Loaded;
      await source.close();
      expect([...loaded.keys()]).toEqual(['bias', 'steps']);
      expect(loaded.get('bias')?.tolist()).toEqual([...Array(10).keys()]);
      // The zip archive’s end is looked for in its last 64 KiB.
      expect(count).toBeLessThan(80_000);
      const some = await loadTorch<Loaded>(path, { keys: (key) => key.startsWith('w') });
      expect([...some.keys()]).toEqual(['weight']);
    }));

  it('that are not there are named, with those that are', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      await saveTorch(path, { a: 1, b: 2 });
      await expect(loadTorch(path, { keys: ['a', 'c'] })).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(/keys that are in the file \("a", "b"\) for keys but received string "c"/),
      });
      await expect(loadTorch(path, { keys: 'a' as never })).rejects.toThrow('an array of strings or a function');
      await saveTorch(path, torch.ones([2]));
      await expect(loadTorch(path, { keys: ['a'] })).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining('a file that holds a dict'),
      });
    }));
});
