// Operators: the right overload, every kind of argument and result, the same bits as Python, and declarations that
// say what the running library does.

import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { native } from '../lib/native.js';
import { operator } from '../lib/tensor/dispatch.js';
import { Tensor, torch } from '../lib/tensor/index.js';
import { camelCase, placeOf } from '../lib/tensor/names.js';
import { type decode, encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const x = torch.tensor(
  [
    [1, -2, 3],
    [4, 5, -6],
  ],
  { dtype: 'float32' },
);

describe('overloads', () => {
  it('are chosen by what the arguments are', () => {
    expect(x.add(x).tolist()).toEqual([
      [2, -4, 6],
      [8, 10, -12],
    ]);
    expect(x.add(1).tolist()).toEqual([
      [2, -1, 4],
      [5, 6, -5],
    ]);
    expect(x.add(x, { alpha: 10 }).tolist()).toEqual([
      [11, -22, 33],
      [44, 55, -66],
    ]);
    expect(x.sum().item()).toBe(5);
    expect(x.sum(1).tolist()).toEqual([2, 3]);
    expect(x.sum([0, 1], { keepdim: true }).shape).toEqual([1, 1]);
    expect(x.max().item()).toBe(5);
    expect(x.max(x.neg()).tolist()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(torch.pow(2, x).select(0, 0).tolist()).toEqual([2, 0.25, 8]);
    expect(torch.arange(3).tolist()).toEqual([0, 1, 2]);
    expect(torch.arange(1, 7, 2).tolist()).toEqual([1, 3, 5]);
    // The same call again takes the remembered choice.
    expect(x.add(1.5).sum().item()).toBe(14);
    expect(x.add(1.5).sum().item()).toBe(14);
  });

  it('named results come as an object, unnamed ones as an array, lists as arrays', () => {
    const { values, indices } = x.topk(1, 1);
    expect([values.tolist(), indices.tolist()]).toEqual([
      [[3], [5]],
      [[2], [1]],
    ]);
    const { Q, R } = torch.linalg.qr(x.t());
    expect(Q.matmul(R).sub(x.t()).abs().max().item()).toBeLessThan(1e-5);
    expect(x.split(1).map((part) => part.shape)).toEqual([
      [1, 3],
      [1, 3],
    ]);
    expect(x.unbind(1)).toHaveLength(3);
  });

  it('in place they give the tensor itself, and out= the one given', () => {
    const y = torch.zeros([2, 3]);
    expect(y.add_(x)).toBe(y);
    expect(y.add_(x)).toBe(y);
    const out = torch.empty([2, 3]);
    expect(torch.mul(x, y, { out })).toBe(out);
    expect(out.select(0, 0).tolist()).toEqual([2, 8, 18]);
    expect(torch._foreachAdd_([y], 1)).toBeUndefined();
    expect(y.select(0, 0).tolist()).toEqual([3, -3, 7]);
  });

  it('take every kind of argument', () => {
    const generator = new torch.Generator().manualSeed(7);
    const again = new torch.Generator().manualSeed(7n);
    expect(torch.randn([3], { generator }).tolist()).toEqual(torch.randn([3], { generator: again }).tolist());
    expect(torch.zeros([2], { dtype: 'int16', layout: 'strided', device: 'cpu', pinMemory: false }).dtype).toBe(
      'int16',
    );
    expect(x.clone({ memoryFormat: 'contiguous_format' }).tolist()).toEqual(x.tolist());
    expect(torch.conv2d(x.view([1, 1, 2, 3]), torch.ones([1, 1, 2, 2]), null, 1, 'same').shape).toEqual([1, 1, 2, 3]);
    expect(torch.conv2d(x.view([1, 1, 2, 3]), torch.ones([1, 1, 1, 1]), { padding: [1, 2] }).shape).toEqual([
      1, 1, 4, 7,
    ]);
    expect(x.index([null, torch.tensor([0, 2])]).tolist()).toEqual([
      [1, 3],
      [4, -6],
    ]);
    expect(x.clamp(null, 2).max().item()).toBe(2);
    expect(torch.fullLike(x, true).dtype).toBe('float32');
    expect(torch.full([1], { re: 1, im: 2 }).item()).toEqual({ re: 1, im: 2 });
    expect(
      torch
        .tensor([1n << 62n])
        .bitwiseAnd(1n << 62n)
        .item(),
    ).toBe(1n << 62n);
    expect(x.div(2, { roundingMode: 'floor' }).select(0, 0).tolist()).toEqual([0, -1, 1]);
    expect(torch.promoteTypes('float16', 'int64')).toBe('float16');
    expect(torch.canCast('float32', 'int32')).toBe(false);
    expect(torch.zeros([2], { requiresGrad: true }).requiresGrad).toBe(true);
    expect(torch.resultType(x, 1n)).toBe('float32');
  });

  it('are all under torch.ops too, one by one', () => {
    expect(torch.ops.aten!.add!.Tensor!(x, x)).toBeInstanceOf(Tensor);
    expect((torch.ops.aten!.log_softmax!.int!(x, 1) as Tensor).shape).toEqual([2, 3]);
    expect(() => torch.ops.aten!.add!.Tensor!(x, 1)).toThrow(expect.objectContaining({ code: 'ERR_OPERATOR' }));
    expect((torch.ops.aten.add as unknown as Record<string, unknown>).noSuchOverload).toBeUndefined();
    expect(() => torch.ops.aten!.noSuchOperator!(x)).toThrow(/no operator aten::noSuchOperator/);
    expect(torch.ops.isomax.distanceLogits(x, torch.zeros([4, 3])).shape).toEqual([2, 4]);
  });

  it('update parameters in one call: the fused optimizers', () => {
    const parameter = torch.ones([3]);
    torch._fusedSgd_([parameter], [torch.ones([3])], [torch.zeros([3])], {
      weightDecay: 0,
      momentum: 0.9,
      lr: 0.5,
      dampening: 0,
      nesterov: true,
      maximize: false,
      isFirstStep: true,
    });
    expect(parameter.tolist()).toEqual([0.05, 0.05, 0.05].map((value) => expect.closeTo(value, 6)));
  });
});

describe('every operator of the library', () => {
  const all = native.operatorNames();

  it('is described, and those without a JavaScript counterpart of an argument are few and known', () => {
    expect(all.length).toBeGreaterThan(1500);
    const kinds = new Set<string>();
    let overloads = 0;
    for (const name of all) {
      for (const overload of native.overloads(name)) {
        overloads++;
        for (const argument of overload.arguments)
          if (argument.kind === 'unsupported') kinds.add(argument.type.replace(/^__torch__.*/, 'a custom class'));
      }
    }
    expect(overloads).toBeGreaterThan(3000);
    expect([...kinds].sort()).toEqual([
      'Any',
      'Scalar?[]',
      'Storage',
      'Stream',
      'Tensor[][]',
      'a custom class',
      'str[][]',
    ]);
  });

  it('is where PyTorch has it: a function in torch, and a method where a tensor comes first', () => {
    for (const name of all.filter((full) => full.startsWith('aten::'))) {
      const [namespace, plain] = placeOf(name.slice(6));
      const holder = (namespace === '' ? torch : torch[namespace]) as unknown as Record<string, unknown>;
      expect(typeof holder[camelCase(plain)], name).toBe('function');
      expect(camelCase(name.slice(6)) in Tensor.prototype, name).toBe(true);
    }
  });

  it('is declared as it runs: names, arguments and overloads of each signature', () => {
    const path = new URL('../lib/generated/operators.ts', import.meta.url);
    const source = ts.createSourceFile('operators.ts', readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
    const declared = new Map<string, Set<string>>(); // schema → argument names, over all its signatures
    let signatures = 0;
    let schema = ''; // of an overload's first signature; the others follow it
    const visit = (node: ts.Node): void => {
      if (ts.isMethodSignature(node)) {
        const [documented] = ts.getJSDocCommentsAndTags(node);
        if (documented) schema = (documented.comment as string).replaceAll('`', '');
        const name = schema.slice(schema.indexOf('::') + 2, schema.search(/[.(]/));
        const asFunction = camelCase(placeOf(name)[1]);
        expect([camelCase(name), asFunction]).toContain((node.name as ts.Identifier).text);
        const names = declared.get(schema) ?? new Set();
        for (const parameter of node.parameters) {
          const text = (parameter.name as ts.Identifier).text;
          if (text === 'options' && parameter.type && ts.isTypeLiteralNode(parameter.type)) {
            for (const member of parameter.type.members) names.add((member.name as ts.Identifier).text);
          } else names.add(text.replace(/_$/, ''));
        }
        declared.set(schema, names);
        signatures++;
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
    expect(signatures).toBeGreaterThan(5000);
    let compared = 0;
    for (const name of all.filter((full) => /^(aten|isomax|isotorch)::/.test(full))) {
      for (const overload of operator(name).overloads.filter(({ supported }) => supported)) {
        const names = declared.get(overload.schema);
        expect(names, overload.schema).toBeDefined();
        for (const { key } of overload.arguments) {
          // A method's own tensor is no parameter; every other argument is declared.
          if (key !== overload.arguments[0]!.key)
            expect(names!.has(key.replace(/_$/, '')), `${key} of ${overload.schema}`).toBe(true);
        }
        declared.delete(overload.schema);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(2900);
    expect([...declared.keys()]).toEqual([]);
  });
});

describe('the same bits as Python', () => {
  type Case = [name: string, args: unknown[], kwargs?: Record<string, unknown>];
  torch.manualSeed(11);
  const tensors = {
    a: torch.randn([7, 5]),
    b: torch.randn([7, 5]),
    square: torch.randn([5, 5]),
    double: torch.randn([4, 6], { dtype: 'float64' }),
    ints: torch.randint(-9, 9, [7, 5]),
    labels: torch.randint(0, 5, [7]),
    bools: torch.rand([7, 5]).gt(0.5),
    half: torch.randn([8]).to('bfloat16'),
    image: torch.randn([2, 3, 8, 8]),
    kernel: torch.randn([4, 3, 3, 3]),
    bias: torch.randn([4]),
    weights: torch.randn([3]),
    means: torch.randn([3]),
    variances: torch.rand([3]),
  };
  const t = (name: keyof typeof tensors) => ({ tensor: name });
  const cases: Case[] = [
    ['add', [t('a'), t('b')], { alpha: 0.3 }],
    ['sub', [t('a'), 2]],
    ['mul', [t('a'), t('ints')]],
    ['div', [t('a'), t('b')], { rounding_mode: 'trunc' }],
    ['matmul', [t('a'), t('square')]],
    ['addmm', [t('a'), t('a'), t('square')], { beta: 0.5, alpha: 2 }],
    ['mm', [t('a'), t('square')]],
    ['exp', [t('a')]],
    ['log', [t('variances')]],
    ['tanh', [t('a')]],
    ['erf', [t('double')]],
    ['sqrt', [t('variances')]],
    ['rsqrt', [t('variances')]],
    ['sigmoid', [t('a')]],
    ['softmax', [t('a'), 1]],
    ['log_softmax', [t('a'), 0]],
    ['logsumexp', [t('a'), [0, 1]]],
    ['gelu', [t('a')]],
    ['silu', [t('a')]],
    ['leaky_relu', [t('a'), 0.2]],
    ['sum', [t('a')]],
    ['sum', [t('a'), [1]], { keepdim: true, dtype: 'float64' }],
    ['mean', [t('a'), [0]]],
    ['std', [t('a'), [1]], { correction: 0 }],
    ['var', [t('double')]],
    ['prod', [t('a'), 1]],
    ['cumsum', [t('ints'), 0]],
    ['norm', [t('a')]],
    ['amax', [t('a'), [1]]],
    ['argmax', [t('a'), 1]],
    ['argsort', [t('a'), 1]],
    ['topk', [t('a'), 3, 1]],
    ['sort', [t('a'), 1, true]],
    ['max', [t('a'), 1]],
    ['median', [t('a')]],
    ['quantile', [t('a'), 0.3]],
    ['unique_consecutive', [t('labels')]],
    ['eq', [t('ints'), 3]],
    ['where', [t('bools'), t('a'), t('b')]],
    ['masked_fill', [t('a'), t('bools'), -1]],
    ['clamp', [t('a'), -0.5, 0.5]],
    ['bitwise_and', [t('ints'), 5]],
    ['index_select', [t('a'), 0, t('labels')]],
    ['gather', [t('a'), 1, { tensor: 'labels', view: [7, 1] }]],
    ['cat', [[t('a'), t('b')], 1]],
    ['stack', [[t('a'), t('b')]]],
    ['roll', [t('a'), [1, 2], [0, 1]]],
    ['flip', [t('a'), [0]]],
    ['tril', [t('square')]],
    ['conv2d', [t('image'), t('kernel'), t('bias'), [2, 2], [1, 1]]],
    ['max_pool2d', [t('image'), [2, 2]]],
    ['avg_pool2d', [t('image'), [3, 3], [2, 2], [1, 1]]],
    ['adaptive_avg_pool2d', [t('image'), [1, 1]]],
    ['batch_norm', [t('image'), t('weights'), t('means'), t('means'), t('variances'), false, 0.1, 1e-5, true]],
    ['layer_norm', [t('a'), [5]]],
    ['upsample_bilinear2d', [t('image'), [5, 7], false]],
    ['cross_entropy_loss', [t('a'), t('labels')], { label_smoothing: 0.1 }],
    ['nll_loss', [t('a'), t('labels')]],
    ['mse_loss', [t('a'), t('b')]],
    ['cdist', [t('a'), t('square'), 2, 2]],
    ['_cdist_forward', [t('a'), t('square'), 2, 2]],
    ['linalg_inv', [t('square')]],
    ['linalg_qr', [t('a')]],
    ['linalg_eigh', [{ tensor: 'square', symmetric: true }]],
    ['linalg_svd', [t('a'), false]],
    ['fft_rfft', [t('double')]],
    ['special_xlogy', [t('variances'), t('variances')]],
    ['arange', [0, 5, 0.5]],
    ['linspace', [0, 1, 7], { dtype: 'float64' }],
    ['eye', [3]],
    ['full', [[2, 2], 1.5]],
    ['add', [t('half'), t('half')]],
    ['_foreach_mul', [[t('a'), t('b')], 2]],
  ];

  const { it: withPython } = needs(python, 'a Python that has torch');
  withPython(`for ${cases.length} operators`, () => {
    const code = `
      tensors = {k: T(v) for k, v in input['tensors'].items()}
      def value(v):
          if isinstance(v, dict) and 'tensor' in v:
              t = tensors[v['tensor']]
              if 'view' in v: t = t.view(v['view'])
              return t + t.T if v.get('symmetric') else t
          return [value(i) for i in v] if isinstance(v, list) else v
      results = []
      for name, args, kwargs in input['cases']:
          kwargs = {k: getattr(torch, v) if k == 'dtype' else v for k, v in kwargs.items()}
          result = getattr(torch.ops.aten, name)(*[value(a) for a in args], **kwargs)
          results.append(list(result) if isinstance(result, (tuple, list)) else [result])
      emit(results)`;
    const expected = runPython(code, {
      tensors: Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, encode(tensor)])),
      cases: cases.map(([name, args, kwargs = {}]) => [name, args, kwargs]),
    }) as Parameters<typeof decode>[0][][];
    const value = (v: unknown): unknown => {
      if (Array.isArray(v)) return v.map(value);
      if (typeof v !== 'object' || v === null) return v;
      const { tensor, view, symmetric } = v as { tensor: keyof typeof tensors; view?: number[]; symmetric?: boolean };
      const found = view ? tensors[tensor].view(view) : tensors[tensor];
      return symmetric ? found.add(found.t()) : found;
    };
    for (const [i, [name, args, kwargs]] of cases.entries()) {
      const options = Object.fromEntries(Object.entries(kwargs ?? {}).map(([key, v]) => [camelCase(key), v]));
      const result = operator(`aten::${name}`).call([...args.map(value), ...(kwargs ? [options] : [])]);
      const ours = (result instanceof Tensor ? [result] : Object.values(result as object)) as Tensor[];
      expect(ours.length, name).toBe(expected[i]!.length);
      for (const [j, tensor] of ours.entries())
        expect(encode(tensor.contiguous()), `${name} #${j}`).toEqual(expected[i]![j]);
    }
  });
});
