// Arrays from files of other programs: the same numbers whichever format they come in, and an error that says what is wrong
// before a detector sees any of them.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { saveNpy, saveNpz, saveSafetensors } from '../lib/checkpoint/index.js';
import { DisMaxHead, IsoMaxHead, IsoMaxPlusHead } from '../lib/losses/index.js';
import { Linear } from '../lib/nn/index.js';
import { type Arrays, arrays } from '../lib/ood/arrays/arrays.js';
import { readArrays, writeArrays } from '../lib/ood/arrays/files.js';
import { affineHead, headOf } from '../lib/ood/arrays/head.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';

const folder = mkdtempSync(join(tmpdir(), 'isotorch-arrays-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

torch.manualSeed(1);
const features = torch.randn([5, 4]);
const logits = torch.randn([5, 3]);
const labels = torch.tensor([0, 2, 1, 1, 0]);
const weight = torch.randn([3, 4]);
const bias = torch.randn([3]);
const all = { features, logits, labels, weight, bias };

function expectSame(read: Arrays, dtypes = { features: 'float32', labels: 'int64' }): void {
  expect(read.features?.dtype).toBe(dtypes.features);
  expect(read.labels?.dtype).toBe(dtypes.labels);
  tidy(() => {
    expect(read.features?.to('float32').equal(features)).toBe(true);
    expect(read.logits?.to('float32').equal(logits)).toBe(true);
    expect(read.labels?.equal(labels)).toBe(true);
    expect(read.head?.kind).toBe('affine');
    const expected = torch.linear(features, weight, bias);
    expect(read.head?.forward(read.features!).to('float32').equal(expected)).toBe(true);
  });
}

describe('the same arrays', () => {
  it('come out of safetensors, .npz and .npy files, read or mapped', async () => {
    const given = arrays({ name: 'five', features, logits, labels, head: affineHead(weight, bias) });
    await writeArrays(at('a.safetensors'), given);
    await writeArrays(at('a.npz'), given);
    for (const [name, tensor] of Object.entries(all)) await saveNpy(at(`${name}.npy`), tensor);
    const each = Object.fromEntries(Object.keys(all).map((name) => [name, at(`${name}.npy`)]));
    const before = memory().tensors;
    for (const mmap of [false, true]) {
      for (const [files, name] of [
        [at('a.safetensors'), 'five'],
        [at('a.npz'), 'a'],
        [each, 'features'],
      ] as const) {
        using read = await readArrays(files, { mmap });
        expectSame(read);
        expect(read.name).toBe(name);
      }
    }
    using renamed = await readArrays(at('a.npz'), { name: 'test' });
    expect(renamed.name).toBe('test');
    renamed[Symbol.dispose]();
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });

  it('are told by the content, not by the file’s name', async () => {
    await writeArrays(at('told.npz'), arrays({ features }));
    writeFileSync(at('told.bin'), readFileSync(at('told.npz')));
    using read = await readArrays(at('told.bin'));
    expect(read.features?.equal(features)).toBe(true);
    expect([read.logits, read.labels, read.head]).toEqual([null, null, null]);
  });

  it('may have other names, and stand beside others', async () => {
    await saveNpz(at('named.npz'), { feats: features, z: logits, y: labels.to('int32'), epoch: torch.tensor(3) });
    const names = { features: 'feats', logits: 'z', labels: 'y' } as const;
    using read = await readArrays(at('named.npz'), { names });
    expect(read.features?.equal(features)).toBe(true);
    expect(read.labels?.equal(labels)).toBe(true);
    expect(read.labels?.dtype).toBe('int64');
    await expect(readArrays(at('named.npz'))).rejects.toThrow('it holds "feats", which is none of features, logits');
    await expect(readArrays(at('named.npz'), { names: { logits: 'q' } })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
    });
    const twice = { features: 'feats', logits: 'feats' };
    await expect(readArrays(at('named.npz'), { names: twice })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(readArrays(at('named.npz'), { names: { z: 'z' } as never })).rejects.toThrow('a key of names');
  });

  it('are those that NumPy wrote', async () => {
    const golden = JSON.parse(readFileSync(new URL('fixtures/arrays.json', import.meta.url), 'utf8')).npz;
    writeFileSync(at('numpy.npz'), Buffer.from(golden.deflated, 'base64'));
    using read = await readArrays(at('numpy.npz'));
    expect([...(read.features!.toArraySync() as Float32Array)]).toEqual(golden.arrays.features.values);
    expect([...(read.labels!.toArraySync() as BigInt64Array)].map(String)).toEqual(golden.arrays.labels.values);
  });

  it('keep their dtypes', async () => {
    const half = tidy(() => ({ features: features.to('bfloat16'), logits: logits.to('float64') }));
    await writeArrays(at('half.safetensors'), arrays(half));
    using read = await readArrays(at('half.safetensors'));
    expect([read.features?.dtype, read.logits?.dtype]).toEqual(['bfloat16', 'float64']);
    await expect(writeArrays(at('half.npz'), arrays(half))).rejects.toMatchObject({ code: 'ERR_DTYPE' });
  });
});

describe('a last layer', () => {
  const heads = {
    isomax: new IsoMaxHead(4, 3),
    isomaxplus: new IsoMaxPlusHead(4, 3),
    dismax: new DisMaxHead(4, 3, { temperature: 2 }),
  };
  tidy(() => {
    for (const head of Object.values(heads)) {
      torch.noGrad(() => head.prototypes.copy_(torch.randn([3, 4])));
      if (head instanceof IsoMaxPlusHead) torch.noGrad(() => head.distanceScale.fill_(1.5));
    }
  });

  it.each(Object.entries(heads))('of %s gives the same logits again', async (name, module) => {
    const path = at(`${name}.safetensors`);
    await writeArrays(path, arrays({ features, head: headOf(module) }));
    const before = memory().tensors;
    {
      torch.manualSeed(7);
      const next = tidy(() => torch.rand([1]).item());
      torch.manualSeed(7);
      using read = await readArrays(path);
      expect(tidy(() => torch.rand([1]).item())).toBe(next); // the random generator is where it was
      expect(read.head?.kind).toBe('distance');
      tidy(() => expect(read.head?.forward(features).equal(module.forward(features))).toBe(true));
      // And it can be written again.
      await writeArrays(at('again.safetensors'), read);
      expect(readFileSync(at('again.safetensors')).equals(readFileSync(path))).toBe(true);
    }
    expect(memory().tensors).toBeLessThanOrEqual(before);
    await expect(writeArrays(at('x.npz'), arrays({ features, head: headOf(module) }))).rejects.toThrow(
      'which distance head',
    );
  });

  it('of another program says which it is, or is asked', async () => {
    const { prototypes, distanceScale } = heads.isomaxplus;
    await saveNpz(at('plus.npz'), { features, prototypes, distance_scale: distanceScale });
    await expect(readArrays(at('plus.npz'))).rejects.toThrow("head: 'isomaxplus' or 'dismax'");
    await expect(readArrays(at('plus.npz'), { head: 'isomax' })).rejects.toThrow('IsoMax has no distance_scale');
    await expect(readArrays(at('plus.npz'), { head: 'plus' as never })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    using read = await readArrays(at('plus.npz'), { head: 'isomaxplus' });
    tidy(() => expect(read.head?.forward(features).equal(heads.isomaxplus.forward(features))).toBe(true));
    await saveNpz(at('plain.npz'), { features, prototypes });
    using plain = await readArrays(at('plain.npz'));
    expect(plain.head).toMatchObject({ kind: 'distance' });
    const texts = { head: 'isomax', temperature: 'hot' };
    await saveSafetensors(at('hot.safetensors'), { features, prototypes }, { metadata: texts });
    await expect(readArrays(at('hot.safetensors'))).rejects.toThrow('a temperature that is a positive number');
  });

  it('of an nn.Linear is its weight and bias; a function is refused', async () => {
    await writeArrays(at('linear.safetensors'), arrays({ features, head: headOf(new Linear(4, 3)) }));
    using read = await readArrays(at('linear.safetensors'));
    expect(read.head?.kind).toBe('affine');
    const head = { kind: 'other', forward: (x: Tensor) => x } as const;
    await expect(writeArrays(at('x.safetensors'), arrays({ features, head }))).rejects.toThrow('leave it out');
  });
});

describe('arrays that don’t fit', () => {
  const cases: [string, Record<string, Tensor>, string][] = [
    ['neither features nor logits', { labels }, 'expected features or logits'],
    ['one dimension', { features: torch.ones([5]) }, 'expected features of shape [N, D], not empty, received [5]'],
    ['no rows', { features: torch.ones([0, 4]) }, 'not empty, received [0, 4]'],
    [
      'other rows',
      { features, logits: torch.ones([4, 3]) },
      'expected logits of shape [N, C] with N = 5 as of features, received 4',
    ],
    ['other rows of labels', { logits, labels: torch.tensor([1]) }, 'with N = 5'],
    ['another weight', { features, weight: torch.ones([3, 5]) }, 'with D = 4 as of features, received 5'],
    ['another bias', { features, weight, bias: torch.ones([2]) }, 'expected bias of shape [C]'],
    [
      'integers for features',
      { features: torch.ones([5, 4], { dtype: 'int32' }) },
      'floating-point numbers, received int32',
    ],
    ['fractions for labels', { features, labels: torch.ones([5]) }, 'expected labels of integers, received float32'],
    ['two last layers', { features, weight, prototypes: weight }, 'expected one last layer'],
    ['a bias alone', { features, bias }, 'a bias but no weight'],
    ['a scale alone', { features, distance_scale: torch.ones([1]) }, 'no prototypes'],
  ];
  it.each(cases)('%s', async (_, tensors, message) => {
    await saveSafetensors(at('bad.safetensors'), tensors, { shared: 'copy' });
    const before = memory().tensors;
    const error = await readArrays(at('bad.safetensors')).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'ERR_FORMAT' });
    expect(error.message).toContain(message);
    expect(error.message).toContain('bad.safetensors');
    // Nor can such arrays be written.
    const { features = null, logits = null, labels = null, weight, bias = null, ...others } = tensors;
    if (!weight === !bias && Object.keys(others).length === 0) {
      const head = weight ? ({ kind: 'affine', weight, bias, forward: (x: Tensor) => x } as const) : null;
      const given = arrays({ features, logits, labels, head });
      await expect(writeArrays(at('bad.npz'), given)).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_(ARGUMENT|DATA)$/),
      });
    }
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });

  it('a negative label, with its index', async () => {
    await saveNpz(at('negative.npz'), { logits, labels: torch.tensor([0, 1, -1, 2, 0]) });
    const error = await readArrays(at('negative.npz')).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'ERR_DATA' });
    expect(error.message).toContain('received -1 at index 2');
  });

  it('files that are none', async () => {
    const before = memory().tensors;
    await expect(readArrays(at('nowhere'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await saveNpy(at('one.npy'), features);
    await expect(readArrays(at('one.npy'))).rejects.toThrow('does not say which');
    await expect(readArrays({ features: at('one.npy'), logit: at('one.npy') } as never)).rejects.toThrow(
      'a key of files',
    );
    await expect(readArrays({})).rejects.toThrow('expected features or logits');
    await expect(readArrays(3 as never)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    writeFileSync(at('text'), 'features, logits');
    await expect(readArrays(at('text'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(writeArrays(at('one.npy'), arrays({ features }))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(writeArrays(at('none.npz'), arrays({ labels }))).rejects.toMatchObject({ code: 'ERR_DATA' });
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });
});
