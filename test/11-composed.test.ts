// What Python defines above the dispatcher (torch/functional.py, torch/_tensor.py): for every function what it does there,
// what it does here, and calls that give the same. Python itself says whether a function is missing from the table.

import { describe, expect, it } from 'vitest';
import { Tensor, torch } from '../lib/tensor/index.js';
import { camelCase } from '../lib/tensor/names.js';
import { encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

torch.manualSeed(5);
const t = {
  a: torch.randn([6, 4], { dtype: 'float64' }),
  b: torch.randn([4, 3], { dtype: 'float64' }),
  square: torch.randn([4, 4], { dtype: 'float64' }),
  ints: torch.tensor([3, 1, 3, 3, 2, 1, 1]),
  table: torch.tensor([
    [1, 2],
    [0, 5],
    [1, 2],
  ]),
  v: torch.randn([3], { dtype: 'float64' }),
  w: torch.randn([2], { dtype: 'float64' }),
  signal: torch.randn([64], { dtype: 'float64' }),
  signals: torch.randn([2, 64], { dtype: 'float64' }),
  hann: torch.hannWindow(16, { dtype: 'float64' }),
  rows: torch.randn([30, 5]),
  more: torch.randn([40, 5]),
  cube: torch.randn([2, 3, 4], { dtype: 'float64' }),
  zero: torch.tensor(1.5),
};
const { a, b, square, ints, table, v, w, signal, signals, hann, rows, more, cube, zero } = t;

const seeded = (call: () => unknown) => () => {
  torch.manualSeed(3);
  return call();
};

interface Row {
  /** Where Python defines it: a function of torch, or a method of Tensor. */
  name: string;
  /** What Python's front does that the operator of the same name doesn't. */
  python: string;
  /** What ours does, where it isn't the same. */
  ours?: string;
  /** Calls that give the same, as ours and as Python's. */
  calls: [() => unknown, string][];
}

// biome-ignore format: one call a line reads as a table
const composed: Row[] = [
  { name: 'torch.atleast_1d', python: 'any number of tensors', calls: [
    [() => torch.atleast1d(zero), 'atleast_1d(zero)'],
    [() => torch.atleast1d(zero, v), 'atleast_1d(zero, v)'],
    [() => torch.atleast1d([zero, v]), 'atleast_1d([zero, v])'],
  ] },
  { name: 'torch.atleast_2d', python: 'any number of tensors', calls: [
    [() => torch.atleast2d(zero), 'atleast_2d(zero)'],
    [() => torch.atleast2d(zero, v), 'atleast_2d(zero, v)'],
  ] },
  { name: 'torch.atleast_3d', python: 'any number of tensors', calls: [
    [() => torch.atleast3d(v), 'atleast_3d(v)'],
    [() => torch.atleast3d(zero, v, a), 'atleast_3d(zero, v, a)'],
  ] },
  { name: 'torch.broadcast_shapes', python: 'has no operator', calls: [
    [() => torch.broadcastShapes([2, 1], [1, 3], [3]), 'list(broadcast_shapes((2, 1), (1, 3), (3,)))'],
    [() => torch.broadcastShapes(4, [2, 1]), 'list(broadcast_shapes(4, (2, 1)))'],
    [() => torch.broadcastShapes(), 'list(broadcast_shapes())'],
    [() => torch.broadcastShapes([0], [1]), 'list(broadcast_shapes((0,), (1,)))'],
    [() => torch.broadcastShapes([2], [3]), 'broadcast_shapes((2,), (3,))'],
  ] },
  { name: 'torch.broadcast_tensors', python: 'any number of tensors', ours: 'an array of them too', calls: [
    [() => torch.broadcastTensors(v, a.narrow(1, 0, 1)), 'broadcast_tensors(v, a[:, :1])'],
    [() => torch.broadcastTensors(v, w), 'broadcast_tensors(v, w)'],
  ] },
  { name: 'torch.cartesian_prod', python: 'any number of tensors', ours: 'an array of them too', calls: [
    [() => torch.cartesianProd(v, w), 'cartesian_prod(v, w)'],
    [() => torch.cartesianProd(v), 'cartesian_prod(v)'],
  ] },
  { name: 'torch.block_diag', python: 'any number of tensors', ours: 'an array of them too', calls: [
    [() => torch.blockDiag(a, v, zero), 'block_diag(a, v, zero)'],
  ] },
  { name: 'torch.cdist', python: 'names the modes', ours: "LibTorch's numbers too", calls: [
    [() => torch.cdist(rows, more), 'cdist(rows, more)'],
    [() => torch.cdist(rows, more, { computeMode: 'donot_use_mm_for_euclid_dist' }), 'cdist(rows, more, compute_mode="donot_use_mm_for_euclid_dist")'],
    [() => torch.cdist(rows, more, 1, 'use_mm_for_euclid_dist'), 'cdist(rows, more, 1.0, "use_mm_for_euclid_dist")'],
    [() => torch.cdist(rows, more, 2, 'fast' as never), 'cdist(rows, more, 2.0, "fast")'],
  ] },
  { name: 'torch.chain_matmul', python: 'any number of tensors', ours: 'an array of them too', calls: [
    [() => torch.chainMatmul(a, b, b.t()), 'chain_matmul(a, b, b.t())'],
  ] },
  { name: 'torch.einsum', python: 'tensors one by one, and subscripts as lists', calls: [
    [() => torch.einsum('ij,jk->ik', a, b), 'einsum("ij,jk->ik", a, b)'],
    [() => torch.einsum('ij,jk->ik', [a, b]), 'einsum("ij,jk->ik", [a, b])'],
    [() => torch.einsum('ii', square), 'einsum("ii", square)'],
    [() => torch.einsum('...i,ij->...j', cube, square), 'einsum("...i,ij->...j", cube, square)'],
    [() => torch.einsum(a, [0, 1], b, [1, 27], [27, 0]), 'einsum(a, [0, 1], b, [1, 27], [27, 0])'],
    [() => torch.einsum(cube, ['...', 3], square, [3, 4], ['...', 4]), 'einsum(cube, [..., 3], square, [3, 4], [..., 4])'],
    [() => torch.einsum(square, [0, 0]), 'einsum(square, [0, 0])'],
    [() => torch.einsum(square, [0, 52]), 'einsum(square, [0, 52])'],
    [() => (torch.einsum as (...args: unknown[]) => Tensor)('ii'), 'einsum("ii")'],
  ] },
  { name: 'torch.istft', python: 'nothing more', calls: [
    [() => torch.istft(torch.stft(signal, 16, { window: hann, returnComplex: true }), 16, { window: hann }), 'istft(stft(signal, 16, window=hann, return_complex=True), 16, window=hann)'],
  ] },
  { name: 'torch.lu', python: 'a tuple without or with infos', calls: [
    [() => torch.lu(square), 'lu(square)'],
    [() => torch.lu(square, { getInfos: true }), 'lu(square, get_infos=True)'],
    [() => torch.lu(torch.zeros([2, 2])), 'lu(torch.zeros(2, 2))'],
  ] },
  { name: 'torch.norm', python: 'p="fro", names of norms, dim and dtype', calls: [
    [() => torch.norm(a), 'norm(a)'],
    [() => torch.norm(a, 1), 'norm(a, 1)'],
    [() => torch.norm(a, 'nuc'), 'norm(a, "nuc")'],
    [() => torch.norm(a, 'fro', 1), 'norm(a, "fro", 1)'],
    [() => torch.norm(cube, 'nuc', [0, 2], true), 'norm(cube, "nuc", (0, 2), True)'],
    [() => torch.norm(cube, 'fro', [0, 1, 2]), 'norm(cube, "fro", (0, 1, 2))'],
    [() => torch.norm(rows, { dim: 1, keepdim: true, dtype: 'float64' }), 'norm(rows, dim=1, keepdim=True, dtype=torch.float64)'],
    [() => torch.norm(a, Number.POSITIVE_INFINITY, [0]), 'norm(a, float("inf"), [0])'],
    [() => torch.norm(a, null, 0), 'norm(a, None, 0)'],
    [() => torch.norm(a, 0.5), 'norm(a, 0.5)'],
    [() => torch.norm(a, 'max' as never), 'norm(a, "max")'],
    [() => torch.norm(a.toSparse()), 'norm(a.to_sparse())'],
  ] },
  { name: 'torch.meshgrid', python: 'any number of tensors; indexing="ij" (with a warning)', ours: 'the same without the warning', calls: [
    [() => torch.meshgrid(v, w), 'meshgrid(v, w)'],
    [() => torch.meshgrid([v, w]), 'meshgrid([v, w])'],
    [() => torch.meshgrid(v, w, { indexing: 'xy' }), 'meshgrid(v, w, indexing="xy")'],
    [() => torch.meshgrid(v, w, { indexing: 'yx' as never }), 'meshgrid(v, w, indexing="yx")'],
  ] },
  { name: 'torch.pca_lowrank', python: 'has no operator', calls: [
    [seeded(() => torch.pcaLowrank(a)), '(torch.manual_seed(3), pca_lowrank(a))[1]'],
    [seeded(() => torch.pcaLowrank(a, 2, false, 1)), '(torch.manual_seed(3), pca_lowrank(a, 2, False, 1))[1]'],
    [() => torch.pcaLowrank(a, 7), 'pca_lowrank(a, 7)'],
  ] },
  { name: 'torch.split', python: 'sizes and counts under one name', calls: [
    [() => torch.split(a, 4), 'split(a, 4)'],
    [() => torch.split(a, [1, 5]), 'split(a, [1, 5])'],
    [() => torch.split(a, [1, 3], 1), 'split(a, [1, 3], 1)'],
    [() => torch.split(a, { splitSize: 3, dim: 1 }), 'split(a, 3, dim=1)'],
    [() => torch.split(a, [1, 4]), 'split(a, [1, 4])'],
  ] },
  { name: 'torch.stft', python: 'centers the frames, reflecting the signal', calls: [
    [() => torch.stft(signal, 16, { window: hann, returnComplex: true }), 'stft(signal, 16, window=hann, return_complex=True)'],
    [() => torch.stft(signals, 16, 4, 12, { returnComplex: true }), 'stft(signals, 16, 4, 12, return_complex=True)'],
    [() => torch.stft(signal, 16, { center: false, returnComplex: true }), 'stft(signal, 16, center=False, return_complex=True)'],
    [() => torch.stft(signal, 16, 4, 16, hann, true, 'constant', true, false, true), 'stft(signal, 16, 4, 16, hann, True, "constant", True, False, True)'],
    [() => torch.stft(signal, 16, { alignToWindow: true, returnComplex: true }), 'stft(signal, 16, align_to_window=True, return_complex=True)'],
  ] },
  { name: 'torch.svd_lowrank', python: 'has no operator', calls: [
    [seeded(() => torch.svdLowrank(a, 3)), '(torch.manual_seed(3), svd_lowrank(a, 3))[1]'],
    [seeded(() => torch.svdLowrank(a.t(), { q: 3, niter: 1, M: a.t().mul(0.5) })), '(torch.manual_seed(3), svd_lowrank(a.t(), 3, 1, a.t() * 0.5))[1]'],
  ] },
  { name: 'torch.tensordot', python: 'a number of dimensions, two lists, or a tensor of them', calls: [
    [() => torch.tensordot(a, b, 1), 'tensordot(a, b, 1)'],
    [() => torch.tensordot(square, square), 'tensordot(square, square)'],
    [() => torch.tensordot(a, b, { dims: [[1], [0]] }), 'tensordot(a, b, dims=([1], [0]))'],
    [() => torch.tensordot(a, b, torch.tensor([[1], [0]])), 'tensordot(a, b, torch.tensor([[1], [0]]))'],
    [() => torch.tensordot(v, w, 0), 'tensordot(v, w, 0)'],
    [() => torch.tensordot(v, w, 2), 'tensordot(v, w, 2)'],
    [() => torch.tensordot(v, w, -1), 'tensordot(v, w, -1)'],
  ] },
  { name: 'torch.unique', python: 'one result, more where they are asked for', calls: [
    [() => torch.unique(ints), 'unique(ints)'],
    [() => torch.unique(ints, { returnInverse: true }), 'unique(ints, return_inverse=True)'],
    [() => torch.unique(ints, { returnCounts: true }), 'unique(ints, return_counts=True)'],
    [() => torch.unique(ints, { returnInverse: true, returnCounts: true }), 'unique(ints, return_inverse=True, return_counts=True)'],
    [() => torch.unique(table, { dim: 0, returnCounts: true }), 'unique(table, dim=0, return_counts=True)'],
    [() => torch.unique(table, true, true, false, 1), 'unique(table, True, True, False, 1)'],
  ] },
  { name: 'torch.unique_consecutive', python: 'one result, more where they are asked for', ours: 'by position too, where Python looks for the inverse at a wrong place', calls: [
    [() => torch.uniqueConsecutive(ints), 'unique_consecutive(ints)'],
    [() => torch.uniqueConsecutive(ints, { returnInverse: true, returnCounts: true }), 'unique_consecutive(ints, return_inverse=True, return_counts=True)'],
    [() => torch.uniqueConsecutive(table, { dim: 0 }), 'unique_consecutive(table, dim=0)'],
  ] },
  { name: 'torch.unravel_index', python: 'has no operator', calls: [
    [() => torch.unravelIndex(ints, [2, 3]), 'unravel_index(ints, (2, 3))'],
    [() => torch.unravelIndex(ints, 5), 'unravel_index(ints, 5)'],
    [() => torch.unravelIndex(a, 5), 'unravel_index(a, 5)'],
  ] },
  { name: 'torch.nonzero', python: 'as_tuple', calls: [
    [() => torch.nonzero(table), 'torch.nonzero(table)'],
    [() => torch.nonzero(table, { asTuple: true }), 'torch.nonzero(table, as_tuple=True)'],
  ] },

  { name: 'Tensor.where', python: 'x stands where the condition is true; the operator has the condition first', calls: [
    [() => a.where(a.gt(0), zero), 'a.where(a > 0, zero)'],
    [() => a.where({ condition: a.gt(0), other: -1 }), 'a.where(a > 0, -1)'],
  ] },
  { name: 'Tensor.polygamma', python: 'on x; the operator has n first', calls: [[() => v.abs().polygamma(1), 'v.abs().polygamma(1)']] },
  { name: 'Tensor.norm', python: 'as torch.norm', calls: [
    [() => a.norm(), 'a.norm()'],
    [() => a.norm(2, [1]), 'a.norm(2, [1])'],
    [() => a.norm({ p: 3, dim: 0 }), 'a.norm(p=3, dim=0)'],
  ] },
  { name: 'Tensor.lu', python: 'as torch.lu', calls: [[() => square.lu(), 'square.lu()'], [() => square.lu({ pivot: true, getInfos: true }), 'square.lu(True, True)']] },
  { name: 'Tensor.stft', python: 'as torch.stft', calls: [[() => signal.stft(16, { returnComplex: true }), 'signal.stft(16, return_complex=True)']] },
  { name: 'Tensor.istft', python: 'nothing more', calls: [
    [() => signal.stft(16, { window: hann, returnComplex: true }).istft(16, { window: hann, length: 50 }), 'signal.stft(16, window=hann, return_complex=True).istft(16, window=hann, length=50)'],
  ] },
  { name: 'Tensor.split', python: 'as torch.split, and a tensor of one size', calls: [
    [() => a.split(5), 'a.split(5)'],
    [() => a.split([2, 2], 1), 'a.split([2, 2], 1)'],
    [() => a.split(torch.tensor(4), { dim: 0 }), 'a.split(torch.tensor(4), dim=0)'],
    [() => (a.split as (...args: unknown[]) => unknown)(2, 0, 1), 'a.split(2, 0, 1)'],
    [() => (a.split as (...args: unknown[]) => unknown)(2, { dims: 1 }), 'a.split(2, dims=1)'],
  ] },
  { name: 'Tensor.unique', python: 'as torch.unique', calls: [[() => ints.unique(), 'ints.unique()'], [() => ints.unique({ returnCounts: true }), 'ints.unique(return_counts=True)']] },
  { name: 'Tensor.unique_consecutive', python: 'as torch.unique_consecutive', calls: [[() => ints.uniqueConsecutive({ returnCounts: true }), 'ints.unique_consecutive(return_counts=True)']] },
  { name: 'Tensor.unflatten', python: 'refuses no sizes', calls: [
    [() => a.unflatten(0, [2, 3]), 'a.unflatten(0, (2, 3))'],
    [() => a.unflatten(0, []), 'a.unflatten(0, ())'],
  ] },
  { name: 'Tensor.to_sparse_coo', python: 'to_sparse()', calls: [[() => a.toSparseCoo().toDense(), 'a.to_sparse_coo().to_dense()']] },
  { name: 'Tensor.__rsub__', python: 'other - self', calls: [[() => a.__rsub__(2), '2 - a'], [() => torch.sub(2, a), '2 - a']] },
  { name: 'Tensor.__rdiv__', python: 'reciprocal() * other', calls: [[() => a.__rdiv__(3), '3 / a']] },
  { name: 'Tensor.__rtruediv__', python: 'reciprocal() * other', calls: [[() => rows.__rtruediv__(3), '3 / rows']] },
  { name: 'Tensor.__pow__', python: 'pow', calls: [[() => a.__pow__(2), 'a ** 2']] },
  { name: 'Tensor.__rpow__', python: 'torch.pow(other, self)', calls: [[() => a.__rpow__(2), '2 ** a'], [() => torch.pow(2, a), '2 ** a']] },
  { name: 'Tensor.__rmod__', python: 'torch.remainder(other, self)', calls: [[() => ints.__rmod__(7), '7 % ints']] },
  { name: 'Tensor.__floordiv__', python: 'torch.floor_divide', calls: [[() => ints.__floordiv__(2), 'ints // 2']] },
  { name: 'Tensor.__rfloordiv__', python: 'torch.floor_divide(other, self)', calls: [[() => ints.__rfloordiv__(7), '7 // ints'], [() => rows.__rfloordiv__(7), '7 // rows']] },
  { name: 'Tensor.__rlshift__', python: 'bitwise_left_shift(other, self)', calls: [[() => ints.__rlshift__(1), '1 << ints']] },
  { name: 'Tensor.__rrshift__', python: 'bitwise_right_shift(other, self)', calls: [[() => ints.__rrshift__(64), '64 >> ints']] },
  { name: 'Tensor.__rmatmul__', python: 'matmul(other, self)', calls: [[() => b.__rmatmul__(a), 'b.__rmatmul__(a)']] },
  { name: 'Tensor.__contains__', python: 'whether an element equals', calls: [[() => ints.__contains__(2), '2 in ints'], [() => ints.__contains__(9), '9 in ints']] },
  { name: 'Tensor.__reversed__', python: 'flip(0)', calls: [[() => a.__reversed__(), 'reversed(a)'], [() => zero.__reversed__(), 'reversed(zero)']] },
  { name: 'Tensor.__len__', python: 'the first size', ours: 'length', calls: [[() => a.length, 'len(a)'], [() => zero.length, 'len(zero)']] },
  { name: 'Tensor.__iter__', python: 'unbind(0)', ours: 'for (const row of x); without dimensions a TypeError of JavaScript', calls: [[() => [...b], 'list(b)']] },
];

/** Defined in Python, and here on purpose not a function of the same name. */
const elsewhere: Record<string, string> = {
  backward: "Tensor's own",
  storage: "Tensor's own: one untyped storage",
  storage_type: 'deprecated in PyTorch: storages have no type',
  index: 'first-class dimensions of functorch; the operator `index` stays, `at` is for people',
  register_hook: "Tensor's own",
  register_post_accumulate_grad_hook: 'registerHook has the gradient before it is added up',
  reinforce: 'raises in PyTorch',
  is_shared: 'processes share no tensors',
  share_memory_: 'processes share no tensors',
  module_load: 'a detail of Module.load_state_dict',
  solve: 'raises in PyTorch',
  lstsq: 'raises in PyTorch',
  eig: 'raises in PyTorch',
  symeig: 'raises in PyTorch',
  resize: 'deprecated in PyTorch',
  resize_as: 'deprecated in PyTorch',
  dim_order: 'experimental in PyTorch',
  __deepcopy__: 'clone(), saveTorch and loadTorch',
  __reduce_ex__: 'pickling: saveTorch',
  __setstate__: 'pickling: loadTorch',
  __repr__: 'String(x)',
  __format__: 'String(x)',
  __hash__: 'objects are keys of a Map as they are',
  __dir__: 'reflection of Python',
  __array__: 'toArray()',
  __array_wrap__: 'NumPy',
  __torch_function__: 'overriding by subclass',
  __dlpack__: 'no other library shares its memory with JavaScript',
  __dlpack_device__: 'no other library shares its memory with JavaScript',
};

/** Tensors as JSON in any structure of results. */
const json = (value: unknown): unknown =>
  value instanceof Tensor
    ? encode(value.layout === 'strided' ? value.contiguous() : value)
    : Array.isArray(value)
      ? value.map(json)
      : value;

const { it: withPython } = needs(python, 'a Python that has torch');
describe('what Python defines above the dispatcher', () => {
  withPython(`gives the same for each of ${composed.length} functions, and none is missing`, () => {
    const calls = composed.flatMap(({ name, calls }) => calls.map(([ours, theirs]) => ({ name, ours, theirs })));
    const { results, defined } = runPython(
      `
import warnings; warnings.simplefilter('ignore')
names = {**vars(torch.functional), **{k: T(v) for k, v in input['tensors'].items()}, 'torch': torch, 'len': len, 'list': list, 'reversed': reversed, 'float': float}
results = []
for call in input['calls']:
    try: results.append({'value': eval(call, names)})
    except Exception as e: results.append({'error': type(e).__name__})
methods = [k for k, v in vars(torch.Tensor).items() if callable(getattr(v, '__func__', v)) and '_tensor.py' in getattr(getattr(getattr(v, '__func__', v), '__wrapped__', getattr(v, '__func__', v)), '__code__', type('', (), {'co_filename': ''})).co_filename]
emit({'results': results, 'defined': {'torch': torch.functional.__all__, 'Tensor': methods}})`,
      {
        tensors: Object.fromEntries(Object.entries(t).map(([key, tensor]) => [key, encode(tensor)])),
        calls: calls.map(({ theirs }) => theirs),
      },
    );
    for (const [i, { ours, theirs }] of calls.entries()) {
      let got: unknown;
      try {
        got = { value: json(ours()) };
      } catch (error) {
        expect((error as { code?: string }).code ?? error, theirs).toMatch(/^ERR_/);
        got = { error: results[i].error };
        expect(results[i].error, `${theirs} throws here: ${error}`).toBeTypeOf('string');
      }
      expect(got, theirs).toEqual(results[i]);
    }
    const have = new Set(composed.map(({ name }) => name));
    const missing = (where: string, names: string[]) =>
      names.filter((name) => !have.has(`${where}.${name}`) && !(name in elsewhere) && !/^_[^_]/.test(name));
    expect(missing('torch', defined.torch)).toEqual([]);
    expect(missing('Tensor', defined.Tensor)).toEqual([]);
    expect(defined.torch.length).toBeGreaterThan(15);
    expect(defined.Tensor.length).toBeGreaterThan(35);
  });

  it('stands where Python has it', () => {
    for (const { name } of composed) {
      const [where, plain] = name.split('.') as ['torch' | 'Tensor', string];
      const key = plain === '__len__' ? 'length' : plain === '__iter__' ? Symbol.iterator : camelCase(plain);
      expect(key in (where === 'torch' ? torch : Tensor.prototype), name).toBe(true);
    }
  });
});
