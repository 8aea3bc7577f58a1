// NumPy's files: what NumPy wrote is read to the bit, what is written here is what NumPy would have written, and no file,
// however damaged, gives anything but an error that says why.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { loadNpy, loadNpz, loadTorch, saveNpy, saveNpz, saveTorch } from '../lib/checkpoint/index.js';
import { IsotorchError } from '../lib/errors.js';
import { type DType, memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { damage, randomFrom } from './support/checkpoints.js';
import { python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

interface Values {
  dtype: DType;
  shape: number[];
  values: (number | string)[];
}
interface Golden {
  npy: (Values & { name: string; file: string; plain: boolean })[];
  refused: Record<string, string>;
  npz: { stored: string; deflated: string; arrays: Record<string, Values> };
}

const golden = JSON.parse(readFileSync(new URL('fixtures/arrays.json', import.meta.url), 'utf8')) as Golden;
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const folder = mkdtempSync(join(tmpdir(), 'isotorch-npy-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const fileOf = (content: Uint8Array): string => {
  const path = join(folder, `${files++}.npy`);
  writeFileSync(path, content);
  return path;
};

/** The tensor's values as `values()` of make_arrays.py lists them; disposes of it. */
function seen(tensor: Tensor): Values {
  const { dtype, shape } = tensor;
  expect(tensor.isContiguous()).toBe(true);
  const flat = tidy(() => {
    const real = dtype.startsWith('complex') ? torch.viewAsReal(tensor) : tensor;
    const wide = /int64$/.test(dtype) ? real : real.to('float64');
    return [...(wide.toArraySync() as ArrayLike<number | bigint> & Iterable<number | bigint>)];
  });
  tensor.dispose();
  const values = flat.map((value) =>
    typeof value === 'bigint' || !Number.isFinite(value) ? String(value) : (value as number),
  );
  return { dtype, shape: [...shape], values };
}

const wanted = ({ dtype, shape, values }: Values): Values => ({ dtype, shape, values });

/** An array of version 1 with this dict in front. */
function npy(dict: string | Buffer, data = 0, version = 1, length?: number): Uint8Array {
  const text = Buffer.from(dict);
  const prefix = Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0, ...(version === 1 ? [0, 0] : [0, 0, 0, 0])]);
  if (version === 1) prefix.writeUInt16LE(length ?? text.length, 8);
  else prefix.writeUInt32LE(length ?? text.length, 8);
  return new Uint8Array(Buffer.concat([prefix, text, Buffer.alloc(data, 1)]));
}
const dict = (descr: string, shape: string, fortran = 'False') =>
  `{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;

describe('what NumPy wrote', () => {
  it.each(golden.npy)('is read: $name', async (entry) => {
    const before = memory().tensors;
    const file = bytes(entry.file);
    expect(seen(await loadNpy(file))).toEqual(wanted(entry));
    expect(seen(await loadNpy(fileOf(file)))).toEqual(wanted(entry));
    expect(seen(await loadNpy(fileOf(file), { mmap: true }))).toEqual(wanted(entry));
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });

  it.each(['stored', 'deflated'] as const)('is read from a .npz file: %s', async (kind) => {
    const before = memory().tensors;
    const file = bytes(golden.npz[kind]);
    for (const loaded of [await loadNpz(file), await loadNpz(fileOf(file), { mmap: true })]) {
      const all = Object.fromEntries([...loaded].map(([name, tensor]) => [name, seen(tensor)]));
      expect(all).toEqual(golden.npz.arrays);
    }
    const some = await loadNpz(file, { keys: ['labels'] });
    expect([...some.keys()]).toEqual(['labels']);
    some.get('labels')!.dispose();
    await expect(loadNpz(file, { keys: ['labels', 'logits'] })).rejects.toThrow('(features, labels) for key');
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });

  it('has the old dicts of Python 2, other quotes and another order too', async () => {
    const file = npy(`{ "shape" : ( 2L , 3L ) , 'descr':"<i2",'fortran_order':False}`, 12);
    expect(seen(await loadNpy(file))).toMatchObject({ dtype: 'int16', shape: [2, 3] });
  });
});

describe('what is written here', () => {
  it.each(golden.npy.filter(({ plain }) => plain))('is what np.save writes, byte for byte: $name', async (entry) => {
    const tensor = await loadNpy(bytes(entry.file));
    const path = join(folder, 'written.npy');
    await saveNpy(path, tensor);
    expect(readFileSync(path).equals(Buffer.from(entry.file, 'base64'))).toBe(true);
    tensor.dispose();
  });

  it('is what a view looks at, in a .npz file too', async () => {
    const whole = torch.arange(12, { dtype: 'float32' }).view([3, 4]);
    const path = join(folder, 'written.npz');
    await saveNpz(path, { turned: whole.t(), scalar: torch.tensor(3n) });
    const loaded = await loadNpz(path);
    expect(seen(loaded.get('turned')!)).toEqual({
      dtype: 'float32',
      shape: [4, 3],
      values: [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11],
    });
    expect(seen(loaded.get('scalar')!)).toEqual({ dtype: 'int64', shape: [], values: ['3'] });
    await expect(saveNpy(path, whole.to('bfloat16'))).rejects.toMatchObject({ code: 'ERR_DTYPE' });
    await expect(saveNpz(path, { a: 3 as never })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  needs(python, 'a Python that has torch').it('is read by NumPy', async () => {
    const path = join(folder, 'for-numpy.npz');
    await saveNpz(path, { a: torch.arange(6, { dtype: 'float64' }).view([2, 3]), 'b c': torch.tensor([true, false]) });
    const read = runPython(
      `import numpy as np; z = np.load(input); emit({k: [str(z[k].dtype), z[k].tolist()] for k in z.files})`,
      path,
    );
    expect(read).toEqual({
      a: [
        'float64',
        [
          [0, 1, 2],
          [3, 4, 5],
        ],
      ],
      'b c': ['bool', [true, false]],
    });
  });
});

it('a mapped array is a window onto the file, private to this process, and saves alone', async () => {
  const path = join(folder, 'mapped.npy');
  const values = torch.arange(1000, { dtype: 'float32' });
  await saveNpy(path, values);
  const mapped = await loadNpy(path, { mmap: true });
  mapped.add_(1);
  const again = await loadNpy(path, { mmap: true });
  expect(again.equal(values)).toBe(true);
  const saved = join(folder, 'mapped.pt');
  await saveTorch(saved, mapped);
  expect(readFileSync(saved).length).toBeLessThan(4000 + 3000);
  expect((await loadTorch<Tensor>(saved)).equal(values.add(1))).toBe(true);
});

describe('what is refused', () => {
  it.each(Object.entries(golden.refused))('%s', async (name, file) => {
    const structure = name === 'a structure';
    await expect(loadNpy(bytes(file))).rejects.toMatchObject({ code: structure ? 'ERR_FORMAT' : 'ERR_DTYPE' });
    if (name === 'Python objects') await expect(loadNpy(bytes(file))).rejects.toThrow('could run programs');
  });

  const cases: [string, Uint8Array, string][] = [
    ['an empty file', new Uint8Array(), 'does not begin with the letters NUMPY'],
    ['another file', Buffer.from('PK\x03\x04 and so on'), 'does not begin with the letters NUMPY'],
    ['the letters alone', Buffer.from('\x93NUMPY', 'latin1'), 'its version is undefined'],
    ['version 0', npy(dict("'<f4'", '(1,)'), 4, 0), 'its version is 0'],
    ['version 4', npy(dict("'<f4'", '(1,)'), 4, 4), 'its version is 4'],
    ['a header that is not there', npy('', 0, 1, 60000), 'ends within its header'],
    ['a header of 4 GB', npy('', 0, 2, 2 ** 32 - 1), 'a header of 4294967295 bytes'],
    ['no dict', npy('[]'), 'expected { but found "[]"'],
    ['a dict without end', npy("{'shape': (), "), 'expected one of the keys'],
    ['something after it', npy(`${dict("'<f4'", '()').trim()} + x`, 4), 'expected one of the keys'],
    ['another key', npy("{'shape': (), 'evil': 1}"), 'expected one of the keys'],
    ['a key twice', npy("{'shape': (), 'shape': ()}"), 'has shape twice'],
    ['a key that is missing', npy("{'shape': (), 'descr': '<f4'}", 4), 'lacks one of'],
    ['a call', npy(dict("__import__('os')", '()')), 'expected an element type'],
    ['a number for a shape', npy(dict("'<f4'", '(1)'), 4), 'expected a tuple of sizes'],
    ['a negative size', npy(dict("'<f4'", '(-1,)'), 4), 'expected a tuple of sizes'],
    ['a size of 17 digits', npy(dict("'<f4'", '(11111111111111111,)'), 4), 'expected a tuple of sizes'],
    ['sizes that overflow', npy(dict("'<f4'", '(4294967296, 4294967296)')), 'is too large'],
    ['those beside a 0 too', npy(dict("'<f4'", '(0, 4294967296, 4294967296)')), 'is too large'],
    ['65 dimensions', npy(dict("'<f4'", `(${'1, '.repeat(65)})`), 4), 'is too large'],
    [
      'data that is cut off',
      npy(dict("'<f4'", '(2, 2)'), 15),
      'takes 16 bytes but 15 follow the header; it may be cut off',
    ],
    ['data that goes on', npy(dict("'<f4'", '(2, 2)'), 17), 'takes 16 bytes but 17 follow'],
    ['a terabyte', npy(dict("'<f8'", '(137438953472,)'), 8), 'it may be cut off'],
    ['neither True nor False', npy(dict("'<f4'", '()', '1'), 4), 'expected True or False'],
  ];
  it.each(cases)('%s', async (_, file, message) => {
    const before = memory().tensors;
    const error = await loadNpy(file).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'ERR_FORMAT' });
    expect(error.message).toContain(message);
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });

  it('a boolean of 2, read and mapped', async () => {
    const file = npy(dict("'|b1'", '(2,)'), 2);
    file[file.length - 1] = 2;
    await expect(loadNpy(file)).rejects.toThrow('neither 0 nor 1');
    await expect(loadNpy(fileOf(file), { mmap: true })).rejects.toThrow('neither 0 nor 1');
  });

  it('an archive of something else, and a damaged member', async () => {
    const path = join(folder, 'other.npz');
    await saveTorch(path, torch.ones([3]));
    await expect(loadNpz(path)).rejects.toThrow('is a file of torch.save: read it with checkpoint.loadTorch()');
    const file = bytes(golden.npz.stored);
    const at = Buffer.from(file).indexOf('NUMPY') + 140;
    file[at] = file[at]! ^ 1;
    await expect(loadNpz(file)).rejects.toThrow('the file is damaged');
  });

  it('wrong options', async () => {
    await expect(loadNpy(npy(''), { mmap: true })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(loadNpy('', {})).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(loadNpz(join(folder, 'nowhere.npz'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

describe('damage at random', () => {
  const harmless = async (load: () => Promise<Tensor | Map<string, Tensor>>): Promise<void> => {
    const before = memory().tensors;
    try {
      const loaded = await load();
      for (const tensor of loaded instanceof Map ? loaded.values() : [loaded]) {
        tidy(() => void tensor.toArraySync());
        tensor.dispose();
      }
    } catch (error) {
      if (!(error instanceof IsotorchError) || !['ERR_FORMAT', 'ERR_DTYPE'].includes(error.code)) throw error;
    }
    expect(memory().tensors).toBeLessThanOrEqual(before);
  };

  it('to whole files gives ERR_FORMAT or ERR_DTYPE, or values', async () => {
    const samples = [...golden.npy.map(({ file }) => Buffer.from(file, 'base64'))];
    for (let run = 0; run < 3000; run++) {
      const random = randomFrom(run);
      await harmless(() => loadNpy(damage(samples[run % samples.length]!, random)));
    }
    for (const kind of ['stored', 'deflated'] as const)
      for (let run = 0; run < 1000; run++)
        await harmless(() => loadNpz(damage(Buffer.from(golden.npz[kind], 'base64'), randomFrom(run))));
  });

  it('any dict of these words is read or refused, whatever the data', async () => {
    const word = fc.constantFrom(
      ...["'descr'", "'fortran_order'", "'shape'", ':', ',', '{', '}', '(', ')', "'<f4'", "'>c16'", "'|b1'", 'True'],
      ...['False', '0', '1', '3', '4294967296', '9007199254740993', 'L', ' ', '\n', '-', '[', "'|O'"],
    );
    const field = fc.constantFrom(
      "'descr': '<f4'",
      "'descr': '|O'",
      "'fortran_order': True",
      "'shape': (1, 3)",
      "'shape': ()",
    );
    const text = fc.oneof(
      fc.array(word, { maxLength: 30 }).map((words) => words.join('')),
      fc.array(fc.oneof(field, word), { maxLength: 6 }).map((fields) => `{${fields.join(', ')}}`),
    );
    await fc.assert(
      fc.asyncProperty(text, fc.nat(40), fc.integer({ min: 1, max: 3 }), async (header, data, version) => {
        await harmless(() => loadNpy(npy(header, data, version)));
      }),
      { numRuns: 2000 },
    );
  });
});
