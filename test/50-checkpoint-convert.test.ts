// From format to format: nothing is lost unsaid, and what is said is what happened. And the tree that is shown of a file.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  convertCheckpoint,
  inspectCheckpoint,
  loadSafetensors,
  loadTorch,
  OrderedDict,
  saveSafetensors,
  saveTorch,
} from '../lib/checkpoint/index.js';
import * as nn from '../lib/nn/index.js';
import { memory, type Tensor, torch } from '../lib/tensor/index.js';
import { withFolder } from './support/checkpoints.js';
import { safetensorsOf } from './support/safetensors.js';
import { needs } from './support/skip.js';

const training = () => {
  const weight = torch.randn([4, 3]);
  return {
    epoch: 3,
    model: new OrderedDict<string, Tensor>([
      ['module.embedding', weight],
      ['module.head', weight.detach()],
      ['module.count', torch.tensor(7)],
      ['step', torch.ones([2], { dtype: 'float64' })],
    ]),
    names: ['a', 'b'],
  };
};

describe('convert', () => {
  it('torch to safetensors: a dict inside, renamed, in another precision', () =>
    withFolder(async (folder) => {
      const [input, output] = [join(folder, 'in.pth'), join(folder, 'out.safetensors')];
      const given = training();
      given.model._metadata = new OrderedDict([['', new Map([['version', 1]])]]);
      await saveTorch(input, given);
      const before = memory();
      const report = await convertCheckpoint(input, output, {
        key: ['model'],
        rename: [['module.', 'net.']],
        dtype: 'bfloat16',
      });
      expect(memory().tensors).toBeLessThanOrEqual(before.tensors);
      expect(report).toEqual({
        from: 'torch',
        to: 'safetensors',
        tensors: 4,
        nbytes: 2 * (4 * 3 * 2) + 8 + 4,
        leftOut: [],
        copied: [['net.embedding', 'net.head']],
      });
      const loaded = await loadSafetensors(output);
      expect([...loaded.keys()]).toEqual(['net.count', 'net.embedding', 'net.head', 'step']);
      expect(loaded.get('net.head')?.equal((given.model.get('module.head') as Tensor).to('bfloat16'))).toBe(true);
      expect(loaded.get('net.count')?.item()).toBe(7);
    }));

  it('says what safetensors can’t hold, and leaves it out when asked to', () =>
    withFolder(async (folder) => {
      const [input, output] = [join(folder, 'in.pth'), join(folder, 'out.safetensors')];
      await saveTorch(input, { ...training(), w: torch.ones([1]) });
      await expect(convertCheckpoint(input, output)).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(
          /nothing else, but there are: epoch \(integer 3\), model \(dict of 4\), names \(array of 2\)\. Choose one of the dicts/,
        ),
      });
      expect(existsSync(output)).toBe(false);
      const { leftOut } = await convertCheckpoint(input, output, { tensorsOnly: true });
      expect(leftOut).toEqual(['epoch (integer 3)', 'model (dict of 4)', 'names (array of 2)']);
      expect([...(await loadSafetensors(output)).keys()]).toEqual(['w']);

      await saveTorch(input, new nn.Linear(2, 2).stateDict());
      const report = await convertCheckpoint(input, output, { overwrite: true });
      expect(report.leftOut.every((what) => what.startsWith('_metadata'))).toBe(true);
    }));

  it('safetensors to torch and to safetensors', () =>
    withFolder(async (folder) => {
      const [input, output, again] = ['in.safetensors', 'out.pt', 'again.safetensors'].map((name) =>
        join(folder, name),
      ) as [string, string, string];
      const tensors = { a: torch.randn([3]), b: torch.tensor([1]), c: torch.ones([2], { dtype: 'float16' }) };
      await saveSafetensors(input, tensors, { metadata: { format: 'pt' } });
      expect(await convertCheckpoint(input, output)).toMatchObject({
        from: 'safetensors',
        to: 'torch',
        tensors: 3,
        leftOut: ['the metadata format = pt'],
      });
      const loaded = await loadTorch<Map<string, Tensor>>(output);
      for (const [name, tensor] of Object.entries(tensors)) expect(loaded.get(name)?.equal(tensor)).toBe(true);
      await convertCheckpoint(input, again, { rename: [['a', 'z']] });
      const renamed = await loadSafetensors(again);
      expect([...renamed.keys()].sort()).toEqual(['b', 'c', 'z']);
      expect(renamed.metadata.get('format')).toBe('pt');
      // There and back without a change, every byte is the same.
      await convertCheckpoint(input, again, { overwrite: true });
      expect(readFileSync(again).equals(readFileSync(input))).toBe(true);
      // The file itself may be the target.
      await convertCheckpoint(input, input, { overwrite: true, dtype: 'float64' });
      expect((await loadSafetensors(input)).get('c')?.dtype).toBe('float64');
    }));

  it('casts at any depth and keeps the rest as it is', () =>
    withFolder(async (folder) => {
      const [input, output] = [join(folder, 'in.pt'), join(folder, 'out.pt')];
      const w = torch.ones([2]);
      await saveTorch(input, [
        Object.freeze([w, w.detach(), 'x', Object.freeze([])]),
        new Map<unknown, unknown>([[1, w]]),
      ]);
      await convertCheckpoint(input, output, { dtype: 'float16' });
      const [tuple, dict] = await loadTorch<[readonly Tensor[], Map<number, Tensor>]>(output);
      expect(Object.isFrozen(tuple)).toBe(true);
      expect([tuple[0]?.dtype, tuple[1]?.dtype, tuple[2], dict.get(1)?.dtype]).toEqual([
        'float16',
        'float16',
        'x',
        'float16',
      ]);
      expect(tuple[1]?.storage().id).toBe(tuple[0]?.storage().id);
    }));

  it.each<[string, (input: string) => Parameters<typeof convertCheckpoint>, string, RegExp]>([
    ['an existing file', (input) => [input, input], 'ERR_FILE', /exists already.*overwrite/],
    [
      'a name that says no format',
      (input) => [input, `${input}.gguf`],
      'ERR_ARGUMENT',
      /ends in \.safetensors or \.pt, /,
    ],
    ['a file that is missing', (input) => [`${input}x`, `${input}y.pt`], 'ERR_FILE', /no such file/],
    [
      'a key that is missing',
      (i) => [i, `${i}.pt`, { key: ['weights'] }],
      'ERR_ARGUMENT',
      /"weights" but: epoch, model, names/,
    ],
    ['a key in no dict', (i) => [i, `${i}.pt`, { key: ['epoch', 'x'] }], 'ERR_ARGUMENT', /dict around the key "x"/],
    [
      'a prefix that no key has',
      (i) => [i, `${i}.pt`, { rename: [['modul.', '']] }],
      'ERR_ARGUMENT',
      /No key begins with "modul\."/,
    ],
    [
      'two keys of one name',
      (i) => [i, `${i}.pt`, { rename: [['epoch', 'model']] }],
      'ERR_ARGUMENT',
      /epoch, model would both be model/,
    ],
    ['a dtype of integers', (i) => [i, `${i}.pt`, { dtype: 'int8' }], 'ERR_DTYPE', /float32, /],
    ['what is no dict', (i) => [i, `${i}.safetensors`, { key: ['epoch'] }], 'ERR_ARGUMENT', /dict of tensors/],
    [
      'no tensor at all',
      (i) => [i, `${i}.safetensors`, { tensorsOnly: true }],
      'ERR_ARGUMENT',
      /There is no tensor beside/,
    ],
  ])('refuses %s', (_, args, code, message) =>
    withFolder(async (folder) => {
      const input = join(folder, 'in.pt');
      await saveTorch(input, training());
      const before = memory();
      await expect(convertCheckpoint(...args(input))).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
      expect(memory().tensors).toBeLessThanOrEqual(before.tensors);
      expect(readdirSync(folder)).toEqual(['in.pt']);
    }),
  );
});

describe('inspect', () => {
  it('safetensors from the header alone', async () => {
    const header = {
      __metadata__: { format: 'pt' },
      b: { dtype: 'F4', shape: [2, 4], data_offsets: [0, 4] },
      a: { dtype: 'BF16', shape: [3], data_offsets: [4, 10] },
    };
    expect(await inspectCheckpoint(safetensorsOf(header, 10))).toEqual({
      format: 'safetensors',
      metadata: { format: 'pt' },
      tensors: 2,
      elements: 11,
      nbytes: 10,
      tree: {
        type: 'dict',
        entries: [
          ['b', { type: 'tensor', dtype: 'F4', shape: [2, 4], nbytes: 4 }],
          ['a', { type: 'tensor', dtype: 'bfloat16', shape: [3], nbytes: 6 }],
        ],
      },
    });
  });

  it('files of torch.save, objects that come twice once', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      const w = torch.ones([2, 2]);
      const inner = new Map<unknown, unknown>([[0, w]]);
      const self: unknown[] = [w];
      self.push(self);
      await saveTorch(path, {
        inner,
        again: inner,
        lr: 0.5,
        betas: Object.freeze([0.9, 1]),
        many: Array.from({ length: 99 }, (_, i) => i),
        self,
      });
      const before = memory();
      const { tree, ...totals } = await inspectCheckpoint(path);
      expect(memory().tensors).toBeLessThanOrEqual(before.tensors);
      expect(totals).toEqual({ format: 'torch', metadata: {}, tensors: 2, elements: 8, nbytes: 16 });
      const tensor = { type: 'tensor', dtype: 'float32', shape: [2, 2], nbytes: 16 };
      expect(tree).toEqual({
        type: 'dict',
        entries: [
          ['inner', { type: 'dict', entries: [['0', tensor]] }],
          ['again', { type: 'value', value: 'the same as inner' }],
          ['lr', { type: 'value', value: '0.5' }],
          ['betas', { type: 'value', value: '[0.9, 1]' }],
          ['many', { type: 'value', value: expect.stringMatching(/^\[0, 1, 2, .*, …\] \(99\)$/) }],
          [
            'self',
            {
              type: 'list',
              entries: [
                ['0', tensor],
                ['1', { type: 'value', value: 'the same as self' }],
              ],
            },
          ],
        ],
      });
    }));

  it('damage is named by the format that the name promises', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.safetensors');
      writeFileSync(path, safetensorsOf({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] } }, 1).subarray(0, 30));
      await expect(inspectCheckpoint(path)).rejects.toThrow(
        /its header should have \d+ bytes, but the file ends at byte 30/,
      );
      await expect(inspectCheckpoint(Buffer.from('<html>'))).rejects.toThrow(/a web page/);
    }));

  const dataFolder = process.env.ISOTORCH_TEST_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url));
  const realFiles = join(dataFolder, 'checkpoints');
  needs(existsSync(realFiles), 'the checkpoints of the test data').it(
    'files from the wild show a tree or say what they are',
    async () => {
      for (const name of readdirSync(realFiles)) {
        const result = await inspectCheckpoint(join(realFiles, name)).catch((error) => error);
        if (result instanceof Error) expect(result, name).toMatchObject({ code: 'ERR_FORMAT' });
        // A TorchScript module that gives back what it is given has none.
        else if (name === 'torchscript-identity.pt') expect(result.tensors).toBe(0);
        else expect(result.tensors, name).toBeGreaterThan(0);
        if (name.endsWith('.safetensors')) expect(result.format).toBe('safetensors');
      }
    },
  );
});
