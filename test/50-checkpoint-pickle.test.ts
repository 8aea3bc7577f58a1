// The pickle layer, without a tensor: values come back as they went in, and descriptions of tensors
// are checked.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { op } from '../lib/checkpoint/pickle/opcodes.js';
import { replaceTensors } from '../lib/checkpoint/pickle/tree.js';
import {
  Complex,
  OrderedDict,
  StorageRef,
  TensorRef,
  TorchDevice,
  TorchDType,
  TorchLayout,
  torchSize,
} from '../lib/checkpoint/pickle/values.js';
import { pickle } from '../lib/checkpoint/pickle/writer.js';
import { bytes, integer, text } from './support/checkpoints.js';
import { failure, global, load, program } from './support/pickles.js';

const again = (value: unknown) => load(pickle(value));
const plainTraits = { requiresGrad: false, parameter: false, conjugated: false, negated: false };

describe('values', () => {
  const key = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.bigInt({ min: 2n ** 53n }),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.oneof(
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.double(),
        fc.maxSafeInteger(),
        fc.bigInt().filter((value) => !Number.isSafeInteger(Number(value))),
        fc.string({ unit: 'binary' }),
        fc.uint8Array(),
      ),
      fc.array(tie('tree')),
      fc.array(tie('tree')).map((items) => Object.freeze(items)),
      fc.array(fc.tuple(key, tie('tree'))).map((items) => new Map(items)),
      fc.array(fc.tuple(key, tie('tree'))).map((items) => new OrderedDict(items)),
      fc.uniqueArray(fc.integer()).map((items) => new Set(items)),
    ),
  }));

  it('come back as they went in, and write the same bytes again', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const data = pickle(value);
        const loaded = load(data);
        expect(loaded).toStrictEqual(value);
        expect(Buffer.compare(data, pickle(loaded))).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('keep whole numbers of any size', () => {
    const edges = [
      0n,
      1n,
      127n,
      128n,
      255n,
      256n,
      2n ** 31n - 1n,
      2n ** 31n,
      2n ** 53n,
      2n ** 63n,
      2n ** 64n,
      2n ** 1000n,
      2n ** 3000n,
    ];
    for (const value of edges.flatMap((edge) => [edge, -edge, edge - 1n, 1n - edge])) {
      const safe = Number.isSafeInteger(Number(value));
      expect(again(value)).toBe(safe ? Number(value) : value);
      if (safe) expect(again(Number(value))).toBe(Number(value));
    }
  });

  it('keep floats bit for bit', () => {
    for (const value of [0.1, -0, 1e300, 2 ** 60, 5e-324, Infinity, -Infinity, NaN]) expect(again(value)).toBe(value);
  });

  it('keep strings with lone surrogates, and names that JavaScript knows', () => {
    expect(again(['\ud800', 'a\udfffb', '😀', '\0', '\ufeff'])).toEqual(['\ud800', 'a\udfffb', '😀', '\0', '\ufeff']);
    const loaded = again(JSON.parse('{"__proto__": 1, "constructor": 2}')) as Map<string, number>;
    expect([...loaded]).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });

  it('keep the kinds: tuple and list, dict and OrderedDict, Python’s own', () => {
    const ordered = new OrderedDict([['a', 1]]);
    ordered._metadata = new Map([['', new Map([['version', 1]])]]);
    const value = [
      [1],
      Object.freeze([1]),
      new Map([[1, 2]]),
      ordered,
      torchSize([2, 3]),
      new Complex(1, 2),
      TorchDType.of('bfloat16'),
      new TorchDevice('cuda', 1),
      TorchLayout.of('sparse_coo'),
    ];
    const loaded = again(value) as unknown[];
    expect(loaded).toStrictEqual(value);
    expect(Object.isFrozen(loaded[1])).toBe(true);
    expect((loaded[3] as OrderedDict)._metadata).toEqual(ordered._metadata);
    expect(loaded[6]).toBe(TorchDType.of('bfloat16'));
    expect(String(loaded[7])).toBe('cuda:1');
  });

  it('takes a plain Map with _metadata for an OrderedDict', () => {
    const state = Object.assign(new Map([['w', 1]]), { _metadata: { '': { version: 2 } } });
    const loaded = again(state) as OrderedDict;
    expect(loaded).toBeInstanceOf(OrderedDict);
    expect(loaded._metadata).toEqual(new Map([['', new Map([['version', 2]])]]));
  });

  it('keep sharing and cycles', () => {
    const shared = [1];
    const cycle: unknown[] = [shared, shared];
    const dict = new Map<string, unknown>([['list', cycle]]);
    cycle.push(dict, Object.freeze([cycle]));
    const loaded = again(cycle) as [number[], number[], Map<string, unknown>, [unknown]];
    expect(loaded[0]).toBe(loaded[1]);
    expect(loaded[2].get('list')).toBe(loaded);
    expect(loaded[3][0]).toBe(loaded);
    const list: unknown[] = [];
    const tuple = Object.freeze([list]);
    list.push(tuple);
    const loadedTuple = again(tuple) as [[unknown]];
    expect(loadedTuple[0][0]).toBe(loadedTuple);
  });

  it('that a checkpoint can’t hold are refused by their place', () => {
    const instance = new (class Model {})();
    for (const [bad, name] of [
      [undefined, 'undefined'],
      [() => 1, 'function'],
      [Symbol('s'), 'symbol'],
      [instance, 'Model'],
      [new Date(0), 'Date'],
      [new Float32Array(2), 'Float32Array of 2; make a tensor'],
    ] as const) {
      expect(() => pickle({ a: [1, new Map([['b', bad]])] })).toThrow(
        new RegExp(`for object\\["a"\\]\\[1\\]\\["b"\\] but received ${name}`),
      );
    }
    expect(() => pickle(new Map([[[1], 1]]))).toThrow('for a key of object but received array of 1');
  });

  it('may be nested a thousand deep and no deeper', () => {
    const nested = (depth: number) => {
      let value: unknown = 1;
      for (let i = 0; i < depth; i++)
        value = i % 3 === 0 ? [value] : i % 3 === 1 ? Object.freeze([value]) : new Map([['k', value]]);
      return value;
    };
    expect(pickle(replaceTensors(again(nested(990)), 'test', (ref) => ref))).toEqual(pickle(nested(990)));
    expect(() => pickle(nested(2000))).toThrow('nested at most 1000 deep');
    const bomb = program(']'.repeat(100_000), 'a'.repeat(99_999));
    expect(() => replaceTensors(load(bomb), 'test', (ref) => ref)).toThrow('nested more than 1000 deep');
  });
});

describe('what Python 2 wrote', () => {
  const dtype = (code: string, order: string) =>
    bytes(
      global('numpy', 'dtype'),
      '(',
      text(code),
      integer(0),
      integer(1),
      'tR(',
      integer(3),
      text(order),
      'NNN',
      integer(-1),
      integer(-1),
      integer(0),
      'tb',
    );
  const string = (content: Uint8Array) => bytes(op.SHORT_BINSTRING, content.length, content);
  const double = new Uint8Array(Float64Array.of(91.78).buffer);

  it('strings are text where they are UTF-8, else bytes', () => {
    expect(load(program('(', string(Buffer.from('ünï')), string(Uint8Array.of(0xff, 0)), 't'))).toEqual([
      'ünï',
      Uint8Array.of(255, 0),
    ]);
  });

  it('NumPy’s scalars and arrays have their bytes in strings', () => {
    const scalar = (content: Uint8Array, order: string) =>
      load(program(global('numpy.core.multiarray', 'scalar'), dtype('f8', order), string(content), op.TUPLE2, 'R'));
    expect(scalar(double, '<')).toBe(91.78);
    expect(scalar(Uint8Array.from(double).reverse(), '>')).toBe(91.78);
    // UTF-8 by chance.
    expect(scalar(new Uint8Array(8), '<')).toBe(0);
    const array = program(
      global('numpy.core.multiarray', '_reconstruct'),
      '(',
      global('numpy', 'ndarray'),
      integer(0),
      op.TUPLE1,
      string(Buffer.from('b')),
      'tR(',
      integer(1),
      integer(1),
      op.TUPLE1,
      dtype('f8', '<'),
      op.NEWFALSE,
      string(double),
      'tb',
    );
    expect(load(array)).toMatchObject({ dtype: 'float64', size: [1], stride: [1], storage: { inline: double } });
  });

  it('NumPy’s other dtypes are refused by name', () => {
    for (const code of ['O', 'O8', 'S3', 'U3', 'M8', 'V16', 'f16'])
      expect(failure(program(dtype(code, '|')))).toContain(`NumPy’s dtype "${code}" can’t be read`);
    expect(
      failure(program(global('numpy.core.multiarray', 'scalar'), dtype('i4', '<'), string(double), op.TUPLE2, 'R')),
    ).toContain('can’t have 8 bytes');
  });
});

describe('tensors', () => {
  const storage = new StorageRef('0', 'float32', 'cpu', 6);

  it('are described with their window', () => {
    const ref = new TensorRef(storage, 'float32', 1, [2, 2], [3, 1], { ...plainTraits, requiresGrad: true });
    expect(again([ref, ref])).toEqual([ref, ref]);
    const [a, b] = again([ref, ref]) as TensorRef[];
    expect(a).toBe(b);
  });

  it('share storages', () => {
    const refs = [0, 3].map((offset) => new TensorRef(storage, 'float32', offset, [3], [1], plainTraits));
    const [a, b] = again(refs) as TensorRef[];
    expect(a?.storage).toBe(b?.storage);
  });

  it('of newer dtypes have untyped storages', () => {
    const ref = new TensorRef(new StorageRef('7', 'untyped', 'cpu', 8), 'uint16', 0, [4], [1], plainTraits);
    expect(again(ref)).toEqual(ref);
  });

  it('are exchanged everywhere, once each', () => {
    const ref = new TensorRef(storage, 'float32', 0, [6], [1], plainTraits);
    const list: unknown[] = [ref];
    const tuple = Object.freeze([ref, list]);
    list.push(tuple, new Map([['k', ref]]), new Set([ref]));
    let count = 0;
    const replaced = replaceTensors(tuple, 'test', () => `tensor ${++count}`) as unknown[];
    expect(count).toBe(1);
    expect(replaced[0]).toBe('tensor 1');
    const inner = replaced[1] as unknown[];
    expect(inner[1]).toBe(replaced);
    expect(inner).toEqual(['tensor 1', replaced, new Map([['k', 'tensor 1']]), new Set(['tensor 1'])]);
  });

  const tensorProgram = (
    changes: {
      storage?: Uint8Array;
      offset?: Uint8Array;
      size?: Uint8Array;
      stride?: Uint8Array;
      grad?: string;
      hooks?: Uint8Array;
      key?: Uint8Array;
      numel?: Uint8Array;
    } = {},
  ) => {
    const ints = (...values: number[]) => bytes('(', ...values.map(integer), 't');
    const id =
      changes.storage ??
      bytes(
        '(',
        text('storage'),
        global('torch', 'FloatStorage'),
        changes.key ?? text('0'),
        text('cpu'),
        changes.numel ?? integer(6),
        'tQ',
      );
    const hooks = changes.hooks ?? bytes(global('collections', 'OrderedDict'), ')R');
    return program(
      global('torch._utils', '_rebuild_tensor_v2'),
      '(',
      id,
      changes.offset ?? integer(0),
      changes.size ?? ints(2, 3),
      changes.stride ?? ints(3, 1),
      changes.grad ?? bytes(op.NEWFALSE),
      hooks,
      'tR',
    );
  };
  const ints = (...values: number[]) => bytes('(', ...values.map(integer), 't');

  it('that leave their storage are refused', () => {
    expect(load(tensorProgram())).toBeInstanceOf(TensorRef);
    const huge = bytes(op.LONG1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    const million = integer(1_000_000);
    const cases: [Parameters<typeof tensorProgram>[0], string][] = [
      [{ offset: integer(1) }, 'reaches beyond the 24 bytes of storage "0"'],
      [{ stride: ints(4, 1) }, 'reaches beyond'],
      [{ size: ints(3, 3) }, 'reaches beyond'],
      [{ offset: integer(-1) }, 'expected an offset of 0 or more'],
      [{ offset: huge }, 'expected an offset of 0 or more'],
      [{ size: ints(-2, -3) }, 'expected a size and a stride'],
      [{ stride: ints(-3, 1) }, 'expected a size and a stride'],
      [{ size: ints(2) }, 'expected a size and a stride of equally many'],
      [{ size: bytes('(', text('2'), text('3'), 't') }, 'expected a size and a stride'],
      [{ size: bytes('(', million, million, million, 't'), stride: ints(0, 0, 0) }, 'is too large'],
      [
        {
          size: bytes('(', ...Array(70_000).fill(integer(1)), 't'),
          stride: bytes('(', ...Array(70_000).fill(integer(1)), 't'),
        },
        'at most 65536 are possible',
      ],
      [{ storage: integer(1) }, 'expected a storage'],
      [{ numel: integer(-1) }, 'number of elements'],
      [{ numel: bytes(op.LONG1, 7, 255, 255, 255, 255, 255, 255, 31) }, 'too large'],
      [{ key: integer(0) }, 'key and location'],
      [{ grad: 'N' }, 'expected a boolean for requires_grad'],
      [{ hooks: bytes(']', text('hook'), 'a') }, 'expected no backward hooks'],
    ];
    for (const [changes, message] of cases) expect(failure(tensorProgram(changes))).toContain(message);
  });

  it('on one storage of two sizes or dtypes are refused', () => {
    const id = (type: string, numel: number) =>
      bytes('(', text('storage'), global('torch', type), text('0'), text('cpu'), integer(numel), 'tQ');
    expect(failure(program('(', id('FloatStorage', 6), id('IntStorage', 6), 't'))).toContain(
      'appears with two dtypes or sizes',
    );
    expect(failure(program('(', id('FloatStorage', 6), id('FloatStorage', 7), 't'))).toContain(
      'appears with two dtypes or sizes',
    );
  });
});
