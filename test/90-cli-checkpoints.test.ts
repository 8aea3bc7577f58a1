// `isotorch inspect` and `isotorch convert`, as a person sees them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSafetensors, saveSafetensors, saveTorch } from '../lib/checkpoint/index.js';
import { torch } from '../lib/tensor/index.js';
import { withFolder } from './support/checkpoints.js';
import { isotorch } from './support/cli.js';

describe('inspect', () => {
  it('prints a tree, or JSON', () =>
    withFolder(async (folder) => {
      const tensors = { 'fc.weight': torch.ones([30, 4]), 'a\u001b[31m': torch.tensor([1]) };
      await saveSafetensors(join(folder, 'x.safetensors'), tensors, { metadata: { format: 'pt' } });
      await saveTorch(join(folder, 'x.pt'), { model: { w: torch.ones([2]) }, epoch: 3, betas: [0.9, 0.99] });
      const run = (...args: string[]) => isotorch(['inspect', ...args], { cwd: folder });
      const [plain, json, nested, none] = await Promise.all([
        run('x.safetensors'),
        run('x.safetensors', '--json'),
        run('x.pt'),
        run('none.pt'),
      ]);
      expect(plain).toEqual({
        code: 0,
        stderr: '',
        stdout: [
          'x.safetensors: safetensors, 2 tensors, 121 elements, 488 B',
          'metadata',
          '  format = pt',
          'a�[31m     int64         [1]                8 B',
          'fc.weight  float32       [30, 4]            480 B',
          '',
        ].join('\n'),
      });
      expect(JSON.parse(json.stdout)).toMatchObject({ format: 'safetensors', tensors: 2, metadata: { format: 'pt' } });
      expect(nested.stdout).toBe(
        [
          'x.pt: a file of torch.save, 1 tensor, 2 elements, 8 B',
          'model  dict of 1',
          '  w    float32       [2]                8 B',
          'epoch  3',
          'betas  [0.9, 0.99]',
          '',
        ].join('\n'),
      );
      expect(none).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/^isotorch: ERR_FILE: .*none\.pt/),
      });
    }));
});

describe('convert', () => {
  it('writes the new file, says what it is and what it lacks', () =>
    withFolder(async (folder) => {
      const w = torch.ones([2]);
      await saveTorch(join(folder, 'in.pt'), { model: { 'module.w': w, 'module.tied': w.detach(), epoch: 3 } });
      const run = (...args: string[]) => isotorch(['convert', 'in.pt', 'out.safetensors', ...args], { cwd: folder });
      const refused = await run('--key', 'model');
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toMatch(/ERR_ARGUMENT: .*epoch \(integer 3\).*--tensors-only/);
      const done = await run('--key', 'model', '--rename', 'module.=', '--tensors-only', '--dtype', 'float16');
      expect(done).toEqual({
        code: 0,
        stdout: 'out.safetensors: safetensors, 2 tensors, 8 B\n',
        stderr: 'Left out: epoch (integer 3)\nWritten apart, though they shared memory: w, tied\n',
      });
      const loaded = await loadSafetensors(join(folder, 'out.safetensors'));
      expect([...loaded].map(([name, { dtype }]) => [name, dtype])).toEqual([
        ['tied', 'float16'],
        ['w', 'float16'],
      ]);
      const before = readFileSync(join(folder, 'out.safetensors'));
      const again = await run('--key', 'model', '--tensors-only');
      expect(again.stderr).toMatch(/ERR_FILE: out\.safetensors exists already.*--overwrite/);
      expect(readFileSync(join(folder, 'out.safetensors')).equals(before)).toBe(true);
    }));

  it('takes the weights, wherever they are, and says where', () =>
    withFolder(async (folder) => {
      const net = { 'module.w': torch.ones([2]), 'module.b': torch.zeros([1]) };
      await saveTorch(join(folder, 'in.ckpt'), { state_dict: net, epoch: 3, ema: { 'module.w': torch.ones([2]) } });
      const done = await isotorch(['convert', 'in.ckpt', 'out.safetensors', '--weights'], { cwd: folder });
      expect(done).toEqual({
        code: 0,
        stdout: 'out.safetensors: safetensors, 2 tensors, 12 B\n',
        stderr: 'Took the weights at state_dict, without module. in front\nLeft out: ema (state dict of 1)\n',
      });
      expect([...(await loadSafetensors(join(folder, 'out.safetensors'))).keys()].sort()).toEqual(['b', 'w']);
    }));
});
