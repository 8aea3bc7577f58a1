// Misuse: two hundred and more wrong calls, each a JavaScript error with a code and a message that names what was
// expected. The process lives, and works as before.

import { afterAll, describe, expect, it } from 'vitest';
import { IsotorchError } from '../lib/errors.js';
import { native } from '../lib/native.js';
import { Buffer as ModuleBuffer, Parameter, tidy, torch } from '../lib/tensor/index.js';

// What TypeScript would refuse, JavaScript may pass.
// biome-ignore lint/suspicious/noExplicitAny: this file is about values of any type
type Any = any;
const js = torch as Any;

const x = torch.ones([2, 3]);
const gone = torch.ones([2, 3]);
gone.dispose();
const foreign = [
  {},
  [],
  () => 1,
  Symbol('s'),
  'text',
  5,
  null,
  new Map(),
  new Date(),
  new Uint8Array(2),
  { handle: 2 ** 40 },
];
const call =
  (name: string, ...args: unknown[]) =>
  () =>
    (torch as Any)[name](...args);

const wrong: [what: string, call: () => unknown, code?: string][] = [
  // Foreign objects where a tensor belongs.
  ...foreign.flatMap((value, i): [string, () => unknown][] => [
    [`matmul with foreign object ${i}`, () => x.matmul(value as Any)],
    [`cat with foreign object ${i}`, () => torch.cat([x, value as Any])],
    [`a method on foreign object ${i}`, () => (torch.Tensor.prototype as Any).matmul.call(value, x)],
    [
      `shape of foreign object ${i}`,
      () => Object.getOwnPropertyDescriptor(torch.Tensor.prototype, 'shape')!.get!.call(value ?? {}),
    ],
    [`Parameter of foreign object ${i}`, () => new Parameter(value as Any)],
    [`replace_ by foreign object ${i}`, () => torch.ones([1]).replace_(value as Any)],
  ]),
  // Invented handles.
  ...[
    0,
    -1,
    1,
    1.5,
    2 ** 26 + 1e6,
    2 ** 26 + 0.5,
    2 ** 52,
    2 ** 53,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    -0,
    1e300,
  ].map((handle): [string, () => unknown, string] => [
    `a tensor with invented handle ${handle}`,
    () => new (torch.Tensor as Any)(handle).item(),
    'ERR_TENSOR_DISPOSED',
  ]),
  ...['12', null, undefined, {}, [], 12n, true].map((handle): [string, () => unknown, string] => [
    `a handle that is ${typeof handle}`,
    () => new (torch.Tensor as Any)(handle).item(),
    'ERR_ARGUMENT',
  ]),
  // Disposed tensors, everywhere.
  ...(
    [
      'item',
      'tolist',
      'toArraySync',
      'sum',
      'neg',
      'backward',
      'keep',
      'storage',
      'stride',
      'numel',
      'isContiguous',
      'storageOffset',
      'clone',
      'detach',
      'zero_',
      'contiguous',
    ] as const
  ).map((name): [string, () => unknown, string] => [
    `${name} of a disposed tensor`,
    () => (gone as Any)[name](),
    'ERR_TENSOR_DISPOSED',
  ]),
  ['shape of a disposed tensor', () => gone.shape, 'ERR_TENSOR_DISPOSED'],
  ['dtype of a disposed tensor', () => gone.dtype, 'ERR_TENSOR_DISPOSED'],
  ['grad of a disposed tensor', () => gone.grad, 'ERR_TENSOR_DISPOSED'],
  ['a disposed tensor as an argument', () => x.add(gone), 'ERR_TENSOR_DISPOSED'],
  ['a disposed tensor in a list', () => torch.cat([x, gone]), 'ERR_TENSOR_DISPOSED'],
  ['a disposed tensor as gradient', () => x.sum().backward(gone), 'ERR_TENSOR_DISPOSED'],
  ['grad of a disposed tensor', () => torch.autograd.grad(x.sum(), [gone]), 'ERR_TENSOR_DISPOSED'],
  // Sizes and shapes.
  ['negative sizes', () => torch.zeros([-1]), 'ERR_SHAPE'],
  ['sizes that are no integers', () => torch.zeros([1.5])],
  ['sizes that are strings', () => torch.zeros(['2'] as Any)],
  ['sizes that are NaN', () => torch.zeros([Number.NaN])],
  ['sizes beyond int64', () => torch.zeros([2n ** 70n])],
  ['sizes whose product overflows', () => torch.zeros([2 ** 40, 2 ** 40])],
  ['more memory than there is', () => torch.zeros([2 ** 50]), 'ERR_OUT_OF_MEMORY'],
  ['sizes without an array that are no integers', () => js.zeros(2, 3.5)],
  ['sizes without an array after an array', () => js.zeros([2], 3)],
  ['no sizes', call('zeros')],
  ['a view of another size', () => x.view([4]), 'ERR_SHAPE'],
  ['a view with two unknowns', () => x.view([-1, -1])],
  ['products of unfit shapes', () => x.matmul(x), 'ERR_SHAPE'],
  ['sums of unfit shapes', () => x.add(torch.ones([4])), 'ERR_SHAPE'],
  ['cat of unfit shapes', () => torch.cat([x, torch.ones([2, 4])]), 'ERR_SHAPE'],
  ['cat of nothing', () => torch.cat([])],
  ['stack of unfit shapes', () => torch.stack([x, torch.ones([2, 4])]), 'ERR_SHAPE'],
  ['a convolution of unfit channels', () => torch.conv2d(torch.ones([1, 2, 4, 4]), torch.ones([1, 3, 2, 2]))],
  [
    'a convolution whose kernel is larger than the image',
    () => torch.conv2d(torch.ones([1, 1, 2, 2]), torch.ones([1, 1, 5, 5])),
  ],
  ['a stride of 0', () => torch.conv2d(torch.ones([1, 1, 4, 4]), torch.ones([1, 1, 2, 2]), null, 0)],
  ['negative padding', () => torch.conv2d(torch.ones([1, 1, 4, 4]), torch.ones([1, 1, 2, 2]), null, 1, -1)],
  ['asStrided beyond the storage', () => x.asStrided([100], [1])],
  ['asStrided with a negative offset', () => x.asStrided([1], [1], -5)],
  ['asStrided with a negative stride', () => x.asStrided([2], [-1])],
  ['expand to fewer', () => x.expand([3])],
  ['a ragged array', () => torch.tensor([[1], [1, 2]]), 'ERR_SHAPE'],
  ['an array deeper than its first element', () => torch.tensor([1, [2]] as Any)],
  // Dimensions and indices.
  ['a dimension out of range', () => x.sum(2), 'ERR_INDEX'],
  ['a dimension that is no integer', () => x.sum(0.5 as Any)],
  ['an index out of range', () => x.select(0, 5), 'ERR_INDEX'],
  ['indexSelect out of range', () => x.indexSelect(0, torch.tensor([7])), 'ERR_INDEX'],
  ['gather out of range', () => x.gather(1, torch.tensor([[9]])), 'ERR_INDEX'],
  ['gather with a float index', () => x.gather(1, torch.tensor([[0.5]]))],
  ['an embedding out of range', () => torch.embedding(x, torch.tensor([5])), 'ERR_INDEX'],
  ['stride of a dimension that is not there', () => x.stride(4), 'ERR_INDEX'],
  ['a class label out of range', () => torch.nllLoss(torch.zeros([1, 3]), torch.tensor([3])), 'ERR_INDEX'],
  ['a negative class label', () => torch.crossEntropyLoss(torch.zeros([1, 3]), torch.tensor([-1])), 'ERR_INDEX'],
  ['class labels of a float dtype', () => torch.nllLoss(torch.zeros([1, 3]), torch.tensor([0.5]))],
  ['fewer labels than rows', () => torch.crossEntropyLoss(torch.zeros([2, 3]), torch.tensor([1]))],
  ['topk of more than there is', () => x.topk(9, 1)],
  // Dtypes.
  ['an unknown dtype', () => torch.zeros([1], { dtype: 'float31' as Any })],
  ['to() an unknown dtype', () => x.to({ dtype: 'f32' as Any }), 'ERR_DTYPE'],
  ['a dtype that is a number', () => torch.zeros([1], { dtype: 6 as Any })],
  ['products of mixed dtypes', () => x.matmul(torch.ones([3, 2], { dtype: 'float64' })), 'ERR_DTYPE'],
  ['bitwise operators on floats', () => x.bitwiseAnd(1)],
  ['NaN for an integer', () => torch.randint(Number.NaN, [1])],
  ['a fraction in int64 data', () => torch.tensor([1.5], { dtype: 'int64' }), 'ERR_DTYPE'],
  ['a bigint too large for int64', () => torch.tensor([2n ** 64n]), 'ERR_DTYPE'],
  ['a number for a boolean', () => x.sum(0, 1 as Any)],
  ['gradients of integers', () => torch.tensor([1]).requiresGrad_(true), 'ERR_AUTOGRAD'],
  ['requiresGrad of integers', () => torch.zeros([1], { dtype: 'int64', requiresGrad: true }), 'ERR_AUTOGRAD'],
  ['requiresGrad that is no boolean', () => torch.zeros([1], { requiresGrad: 1 as Any }), 'ERR_ARGUMENT'],
  ['a parameter of integers', () => new Parameter(torch.tensor([1])), 'ERR_AUTOGRAD'],
  // Devices, layouts, formats, generators.
  ['a device that is not there', () => torch.zeros([1], { device: 'cuda:99' as Any })],
  ['a device that no one knows', () => torch.zeros([1], { device: 'gpu' as Any }), 'ERR_DEVICE'],
  ['a device that is a number', () => torch.zeros([1], { device: 0 as Any })],
  ['to() a device that no one knows', () => x.to('tpu9' as Any)],
  ['to() nothing', () => x.to(null as Any)],
  ['to() with an argument too many', () => js.ones(2).to('cpu', 'float64', false, false, 1)],
  ['to() an option that it has not', () => x.to({ dtpye: 'float64' } as Any)],
  ['to() a dtype twice', () => x.to('float64', { dtype: 'float32' } as Any)],
  ['to() a number', () => x.to(5 as Any)],
  ['an unknown layout', () => torch.zeros([1], { layout: 'dense' as Any }), 'ERR_ARGUMENT'],
  ['an unknown memory format', () => x.clone({ memoryFormat: 'nhwc' as Any }), 'ERR_ARGUMENT'],
  ['channels_last of two dimensions', () => x.clone({ memoryFormat: 'channels_last' })],
  ['a generator that is a number', () => torch.randn([1], { generator: 1 as Any })],
  ['a generator on a device that is not there', () => new torch.Generator('cuda:3')],
  ['a seed that is text', () => torch.manualSeed('1' as Any), 'ERR_ARGUMENT'],
  ['a seed that is a fraction', () => torch.manualSeed(1.5), 'ERR_ARGUMENT'],
  ['a generator state that is none', () => new torch.Generator().setState(x as Any), 'ERR_ARGUMENT'],
  ['a generator state of the wrong length', () => new torch.Generator().setState(torch.zeros([3], { dtype: 'uint8' }))],
  ['a random state that is text', () => torch.setRngState('x' as Any), 'ERR_ARGUMENT'],
  // Calls that fit no overload.
  ['add of text', () => x.add('a' as Any), 'ERR_OPERATOR'],
  ['too many arguments', () => (x as Any).neg(1, 2, 3), 'ERR_OPERATOR'],
  ['an unknown option', () => (x as Any).sum(0, { keepDim: true }), 'ERR_OPERATOR'],
  ['an argument twice', () => (x as Any).sum(0, { dim: 1 }), 'ERR_OPERATOR'],
  ['a missing argument', () => (x as Any).matmul(), 'ERR_OPERATOR'],
  ['an operator that is not there', () => torch.ops.aten!.addd!(x), 'ERR_OPERATOR'],
  ['a namespace that is not there', () => torch.ops.nowhere!.op!(x), 'ERR_OPERATOR'],
  ['null for a tensor', () => x.add(null as Any), 'ERR_OPERATOR'],
  ['distances of unfit shapes', () => torch.ops.isomax.distanceLogits(x, torch.ones([2, 4])), 'ERR_SHAPE'],
  // Autograd.
  ['backward of nothing recorded', () => x.sum().backward(), 'ERR_AUTOGRAD'],
  ['backward of several elements', () => torch.ones([2], { requiresGrad: true }).mul(2).backward(), 'ERR_AUTOGRAD'],
  [
    'backward with a gradient of another shape',
    () =>
      torch
        .ones([2], { requiresGrad: true })
        .mul(2)
        .backward(torch.ones([3])),
  ],
  [
    'backward with a gradient that is a number',
    () =>
      torch
        .ones([1], { requiresGrad: true })
        .mul(2)
        .backward(1 as Any),
    'ERR_ARGUMENT',
  ],
  ['grad of no tensor', () => torch.autograd.grad('x' as Any, x), 'ERR_ARGUMENT'],
  ['grad of numbers', () => torch.autograd.grad([1] as Any, [2] as Any), 'ERR_ARGUMENT'],
  ['grad with too few gradients', () => torch.autograd.grad([x, x], [x], { gradOutputs: [x] }), 'ERR_ARGUMENT'],
  ['changing a leaf in place', () => torch.ones([1], { requiresGrad: true }).add_(1), 'ERR_AUTOGRAD'],
  [
    'numbers of a tensor in a graph through requiresGrad',
    () => {
      torch.ones([1], { requiresGrad: true }).mul(2).requiresGrad = false;
    },
    'ERR_AUTOGRAD',
  ],
  [
    'a gradient that is text',
    () => {
      x.grad = 'x' as Any;
    },
    'ERR_ARGUMENT',
  ],
  [
    'a gradient of another shape',
    () => {
      torch.ones([2], { requiresGrad: true }).grad = torch.ones([3]);
    },
    'ERR_SHAPE',
  ],
  ['noGrad of nothing', () => torch.noGrad(undefined as Any), 'ERR_ARGUMENT'],
  ['tidy of nothing', () => tidy(undefined as Any), 'ERR_ARGUMENT'],
  ['tidy of an async function', () => tidy(async () => x), 'ERR_ARGUMENT'],
  ['noGrad of an async function', () => torch.noGrad(async () => x), 'ERR_ARGUMENT'],
  ['inferenceMode of text', () => torch.inferenceMode('x' as Any), 'ERR_ARGUMENT'],
  // Numbers out.
  ['item of several elements', () => x.item(), 'ERR_SHAPE'],
  ['item of none', () => torch.zeros([0]).item(), 'ERR_SHAPE'],
  ['numbers of a meta tensor', () => torch.zeros([2], { device: 'meta' }).toArraySync(), 'ERR_ARGUMENT'],
  ['numbers of a sparse tensor', () => x.toSparse().toArraySync(), 'ERR_ARGUMENT'],
  ['storage of a sparse tensor', () => x.toSparse().storage(), 'ERR_ARGUMENT'],
  ['nested arrays of complex numbers', () => torch.zeros([1], { dtype: 'complex64' }).tolist(), 'ERR_DTYPE'],
  // Numbers in.
  ['a tensor of text', () => torch.tensor('abc' as Any), 'ERR_ARGUMENT'],
  ['a tensor of nothing', () => torch.tensor(undefined as Any), 'ERR_ARGUMENT'],
  ['a tensor of objects', () => torch.tensor([{}] as Any), 'ERR_ARGUMENT'],
  ['a tensor of a DataView', () => torch.tensor(new DataView(new ArrayBuffer(4)) as Any), 'ERR_ARGUMENT'],
  ['half an element', () => torch.fromBuffer(new Uint8Array(3), { dtype: 'float32' }), 'ERR_SHAPE'],
  ['bytes of another shape', () => torch.fromBuffer(new Uint8Array(8), { dtype: 'float32', shape: [3] }), 'ERR_SHAPE'],
  [
    'a negative size for bytes',
    () => torch.fromBuffer(new Uint8Array(8), { dtype: 'float32', shape: [-2] }),
    'ERR_SHAPE',
  ],
  [
    'sizes that overflow for bytes',
    () => torch.fromBuffer(new Uint8Array(8), { dtype: 'float32', shape: [2 ** 40, 2 ** 40] }),
    'ERR_SHAPE',
  ],
  ['bytes of a quantised dtype', () => torch.fromBuffer(new Uint8Array(8), { dtype: 'qint8' }), 'ERR_DTYPE'],
  ['bytes that are an array', () => torch.fromBuffer([1, 2] as Any, { dtype: 'uint8' }), 'ERR_ARGUMENT'],
  [
    'a detached buffer',
    () => {
      const array = new Float32Array(4);
      structuredClone(array, { transfer: [array.buffer] });
      return torch.fromBuffer(array, { dtype: 'float32', shape: [4] });
    },
    'ERR_SHAPE',
  ],
  ['no threads', () => torch.setNumThreads(0), 'ERR_ARGUMENT'],
  ['too many threads', () => torch.setNumThreads(1e9), 'ERR_ARGUMENT'],
  ['synchronising a device that is not there', () => torch.cuda.synchronize(7), 'ERR_DEVICE'],
  ['a device index that is text', () => torch.cuda.setDevice('0' as Any), 'ERR_ARGUMENT'],
  ['a buffer of text', () => new ModuleBuffer('x' as Any), 'ERR_ARGUMENT'],
  // The native floor itself, below every check of TypeScript.
  ['call without an operator', () => (native as Any).call(), 'ERR_OPERATOR'],
  ['call of an operator that was never given out', () => native.call(1e9), 'ERR_OPERATOR'],
  ['call of a negative operator', () => native.call(-1), 'ERR_OPERATOR'],
  ['call of text', () => (native as Any).call('add'), 'ERR_OPERATOR'],
  ['endScope without beginScope', () => native.endScope(new Float64Array()), 'ERR_ARGUMENT'],
  ['endScope with an array', () => (native as Any).endScope([1]), 'ERR_ARGUMENT'],
  ['endInference without beginInference', () => native.endInference(), 'ERR_ARGUMENT'],
  ['backward with arrays', () => (native as Any).backward([1], [1], false, false, []), 'ERR_ARGUMENT'],
  ['overloads of a number', () => (native as Any).overloads(5), 'ERR_ARGUMENT'],
  ['setErrorClass of text', () => (native as Any).setErrorClass('x'), 'ERR_ARGUMENT'],
  ['a generator that was never made', () => native.seedGenerator(999, 1), 'ERR_ARGUMENT'],
];

// Every number of arguments, of every type, to every function of the native floor.
const probes: unknown[] = [
  undefined,
  null,
  -1,
  2 ** 40,
  Number.NaN,
  'x',
  {},
  [],
  new Float64Array([1]),
  new Uint8Array(1),
  () => 1,
  Symbol('s'),
  5n,
];

describe(`${wrong.length} wrong calls`, () => {
  for (const [what, misuse, code] of wrong) {
    it(`${what}: ${code ?? 'an error'}`, () => {
      let result: unknown;
      try {
        result = misuse();
      } catch (error) {
        expect(error).toBeInstanceOf(IsotorchError);
        const { code: actual, message } = error as IsotorchError;
        expect(actual).toMatch(/^ERR_[A-Z_]+$/);
        if (code) expect(`${actual}: ${message}`).toContain(`${code}: `);
        expect(message.length).toBeGreaterThan(15);
        return;
      }
      expect.fail(`no error, but ${String(result)}`);
    });
  }
});

it('the native floor survives any arguments', () => {
  let errors = 0;
  for (const [name, fn] of Object.entries(native)) {
    if (['setErrorClass', 'beginScope', 'beginInference', 'gradMode'].includes(name)) continue; // these change the thread's state
    for (const a of probes) {
      for (const b of probes) {
        for (const args of [[a], [a, b], [a, b, a], [b, b, a, a, b, b]]) {
          try {
            const result: unknown = (fn as (...args: unknown[]) => unknown)(...args);
            if (result instanceof Promise) result.catch(() => {});
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
            errors++;
          }
        }
      }
    }
  }
  expect(errors).toBeGreaterThan(10_000);
});

afterAll(() => {
  // The process lives, and works as before.
  expect(x.sum().item()).toBe(6);
  expect(torch.isGradEnabled()).toBe(true);
});
