// inspectTorch: what is inside, also where loadTorch refuses, without a tensor.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatTorchTree, inspectCheckpoint, inspectTorch, loadTorch, saveTorch } from '../lib/checkpoint/index.js';
import { op } from '../lib/checkpoint/pickle/opcodes.js';
import { memory, Parameter, torch } from '../lib/tensor/index.js';
import { archive, checkpointOf, integer, text, withFolder } from './support/checkpoints.js';
import { streamSample, tarSample } from './support/oldCheckpoints.js';
import { global, program } from './support/pickles.js';
import { needs } from './support/skip.js';

const dataFolder = process.env.ISOTORCH_TEST_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url));
const realFiles = join(dataFolder, 'checkpoints');

describe('inspectTorch', () => {
  it('shows values, tensors and what they share, as JSON and as text', () =>
    withFolder(async (folder) => {
      const base = torch.arange(6).to('float32').view([2, 3]);
      const shared = [1];
      const path = join(folder, 'x.pt');
      await saveTorch(path, {
        model: new Map([['fc.weight', new Parameter(base)]]),
        view: base.t(),
        lists: [shared, shared],
        values: [null, true, 2n ** 70n, 0.5, Number.NaN, 'tëxt', Uint8Array.of(1, 2), Object.freeze([1])],
      });
      const before = memory();
      const tree = await inspectTorch(path);
      expect(memory()).toEqual(before);
      expect(JSON.parse(JSON.stringify(tree))).toEqual(tree);
      expect(tree).toMatchObject({
        kind: 'file',
        format: 'zip',
        tensors: 2,
        storages: 1,
        storageBytes: 24,
        unknown: [],
      });
      expect(formatTorchTree(tree).split('\n').slice(1)).toEqual([
        'dict of 4',
        '  "model": dict of 1',
        '    "fc.weight": float32 [2, 3], in storage "0" of 24 B that 2 tensors share',
        '  "view": float32 [3, 2], stride [1, 3], in storage "0" of 24 B that 2 tensors share',
        '  "lists": list of 2',
        '    0: #1 list of 1',
        '      0: 1',
        '    1: the same as #1',
        '  "values": list of 8',
        '    0: None',
        '    1: True',
        '    2: 1180591620717411303424',
        '    3: 0.5',
        '    4: NaN',
        '    5: "tëxt"',
        '    6: 2 bytes',
        '    7: tuple of 1',
        '      0: 1',
      ]);
      expect(formatTorchTree(tree, { entries: 1, depth: 1 }).split('\n').slice(1)).toEqual([
        'dict of 4',
        '  "model": dict of 1',
        '    …',
        '  … 3 more',
      ]);
    }));

  it('names what loadTorch refuses, and calls nothing', async () => {
    const evil = program(
      '}(',
      text('run'),
      global('posix', 'system'),
      text('touch /tmp/isotorch-was-here'),
      op.TUPLE1,
      'R',
      text('net'),
      global('__main__', 'Net'),
      ')',
      op.NEWOBJ,
      '}',
      text('width'),
      integer(3),
      'sb',
      'u',
    );
    const file = await checkpointOf(evil);
    await expect(loadTorch(file)).rejects.toThrow('inspectTorch(path) shows what is inside');
    const tree = await inspectTorch(file);
    expect(tree.unknown).toEqual(['__main__.Net', 'posix.system']);
    expect(formatTorchTree(tree).split('\n').slice(1)).toEqual([
      'dict of 2',
      '  "run": "posix.system", unknown',
      '    argument "touch /tmp/isotorch-was-here"',
      '  "net": "__main__.Net", unknown',
      '    state dict of 1',
      '      "width": 3',
    ]);
  });

  it('shows the older formats too', async () => {
    expect(formatTorchTree(await inspectTorch(streamSample())).split('\n')).toEqual([
      expect.stringMatching(/^the buffer: stream, \d+ B, 4 tensors in 3 storages of 59 B$/),
      'OrderedDict of 5',
      '  "weight": float32 [2, 3], in storage "11" of 24 B that 2 tensors share',
      '  "column": float32 [2], stride [3], in storage "11" of 24 B that 2 tensors share',
      '  "part": float32 [3], in storage "12" of 32 B',
      '  "mask": bool [3]',
      '  "epoch": 3',
    ]);
    expect((await inspectTorch(tarSample())).format).toBe('tar');
  });

  it('shows no control characters of a hostile file', async () => {
    const shown = formatTorchTree(
      await inspectTorch(await checkpointOf(program('}', text('\u001b[2J\u202e'), text('\u009b31m'), 's'))),
    );
    expect(shown).toContain('"\\u001b[2J\\u202e": "\\u009b31m"');
  });

  it('stays small, however much the file refers to itself', async () => {
    let doubling = ']q\0';
    for (let i = 1; i <= 60; i++)
      doubling += `](h${String.fromCharCode(i - 1)}h${String.fromCharCode(i - 1)}eq${String.fromCharCode(i)}`;
    const tree = await inspectTorch(await checkpointOf(program('(', doubling, 't')));
    expect(JSON.stringify(tree).length).toBeLessThan(20_000);
    const deep = await inspectTorch(await checkpointOf(program(']'.repeat(100_000), 'a'.repeat(99_999))));
    expect(formatTorchTree(deep, { depth: 1e6 })).toContain('nested more than 500 deep');
    const wide = await inspectTorch(await checkpointOf(program('](', 'N'.repeat(3_000_000), 'e')));
    expect(wide.root).toMatchObject({ kind: 'list' });
    expect((wide.root as { items: unknown[] }).items.length).toBeLessThanOrEqual(1_000_001);
  });
});

describe('programs', () => {
  it('a TorchScript module shows its attributes, by the names of its classes', async () => {
    // What torch.jit.save writes: an object made without arguments, and its state.
    const pickled = program(
      global('__torch__', 'Net'),
      op.EMPTY_TUPLE,
      op.NEWOBJ,
      op.EMPTY_DICT,
      text('scale'),
      integer(3),
      op.SETITEM,
      op.BUILD,
    );
    const script = await archive({
      'data.pkl': pickled,
      'constants.pkl': program(op.EMPTY_TUPLE),
      'code/__torch__.py': Buffer.from('class Net(Module):'),
      version: Buffer.from('3\n'),
    });
    expect(await inspectCheckpoint(script)).toMatchObject({
      format: 'torchscript',
      tree: { type: 'object', name: '__torch__.Net', entries: [['state', { entries: [['scale', { value: '3' }]] }]] },
    });
    await expect(loadTorch(script)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  it('a package shows its files', async () => {
    const files = { 'data/aotinductor/model/model.so': Buffer.alloc(1500), archive_format: Buffer.from('pt2') };
    expect(await inspectCheckpoint(await archive(files))).toMatchObject({
      format: 'package',
      nbytes: 1503,
      tree: {
        entries: [
          ['archive/data/aotinductor/model/model.so', { value: '1.5 kB' }],
          ['archive/archive_format', { value: '3 B' }],
        ],
      },
    });
  });

  needs(existsSync(realFiles), `${realFiles}`).it('real ones', async () => {
    const lenet = await inspectCheckpoint(join(realFiles, 'torchscript-lenet.pt'));
    expect(lenet).toMatchObject({ format: 'torchscript', tensors: 10, elements: 61_706, nbytes: 246_824 });
    for (const name of ['identity', 'linear', 'linrelu', 'scripted'])
      expect((await inspectCheckpoint(join(realFiles, `torchscript-${name}.pt`))).format).toBe('torchscript');
  });
});
