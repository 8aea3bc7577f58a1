// Checkpoints as files: what comes back, and what is refused, in which words.

import { chmodSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadTorch, OrderedDict, saveTorch } from '../lib/checkpoint/index.js';
import { Buffer as ModuleBuffer, memory, Parameter, type Tensor, torch } from '../lib/tensor/index.js';
import { archive, checkpointOf, withFolder } from './support/checkpoints.js';

const roundTrip = (object: unknown) =>
  withFolder(async (folder) => {
    await saveTorch(join(folder, 'x.pt'), object);
    return await loadTorch<never>(join(folder, 'x.pt'));
  });

/** What nothing refers to any more is gone, so that memory() tells what is held. */
async function collected(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    global.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('a round trip', () => {
  it('keeps a state dict', async () => {
    const state = new OrderedDict<string, Tensor>([
      ['conv.weight', new Parameter(torch.randn([4, 1, 3, 3]))],
      ['norm.running_mean', new ModuleBuffer(torch.zeros([4]))],
      ['norm.num_batches_tracked', torch.tensor(3)],
    ]);
    state._metadata = new OrderedDict([['norm', new Map([['version', 2]])]]);
    const loaded: OrderedDict<string, Tensor> = await roundTrip(state);
    expect(loaded).toBeInstanceOf(OrderedDict);
    expect([...loaded.keys()]).toEqual([...state.keys()]);
    for (const [name, tensor] of loaded) {
      expect(tensor.dtype).toBe(state.get(name)?.dtype);
      expect(tensor.tolist()).toEqual(state.get(name)?.tolist());
      expect(tensor.requiresGrad).toBe(false);
    }
    expect(loaded._metadata).toEqual(state._metadata);
  });

  it('keeps a training state', async () => {
    const state = {
      epoch: 3,
      lr: 0.1,
      optimizer: {
        state: new Map([[0, { momentum_buffer: torch.ones([2]) }]]),
        param_groups: [{ lr: 0.1, betas: Object.freeze([0.9, 0.999]), params: [0] }],
      },
      rng: torch.getRngState(),
      names: ['a', 'b'],
      seed: 2n ** 63n,
    };
    const loaded: Map<string, never> = await roundTrip(state);
    const { epoch, optimizer, rng, seed } = Object.fromEntries(loaded) as unknown as {
      epoch: number;
      optimizer: Map<string, unknown>;
      rng: Tensor;
      seed: bigint;
    };
    expect(epoch).toBe(3);
    expect(seed).toBe(2n ** 63n);
    expect(rng.tolist()).toEqual(state.rng.tolist());
    const groups = optimizer.get('param_groups') as Map<string, unknown>[];
    expect(groups[0]?.get('betas')).toEqual([0.9, 0.999]);
    expect(Object.isFrozen(groups[0]?.get('betas'))).toBe(true);
    expect([...(optimizer.get('state') as Map<number, unknown>).keys()]).toEqual([0]);
  });

  it('keeps what shares memory sharing, and separate what was separate', async () => {
    const base = torch.arange(12).to('float32');
    const [whole, transposed, part, same, other]: Tensor[] = await roundTrip([
      base,
      base.view([3, 4]).t(),
      base.narrow(0, 4, 4),
      base,
      base.clone(),
    ]);
    expect(new Set([whole, transposed, part].map((tensor) => tensor?.storage().id)).size).toBe(1);
    expect(other?.storage().id).not.toBe(whole?.storage().id);
    expect(same).toBe(whole);
    expect(transposed?.stride()).toEqual([1, 4]);
    part?.fill_(-1);
    expect(whole?.tolist()).toEqual([0, 1, 2, 3, -1, -1, -1, -1, 8, 9, 10, 11]);
    // Not a view in autograd's eyes: a change to one does not spoil gradients of another.
    expect(part?._version()).not.toBe(whole?._version());
  });

  it('writes the whole storage of a view, once', () =>
    withFolder(async (folder) => {
      const base = torch.zeros([100_000]);
      await saveTorch(
        join(folder, 'x.pt'),
        Array.from({ length: 50 }, (_, i) => base.narrow(0, i, 1)),
      );
      const { size } = statSync(join(folder, 'x.pt'));
      expect(size).toBeGreaterThan(400_000);
      expect(size).toBeLessThan(410_000);
    }));

  it('keeps large storages, which move in pieces', async () => {
    const large = torch.arange(3_000_000).to('float64');
    const [loaded, tail]: Tensor[] = await roundTrip([large, large.narrow(0, 2_999_990, 10)]);
    expect(loaded?.equal(large)).toBe(true);
    expect(tail?.tolist()).toEqual([...Array(10).keys()].map((i) => 2_999_990 + i));
    const [alone]: Tensor[] = await roundTrip([large]);
    expect(alone?.equal(large)).toBe(true);
  });

  it('keeps tensors that require gradients, and lets Parameters be values', async () => {
    const [leaf, parameter, computed]: Tensor[] = await roundTrip([
      torch.ones([2], { requiresGrad: true }),
      new Parameter(torch.ones([2])),
      torch.ones([2], { requiresGrad: true }).mul(2),
    ]);
    expect(leaf?.requiresGrad).toBe(true);
    expect(parameter?.requiresGrad).toBe(false);
    expect(computed?.requiresGrad).toBe(false);
  });

  it('gives the same bytes for the same object, under any name', () =>
    withFolder(async (folder) => {
      const object = { w: torch.arange(10), list: [1, 'a', null], when: new Map([[1, 2]]) };
      await saveTorch(join(folder, 'one.pt'), object);
      await saveTorch(join(folder, 'two.pth'), object);
      await saveTorch(join(folder, 'three.pt'), await loadTorch(join(folder, 'one.pt')));
      const [one, two, three] = ['one.pt', 'two.pth', 'three.pt'].map((name) => readFileSync(join(folder, name)));
      expect(two?.equals(one as Buffer)).toBe(true);
      expect(three?.equals(one as Buffer)).toBe(true);
    }));

  it('reads bytes as it reads files', () =>
    withFolder(async (folder) => {
      await saveTorch(join(folder, 'x.pt'), [torch.arange(3), 1]);
      const [tensor, one] = await loadTorch<[Tensor, number]>(new Uint8Array(readFileSync(join(folder, 'x.pt'))));
      expect([tensor.tolist(), one]).toEqual([[0, 1, 2], 1]);
    }));

  it('puts tensors on the device that is asked for', async () =>
    withFolder(async (folder) => {
      await saveTorch(join(folder, 'x.pt'), torch.arange(3));
      const tensor = await loadTorch<Tensor>(join(folder, 'x.pt'), { device: 'meta' });
      expect(tensor.device).toBe('meta');
      expect(tensor.shape).toEqual([3]);
    }));

  it('leaves no tensor behind but those it gives', () =>
    withFolder(async (folder) => {
      const base = torch.arange(12);
      const object = [base, base.narrow(0, 1, 2), torch.ones([2])];
      await saveTorch(join(folder, 'x.pt'), object);
      await collected();
      const before = memory();
      const tensors = await loadTorch<Tensor[]>(join(folder, 'x.pt'));
      expect(memory().tensors).toBe(before.tensors + 3);
      for (const tensor of tensors) tensor.dispose();
      expect(memory()).toEqual(before);
      await saveTorch(join(folder, 'y.pt'), object);
      expect(memory()).toEqual(before);
    }));
});

it('sparse tensors of every layout, and shapes on meta, come back as they were', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'x.pt');
    const dense = torch.eye(4).mul(2);
    const saved = new Map<string, Tensor>([
      ['coo', dense.toSparse()],
      ['csr', dense.toSparseCsr()],
      ['csc', dense.toSparseCsc()],
      ['bsr', dense.toSparseBsr([2, 2])],
      ['bsc', dense.toSparseBsc([2, 2])],
      ['meta', torch.emptyStrided([2, 3], [1, 2], { dtype: 'bfloat16', device: 'meta' })],
    ]);
    await saveTorch(path, saved);
    const loaded = await loadTorch<Map<string, Tensor>>(path);
    for (const [name, tensor] of saved) {
      const back = loaded.get(name)!;
      expect([back.layout, back.dtype, back.shape], name).toEqual([tensor.layout, tensor.dtype, tensor.shape]);
      if (name === 'meta') expect(back.stride()).toEqual([1, 2]);
      else expect(back.toDense().tolist()).toEqual(dense.tolist());
    }
  }));

describe('what can’t be saved', () => {
  const refused = async (object: unknown) =>
    withFolder(async (folder) => {
      const error = await saveTorch(join(folder, 'x.pt'), object).then(
        () => undefined,
        (reason) => reason,
      );
      expect(readdirSync(folder)).toEqual([]);
      return error;
    });

  it('is named by its place', async () => {
    expect(await refused({ model: { w: undefined } })).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('object["model"]["w"] but received undefined'),
    });
    expect(await refused([new Float32Array(3)])).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('torch.tensor()'),
    });
    const dead = torch.ones([2]);
    dead.dispose();
    expect(await refused({ dead })).toMatchObject({
      code: 'ERR_TENSOR_DISPOSED',
      message: expect.stringContaining('object["dead"]'),
    });
  });

  it('tensors of two dtypes on one memory', async () => {
    const bits = torch.arange(4).to('int32');
    expect(await refused([bits, bits.view('float32')])).toMatchObject({
      code: 'ERR_DTYPE',
      message: expect.stringContaining('clone()'),
    });
  });

  it('tensors without a storage of their own that are neither sparse nor on meta', async () => {
    const error = await refused({ s: torch.eye(3).toMkldnn() });
    expect(error).toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/object\["s"\]/) });
  });
});

describe('files that can’t be read', () => {
  it('missing, a folder, no path at all', () =>
    withFolder(async (folder) => {
      await expect(loadTorch(join(folder, 'none.pt'))).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringMatching(/none\.pt: there is no such file/),
      });
      await expect(loadTorch(folder)).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringContaining('it is a folder'),
      });
      await expect(loadTorch(join(folder, 'a', 'b.pt'))).rejects.toMatchObject({ code: 'ERR_FILE' });
      await expect(loadTorch('/dev/null')).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringContaining('a regular file'),
      });
      for (const wrong of [undefined, null, 3, {}, '', ['x.pt']]) {
        await expect(loadTorch(wrong as never)).rejects.toMatchObject({
          code: 'ERR_ARGUMENT',
          message: expect.stringContaining('a path or a Uint8Array'),
        });
      }
      await expect(loadTorch('a\0b')).rejects.toMatchObject({ code: 'ERR_FILE' });
    }));

  it('without permission', async () => {
    if (process.getuid?.() === 0) return;
    await withFolder(async (folder) => {
      writeFileSync(join(folder, 'x.pt'), '');
      chmodSync(join(folder, 'x.pt'), 0);
      await expect(loadTorch(join(folder, 'x.pt'))).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringContaining('permission denied'),
      });
    });
  });

  const others: [string, Uint8Array, string][] = [
    ['nothing', Buffer.alloc(0), 'is empty'],
    ['the start of a legacy checkpoint', Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex'), 'protocol’s version'],
    ['a tar archive', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0'), Buffer.alloc(300)]), 'tar archive'],
    ['safetensors', Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]), 'a safetensors file'],
    ['a bare pickle', Buffer.from([0x80, 4, 0x4e, 0x2e]), 'a bare pickle'],
    ['a web page', Buffer.from('\n<!DOCTYPE html><html>404'), 'a web page'],
    ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), 'git lfs pull'],
    ['a NumPy array', Buffer.from('\x93NUMPY\x01', 'latin1'), 'a NumPy array'],
    ['gzip', gzipSync('x'), 'compressed with gzip'],
    ['a pre-1.0 container', Buffer.from('PYTORCH1'), 'before 1.0'],
    ['anything else', Buffer.from('hello'), 'of an unknown format'],
  ];
  for (const [what, content, message] of others) {
    it(`${what}, and says so`, async () => {
      await expect(loadTorch(content)).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: expect.stringContaining(message),
      });
    });
  }

  it('zip archives of other things', async () => {
    const pickle = Buffer.from([0x80, 2, 0x4e, 0x2e]);
    const cases: [Record<string, Uint8Array>, string][] = [
      [{ 'm/data.pkl': pickle, 'm/constants.pkl': pickle }, 'a TorchScript model'],
      [{ 'm/archive_format': Buffer.from('pt2') }, 'an exported program'],
      [{ 'a.npy': Buffer.alloc(3) }, 'NumPy arrays'],
      [{ 'word/document.xml': Buffer.alloc(3) }, 'with no data.pkl'],
      [{ 'a/data.pkl': pickle, 'b/data.pkl': pickle }, 'with more than one data.pkl'],
    ];
    for (const [records, message] of cases) {
      await expect(loadTorch(await archive(records, ''))).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: expect.stringContaining(message),
      });
    }
  });

  it('checkpoints of a version to come, or of no byte order', async () => {
    const none = Buffer.from([0x80, 2, 0x4e, 0x2e]);
    expect(await loadTorch(await checkpointOf(none))).toBe(null);
    await expect(loadTorch(await archive({ 'data.pkl': none, version: Buffer.from('11\n') }))).rejects.toThrow(
      'a version from 1 to 10',
    );
    await expect(loadTorch(await archive({ 'data.pkl': none, byteorder: Buffer.from('middle') }))).rejects.toThrow(
      '"little" or "big"',
    );
  });

  it('checkpoints whose storages are missing or too short', () =>
    withFolder(async (folder) => {
      await saveTorch(join(folder, 'x.pt'), [torch.ones([3]), torch.tensor([true, false])]);
      const content = Buffer.from(readFileSync(join(folder, 'x.pt')));
      const start = content.indexOf('archive/data.pkl');
      const pickle = content.subarray(Math.ceil(start / 64) * 64, content.indexOf('PK\x07\x08', 0, 'latin1'));
      const load = async (storages: Record<string, Uint8Array>) => loadTorch(await checkpointOf(pickle, storages));
      await expect(load({ 0: Buffer.alloc(12), 1: Buffer.from([1, 0]) })).resolves.toHaveLength(2);
      await collected();
      const before = memory();
      await expect(load({ 0: Buffer.alloc(12) })).rejects.toThrow('the record "archive/data/1" is missing');
      await expect(load({ 0: Buffer.alloc(11), 1: Buffer.alloc(2) })).rejects.toThrow(
        'storage "0" should have 12 bytes but has 11',
      );
      expect(memory()).toEqual(before);
      const length = pickle.indexOf(Buffer.from('cpuq', 'latin1'));
      const numel = pickle.indexOf('K\x03t', length, 'latin1');
      const absurd = Buffer.concat([
        pickle.subarray(0, numel),
        Buffer.from('\x8a\x06\0\0\0\0\0\x10', 'latin1'),
        pickle.subarray(numel + 2),
      ]);
      const result = loadTorch(await checkpointOf(absurd, { 0: Buffer.alloc(12), 1: Buffer.alloc(2) }));
      await expect(result).rejects.toThrow(`should have ${4 * 2 ** 44} bytes but has 12`);
    }));

  it('checkpoints cut off anywhere', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      await saveTorch(path, { w: torch.ones([100]), b: torch.ones([3]) });
      for (let size = statSync(path).size - 1; size >= 0; size -= 37) {
        truncateSync(path, size);
        await expect(loadTorch(path)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
      }
    }));
});
