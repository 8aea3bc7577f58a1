// safetensors: what is written is read equal, all at once, one by one, in rows, mapped; only what is asked for is read; and the
// files are those of Python's package, byte for byte.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSafetensors, openSafetensors, SafetensorsDict, saveSafetensors } from '../lib/checkpoint/index.js';
import { SafetensorsFile } from '../lib/checkpoint/safetensors/reader.js';
import { type ByteSource, openSource } from '../lib/checkpoint/source.js';
import * as nn from '../lib/nn/index.js';
import { type DType, memory, Parameter, type Tensor, torch } from '../lib/tensor/index.js';
import { withFolder } from './support/checkpoints.js';
import { decode, encode, runPython } from './support/python.js';
import { safetensorsOf, safetensorsPath } from './support/safetensors.js';
import { needs } from './support/skip.js';

const dtypes: DType[] = [
  ...(['bool', 'uint8', 'int8', 'float8_e5m2', 'float8_e4m3fn', 'float8_e8m0fnu', 'float8_e4m3fnuz'] as const),
  ...(['float8_e5m2fnuz', 'int16', 'uint16', 'float16', 'bfloat16', 'int32', 'uint32', 'float32'] as const),
  ...(['complex64', 'float64', 'int64', 'uint64'] as const),
];

/** Random bits, so that every dtype meets its odd values. */
function random(dtype: DType, shape: number[]): Tensor {
  if (dtype === 'bool') return torch.randint(2, shape, { dtype });
  const size = torch.empty([1], { dtype }).view('uint8').numel();
  const count = shape.reduce((product, each) => product * each, size);
  return torch.randint(256, [count], { dtype: 'uint8' }).view(dtype).view(shape);
}

const bits = (tensor: Tensor) => {
  const array = tensor.toArraySync();
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');
};
const describeAll = (tensors: ReadonlyMap<string, Tensor>) =>
  Object.fromEntries([...tensors].map(([name, t]) => [name, { dtype: t.dtype, shape: t.shape, bits: bits(t) }]));

let path: string;
let release: () => void;
let done: Promise<void>;
beforeAll(async () => {
  await new Promise<void>((ready) => {
    done = withFolder(async (folder) => {
      path = join(folder, 'x.safetensors');
      ready();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
  });
});
afterAll(async () => {
  release();
  await done;
});

describe('there and back', () => {
  it('every dtype, scalars, empty tensors, any name', async () => {
    const tensors = new Map<string, Tensor>(dtypes.map((dtype) => [dtype, random(dtype, [3, 5])]));
    for (const name of ['__proto__', 'constructor', '', 'ünï "😀" \u0001 \\', 'a\u2028b', '10', '9'])
      tensors.set(name, torch.randn([]));
    tensors.set('empty', torch.empty([0, 3]));
    const metadata = new Map([
      ['format', 'pt'],
      ['__proto__', '{"a": 1}'],
      ['', ''],
    ]);
    await saveSafetensors(path, tensors, { metadata });
    for (const mmap of [false, true]) {
      const loaded = await loadSafetensors(path, { mmap });
      expect(describeAll(loaded)).toEqual(describeAll(tensors));
      expect(Object.fromEntries(loaded.metadata)).toEqual(Object.fromEntries(metadata));
    }
    expect(describeAll(await loadSafetensors(readFileSync(path)))).toEqual(describeAll(tensors));
  });

  it('equal tensors give equal bytes, in any order, and again after loading', async () => {
    const tensors = { b: torch.ones([2]), a: torch.zeros([3]), c: torch.tensor([1, 2]), d: torch.tensor(true) };
    await saveSafetensors(path, tensors, { metadata: { y: '1', x: '2' } });
    const bytes = readFileSync(path);
    await saveSafetensors(path, Object.fromEntries(Object.entries(tensors).reverse()), {
      metadata: { x: '2', y: '1' },
    });
    expect(readFileSync(path).equals(bytes)).toBe(true);
    const loaded = await loadSafetensors(path);
    expect([...loaded.keys()]).toEqual(['c', 'a', 'b', 'd']);
    await saveSafetensors(path, loaded);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(bytes.readBigUInt64LE() % 8n).toBe(0n);
  });

  it('views, conjugates, Parameters and expanded tensors are written as they look', async () => {
    const base = torch.randn([4, 6]);
    const tensors: Record<string, Tensor> = {
      transposed: base.t(),
      conjugated: torch.viewAsComplex(torch.randn([3, 2])).conj(),
      imaginary: torch.viewAsComplex(torch.randn([3, 2])).conj().imag,
      expanded: torch.randn([1, 3]).expand([5, 3]),
      parameter: new Parameter(torch.randn([2])),
    };
    await saveSafetensors(path, tensors);
    const loaded = await loadSafetensors(path);
    for (const [name, tensor] of Object.entries(tensors)) {
      const plain = tensor.dtype === 'complex64' ? tensor.resolveConj() : tensor.detach().resolveNeg();
      expect(bits(loaded.get(name) as Tensor), name).toBe(bits(plain.contiguous()));
    }
    expect(loaded.get('parameter')).not.toBeInstanceOf(Parameter);
  });

  it('large tensors go in pieces and whole', async () => {
    const tensors = {
      a: torch.randn([3_000_001]),
      b: torch.randn([7]),
      c: torch.randn([1 << 20]),
      d: torch.randn([9]),
    };
    await saveSafetensors(path, tensors);
    const before = memory();
    for (const mmap of [false, true]) {
      const loaded = await loadSafetensors(path, { mmap });
      for (const [name, tensor] of Object.entries(tensors)) expect(loaded.get(name)?.equal(tensor)).toBe(true);
      for (const tensor of loaded.values()) tensor.dispose();
    }
    expect(memory().tensors).toBeLessThanOrEqual(before.tensors);
  });

  it('a network', async () => {
    const net = () => new nn.Sequential(new nn.Conv2d(1, 4, 3), new nn.BatchNorm2d(4));
    const [one, two] = [net(), net()];
    await saveSafetensors(path, one.stateDict());
    two.loadStateDict(await loadSafetensors(path));
    expect(describeAll(two.stateDict())).toEqual(describeAll(one.stateDict()));
  });

  it('random dicts', async () => {
    const entry = fc.record({
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    });
    const name = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => text !== '__metadata__');
    const dicts = fc.array(fc.tuple(name, entry), { maxLength: 8 });
    const texts = fc.dictionary(name, fc.string({ unit: 'grapheme' }), { maxKeys: 3 });
    await fc.assert(
      fc.asyncProperty(dicts, texts, async (dict, metadata) => {
        const tensors = new Map(dict.map(([key, { dtype, shape }]) => [key, random(dtype, shape)]));
        await saveSafetensors(path, tensors, { metadata });
        const loaded = await loadSafetensors(path);
        expect(describeAll(loaded)).toEqual(describeAll(tensors));
        expect(Object.fromEntries(loaded.metadata)).toEqual({ ...metadata });
      }),
      { numRuns: 60 },
    );
  });
});

describe('options', () => {
  it('dtype converts floating-point tensors alone, keys choose', async () => {
    const tensors = { w: torch.randn([2, 2]), h: torch.ones([2], { dtype: 'bfloat16' }), i: torch.tensor([1]) };
    await saveSafetensors(path, tensors);
    for (const mmap of [false, true]) {
      const before = memory();
      const loaded = await loadSafetensors(path, { dtype: 'float16', mmap });
      expect([...loaded.values()].map((t) => t.dtype)).toEqual(['int64', 'float16', 'float16']);
      const some = await loadSafetensors(path, { keys: ['h', 'i', 'h'], mmap });
      expect([...some.keys()]).toEqual(['i', 'h']);
      for (const tensor of [...loaded.values(), ...some.values()]) tensor.dispose();
      expect(memory().tensors).toBeLessThanOrEqual(before.tensors);
    }
    await expect(loadSafetensors(path, { keys: ['i', 'v'] })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/name of a tensor in .*x\.safetensors .*"h".* for key but received string "v"/),
    });
    await expect(loadSafetensors(path, { dtype: 'int8' })).rejects.toMatchObject({ code: 'ERR_DTYPE' });
    await expect(loadSafetensors(readFileSync(path), { mmap: true })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(loadSafetensors(join(path, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('one key costs its bytes and the header’s', async () => {
    await saveSafetensors(path, { a: torch.randn([1 << 20]), b: torch.randn([100, 10]), c: torch.randn([1 << 20]) });
    const source = await openSource(path);
    let read = 0;
    const counting: ByteSource = {
      name: source.name,
      size: source.size,
      read: () => Promise.reject(new Error('not for this')),
      readRange: (offset, length, scratch) => {
        read += length;
        return source.readRange(offset, length, scratch);
      },
      close: () => source.close(),
    };
    await using file = await SafetensorsFile.from(counting);
    const header = read;
    expect(header).toBeLessThan(400);
    expect(file.keys).toEqual(['a', 'b', 'c']);
    expect(file.info('b')).toEqual({ dtype: 'float32', shape: [100, 10], nbytes: 4000 });
    expect(read).toBe(header);
    const b = await file.get('b');
    expect(read - header).toBe(4000);
    const rows = await file.slice('b', 20, 23);
    expect(read - header).toBe(4120);
    expect(rows.equal(b.narrow(0, 20, 3))).toBe(true);
    expect((await file.slice('b', 100, 100)).shape).toEqual([0, 10]);
    for (const [from, to] of [
      [0, 101],
      [-1, 3],
      [3, 2],
      [0.5, 1],
    ] as const)
      await expect(file.slice('b', from, to)).rejects.toMatchObject({ code: 'ERR_INDEX' });
    const two = await file.load(['b', 'a']);
    expect([...two.keys()]).toEqual(['a', 'b']);
    await file.close();
    await expect(file.get('b')).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('closed') });
  });

  needs(existsSync('/proc/self/io'), 'a /proc/self/io').it('and as the system counts it', async () => {
    await saveSafetensors(path, { a: torch.randn([1 << 23]), b: torch.randn([10]) });
    const count = () => Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
    await using file = await openSafetensors(path);
    const before = count();
    await file.get('b');
    expect(count() - before).toBeLessThan(100_000);
    expect(statSync(path).size).toBeGreaterThan(30_000_000);
  });

  it('mapped tensors stay when the file is closed or deleted, and changes to them stay private', async () => {
    const w = torch.randn([1000]);
    await saveSafetensors(path, { w, other: torch.ones([3]) });
    const bytes = readFileSync(path);
    const loaded = await loadSafetensors(path, { mmap: true });
    const mapped = loaded.get('w') as Tensor;
    mapped.add_(1);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    await saveSafetensors(path, { w: torch.zeros([5]) }); // replaces the file, which the mapping still holds
    expect(mapped.equal(w.add(1))).toBe(true);
    expect(loaded.get('other')?.tolist()).toEqual([1, 1, 1]);
    // The mapping is one, for all of them.
    expect(mapped.storage().id).toBe((loaded.get('other') as Tensor).storage().id);
  });

  it('tensors at odd places are copied out of the mapping', async () => {
    const header = {
      a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
      b: { dtype: 'F32', shape: [2], data_offsets: [1, 9] },
    };
    writeFileSync(path, safetensorsOf(header, 9));
    const [read, mapped] = [await loadSafetensors(path), await loadSafetensors(path, { mmap: true })];
    expect(describeAll(mapped)).toEqual(describeAll(read));
  });

  it('dtypes below a byte are told, and the others load', async () => {
    const header = {
      a: { dtype: 'F4', shape: [2, 6], data_offsets: [0, 6] },
      b: { dtype: 'U8', shape: [2], data_offsets: [6, 8] },
    };
    writeFileSync(path, safetensorsOf(header, 8));
    await expect(loadSafetensors(path)).rejects.toMatchObject({
      code: 'ERR_DTYPE',
      message: expect.stringContaining('tensor "a" is F4'),
    });
    await using file = await openSafetensors(path);
    expect(file.info('a')).toEqual({ dtype: 'F4', shape: [2, 6], nbytes: 6 });
    expect((await file.get('b')).tolist()).toEqual([6, 7]);
  });
});

describe('saving refuses', () => {
  it.each<[string, () => unknown, string, RegExp]>([
    ['no dict', () => [torch.ones([1])], 'ERR_ARGUMENT', /Map or an object for tensors/],
    ['a number', () => ({ a: 1 }), 'ERR_ARGUMENT', /a Tensor for tensors\["a"\] but received integer 1/],
    ['names that are numbers', () => new Map([[1, torch.ones([1])]]), 'ERR_ARGUMENT', /text for a name/],
    ['half a surrogate', () => ({ '\ud800': torch.ones([1]) }), 'ERR_ARGUMENT', /text for a name/],
    ['the name of the metadata', () => ({ __metadata__: torch.ones([1]) }), 'ERR_ARGUMENT', /another name/],
    [
      'complex128',
      () => ({ a: torch.ones([1], { dtype: 'complex128' }) }),
      'ERR_DTYPE',
      /received string "complex128"/,
    ],
    ['sparse tensors', () => ({ a: torch.ones([2, 2]).toSparse() }), 'ERR_', /Could not save tensors\["a"\]/],
  ])('%s', async (_, tensors, code, message) => {
    const result = saveSafetensors(path, tensors() as never);
    await expect(result).rejects.toMatchObject({
      code: expect.stringContaining(code),
      message: expect.stringMatching(message),
    });
  });

  it('disposed tensors, texts that are none', async () => {
    const gone = torch.ones([1]);
    gone.dispose();
    await expect(saveSafetensors(path, { gone })).rejects.toMatchObject({ code: 'ERR_TENSOR_DISPOSED' });
    await expect(saveSafetensors(path, {}, { metadata: { epoch: 3 as never } })).rejects.toThrow(
      'Expected text for metadata["epoch"] but received integer 3',
    );
  });

  it('shared memory, unless copies will do', async () => {
    const base = torch.randn([4, 4]);
    const tied = { embedding: base, head: base.view([16]), last: torch.ones([1]) };
    await expect(saveSafetensors(path, tied)).rejects.toThrow(
      /^The tensors "embedding" and "head" share memory.*\{ shared: 'copy' \}/,
    );
    await saveSafetensors(path, tied, { shared: 'copy' });
    const loaded = await loadSafetensors(path);
    expect(
      loaded
        .get('head')
        ?.view([4, 4])
        .equal(loaded.get('embedding') as Tensor),
    ).toBe(true);
    // Parts of one memory that don't touch are no matter.
    await saveSafetensors(path, { top: base.narrow(0, 0, 2), rest: base.narrow(0, 2, 2), none: base.narrow(0, 1, 0) });
    await expect(saveSafetensors(path, { a: base.narrow(0, 0, 3), b: base.narrow(0, 2, 2) })).rejects.toThrow(/share/);
  });
});

const { it: itPython } = needs(safetensorsPath !== undefined, 'Python’s package safetensors');
const prelude = 'sys.path[:0] = [input["path"]]\nimport safetensors, safetensors.torch\n';

describe('with Python’s package', () => {
  itPython('the same tensors give the same bytes, and are read equal', async () => {
    const tensors = new Map<string, Tensor>(dtypes.map((dtype) => [dtype, random(dtype, [3, 5])]));
    tensors
      .set('\u{10000}', torch.randn([2]))
      .set('\uffff', torch.randn([]))
      .set('tab\t', torch.empty([0, 2]));
    await saveSafetensors(path, tensors);
    const { bytes, same, keys } = runPython(
      `${prelude}
given = {name: T(value) for name, value in input['tensors']}
loaded = safetensors.torch.load_file(input['file'])
emit({
  'bytes': base64.b64encode(safetensors.torch.save(given)).decode(),
  'same': [name for name, value in given.items() if loaded[name].dtype != value.dtype or J(loaded[name]) != J(value)],
  'keys': len(loaded),
})`,
      { path: safetensorsPath, file: path, tensors: [...tensors].map(([name, t]) => [name, encode(t)]) },
    );
    expect(same).toEqual([]);
    expect(keys).toBe(tensors.size);
    expect(Buffer.from(bytes, 'base64').equals(readFileSync(path))).toBe(true);
    expect(describeAll(await loadSafetensors(Buffer.from(bytes, 'base64')))).toEqual(describeAll(tensors));
  });

  itPython('files are refused and read as there', async () => {
    const info = (dtype: string, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });
    const files = [
      safetensorsOf({}),
      safetensorsOf('{ } \n\t'),
      safetensorsOf({ a: info('F32', [2], [0, 8]) }, 8),
      safetensorsOf({ a: info('F32', [2], [0, 8]) }, 9),
      safetensorsOf({ a: info('F32', [2], [0, 8]) }, 7),
      safetensorsOf({ a: info('F32', [3], [0, 8]) }, 8),
      safetensorsOf({ a: info('F32', [2], [8, 0]) }, 8),
      safetensorsOf({ a: info('F32', [-2], [0, 8]) }, 8),
      safetensorsOf({ a: info('U8', [1], [1, 2]) }, 2),
      safetensorsOf({ a: info('U8', [2], [0, 2]), b: info('U8', [2], [1, 3]) }, 3),
      safetensorsOf({ b: info('U8', [2], [2, 4]), a: info('U8', [2], [0, 2]) }, 4),
      safetensorsOf({ a: info('U8', [0], [0, 0]), b: info('U8', [1], [0, 1]), c: info('U8', [0, 7], [1, 1]) }, 1),
      safetensorsOf('{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', 1),
      safetensorsOf('{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}', 1),
      safetensorsOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],}}', 1),
      safetensorsOf({ a: info('U9', [1], [0, 1]) }, 1),
      safetensorsOf({ a: info('F4', [3], [0, 1]) }, 1),
      safetensorsOf({ __metadata__: { a: 'b' } }),
      safetensorsOf({ __metadata__: { a: 1 } }),
      safetensorsOf({ a: info('F64', [2 ** 53, 2 ** 53], [0, 8]) }, 8),
      safetensorsOf(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])),
      safetensorsOf('{}', 0, 2n ** 63n),
      safetensorsOf('{}', 0, 3n),
      safetensorsOf('{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
    ];
    const theirs: boolean[] = runPython(
      `${prelude}
def reads(data):
    try: return bool(safetensors.deserialize(base64.b64decode(data))) or True
    except Exception: return False
emit([reads(data) for data in input['files']])`,
      { path: safetensorsPath, files: files.map((file) => Buffer.from(file).toString('base64')) },
    );
    const ours = await Promise.all(
      files.map((file) =>
        openSafetensors(file).then(
          () => true,
          (error) => {
            expect(error.code).toBe('ERR_FORMAT');
            return false;
          },
        ),
      ),
    );
    expect(ours).toEqual(theirs);
    expect(ours.filter(Boolean).length).toBeGreaterThan(4);
  });
});

const dataFolder = process.env.ISOTORCH_TEST_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url));
const realFiles = join(dataFolder, 'checkpoints');

describe('files from the wild', () => {
  needs(existsSync(realFiles), 'the checkpoints of the test data').it(
    'load, whole, by key and mapped, and save again',
    async () => {
      const files = readdirSync(realFiles).filter((name) => name.endsWith('.safetensors'));
      expect(files.length).toBeGreaterThan(2);
      for (const name of files) {
        const read = await loadSafetensors(join(realFiles, name));
        expect(describeAll(await loadSafetensors(join(realFiles, name), { mmap: true })), name).toEqual(
          describeAll(read),
        );
        await using file = await openSafetensors(join(realFiles, name));
        for (const key of file.keys) expect(bits(await file.get(key)), key).toBe(bits(read.get(key) as Tensor));
        await saveSafetensors(path, read);
        const again = await loadSafetensors(path);
        expect(describeAll(again)).toEqual(describeAll(read));
        expect([...again.metadata]).toEqual([...read.metadata].sort());
      }
    },
  );

  needs(
    existsSync(realFiles) && safetensorsPath !== undefined,
    'the checkpoints of the test data and Python’s safetensors',
  ).it('load as Python’s package loads them', async () => {
    const files = readdirSync(realFiles)
      .filter((name) => name.endsWith('.safetensors'))
      .map((name) => join(realFiles, name));
    const theirs = runPython(
      `${prelude}\nemit([list(map(list, safetensors.torch.load_file(file).items())) for file in input['files']])`,
      { path: safetensorsPath, files },
    );
    for (const [i, file] of files.entries()) {
      const decoded = new Map<string, Tensor>(theirs[i].map(([name, t]: [string, never]) => [name, decode(t)]));
      const ours = await loadSafetensors(file);
      expect(ours).toBeInstanceOf(SafetensorsDict);
      expect(describeAll(ours)).toEqual(describeAll(decoded));
    }
  });
});
