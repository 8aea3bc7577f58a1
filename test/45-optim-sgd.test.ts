// SGD beside PyTorch's: the same steps with every combination of settings, the same state dict, and the odd cases (missing
// gradients, views with gaps, moved models) where a fused kernel would go wrong in silence.

import { describe, expect, it } from 'vitest';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import { type DType, memory, Parameter, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const code = (value: string) => expect.objectContaining({ code: value });
const { it: withPython } = needs(python, 'a Python that has torch');

/** The settings in Python's words. */
const inPython = ({ lr, momentum, dampening, weightDecay, nesterov, maximize }: optim.SGDOptions) => ({
  lr,
  momentum,
  dampening,
  weight_decay: weightDecay,
  nesterov,
  maximize,
});

const settings: optim.SGDOptions[] = [0, 1e-4]
  .flatMap((weightDecay) =>
    [false, true].flatMap((maximize) =>
      [
        { momentum: 0, dampening: 0, nesterov: false },
        { momentum: 0.9, dampening: 0, nesterov: false },
        { momentum: 0.9, dampening: 0.3, nesterov: false },
        { momentum: 0.9, dampening: 0, nesterov: true },
      ].map((momentum) => ({ ...momentum, weightDecay, maximize })),
    ),
  )
  .flatMap((rest, i) => [{ lr: i % 2 ? 0.05 : 1 / 3, ...rest }]);

/** Two parameters; the second gets no gradient in the first two steps. */
function trained(
  options: optim.SGDOptions,
  dtype: DType,
  steps = 5,
): { values: Tensor[]; optimizer: optim.SGD; params: Parameter[] } {
  torch.manualSeed(2);
  const params = [[3, 4], [130]].map((shape) => new Parameter(torch.randn(shape, { dtype })));
  const optimizer = new optim.SGD(params, options);
  run(optimizer, params, 0, steps);
  return { values: params.map((param) => param.detach()), optimizer, params };
}

function run(optimizer: optim.SGD, params: readonly Tensor[], from: number, to: number): void {
  for (let step = from; step < to; step++) {
    tidy(() => {
      optimizer.zeroGrad();
      const [first, second] = params.map((param) => param.sin().mul(param).sum()) as [Tensor, Tensor];
      (step < 2 ? first : first.add(second)).backward();
      optimizer.step();
    });
  }
}

const program = `
def run(options, dtype):
    torch.manual_seed(2)
    params = [torch.nn.Parameter(torch.randn(shape, dtype=getattr(torch, dtype))) for shape in ([3, 4], [130])]
    optimizer = torch.optim.SGD(params, **options)
    for step in range(5):
        optimizer.zero_grad()
        first, second = [(p.sin() * p).sum() for p in params]
        (first if step < 2 else first + second).backward()
        optimizer.step()
    return params

def fused(options):
    torch.manual_seed(2)
    param = torch.nn.Parameter(torch.randn(130))
    optimizer = torch.optim.SGD([param], **options, fused=True)
    for step in range(5):
        optimizer.zero_grad()
        (param.sin() * param).sum().backward()
        optimizer.step()
    return {'param': param, 'momentum': optimizer.state_dict()['state'].get(0, {}).get('momentum_buffer')}

emit([{'float32': run(options, 'float32'), 'float64': run(options, 'float64'), 'fused': fused(options)} for options in input])`;

interface Reference {
  float32: TensorJson[];
  float64: TensorJson[];
  fused: { param: TensorJson; momentum: TensorJson | null };
}
const theirs: Reference[] = python ? runPython(program, settings.map(inPython)) : [];

withPython(
  "steps equal torch.optim.SGD's with all settings, parameters that get their first gradient late included",
  () => {
    for (const [i, options] of settings.entries()) {
      for (const dtype of ['float32', 'float64'] as const) {
        for (const [j, value] of trained(options, dtype).values.entries()) {
          const reference = decode(theirs[i]![dtype][j]!);
          const difference = value.sub(reference).abs().max().item() / reference.abs().max().item();
          // The fused kernel rounds once where several operators round several times.
          expect(difference, JSON.stringify({ dtype, ...options })).toBeLessThan(dtype === 'float32' ? 2e-6 : 1e-14);
        }
      }
    }
  },
);

withPython('without late parameters it is torch.optim.SGD(fused=True) bit for bit', () => {
  for (const [i, options] of settings.entries()) {
    torch.manualSeed(2);
    const param = new Parameter(torch.randn([130]));
    const optimizer = new optim.SGD([param], options);
    for (let step = 0; step < 5; step++) {
      optimizer.zeroGrad();
      param.sin().mul(param).sum().backward();
      optimizer.step();
    }
    const { momentum_buffer: momentum = null } = optimizer.stateDict().state.get(0) ?? {};
    expect({ param: encode(param), momentum: momentum && encode(momentum as Tensor) }).toEqual(theirs[i]!.fused);
  }
});

withPython("its state dict is PyTorch's to the letter, goes over to Python and comes back", () => {
  const options = { lr: 0.1, momentum: 0.9, weightDecay: 1e-4, nesterov: true };
  const { optimizer, params } = trained(options, 'float64', 3);
  const { state, param_groups } = optimizer.stateDict();
  const there = runPython(
    `
    params = [torch.nn.Parameter(T(value)) for value in input['params']]
    optimizer = torch.optim.SGD(params, lr=9.0)
    empty = optimizer.state_dict()['param_groups']
    state = {int(key): {'momentum_buffer': T(value)} for key, value in input['state']}
    optimizer.load_state_dict({'state': state, 'param_groups': input['groups']})
    for step in range(3, 6):
        optimizer.zero_grad()
        sum((p.sin() * p).sum() for p in params).backward()
        optimizer.step()
    after = optimizer.state_dict()
    emit({'keys': list(empty[0]), 'values': params, 'groups': after['param_groups'],
          'state': {key: value['momentum_buffer'] for key, value in after['state'].items()}})`,
    {
      params: params.map(encode),
      state: [...state].map(([key, value]) => [key, encode(value.momentum_buffer as Tensor)]),
      groups: param_groups,
    },
  );
  expect(Object.keys(param_groups[0]!)).toEqual(there.keys);
  expect(there.groups).toEqual(param_groups);
  run(optimizer, params, 3, 6);
  for (const [i, value] of params.entries())
    expect(value.sub(decode(there.values[i])).abs().max().item()).toBeLessThan(1e-14);

  // Python's state into a fresh optimizer: the next steps are those of one that never stopped.
  const fresh = params.map((param) => new Parameter(param.detach().clone()));
  const other = new optim.SGD(fresh, { lr: 5 });
  const back = Object.fromEntries(
    Object.entries(there.state).map(([key, value]) => [key, { momentum_buffer: decode(value as TensorJson) }]),
  );
  other.loadStateDict({ state: back, param_groups: there.groups });
  expect(other.paramGroups[0]).toMatchObject({ ...options, dampening: 0, maximize: false });
  run(other, fresh, 6, 8);
  run(optimizer, params, 6, 8);
  for (const [i, value] of params.entries())
    expect(
      value
        .sub(fresh[i] as Tensor)
        .abs()
        .max()
        .item(),
    ).toBeLessThan(1e-14);
});

describe('groups', () => {
  it('have settings of their own, the rest from the optimizer', () => {
    const [a, b] = [new Parameter(torch.ones([1])), new Parameter(torch.ones([1]))];
    const optimizer = new optim.SGD([{ params: [a] }, { params: b, lr: 0.5, weightDecay: 1 }], { lr: 0.25 });
    expect(optimizer.paramGroups.map(({ lr, weightDecay }) => [lr, weightDecay])).toEqual([
      [0.25, 0],
      [0.5, 1],
    ]);
    a.add(b).sum().backward();
    optimizer.step();
    expect([a.item(), b.item()]).toEqual([0.75, 0]);
    optimizer.paramGroups[0]!.lr = 0.5;
    optimizer.step();
    expect(a.item()).toBe(0.25);
    optimizer.addParamGroup({ params: [new Parameter(torch.ones([1]))] });
    expect(optimizer.stateDict().param_groups.map(({ params }) => params)).toEqual([[0], [1], [2]]);
  });

  it('may mix dtypes', () => {
    const params = (['float32', 'float64', 'bfloat16'] as const).map(
      (dtype) => new Parameter(torch.ones([2], { dtype })),
    );
    const optimizer = new optim.SGD(params, { lr: 0.5, momentum: 0.5 });
    for (const param of params) param.sum().backward();
    optimizer.step();
    optimizer.step();
    expect(params.map((param) => param.tolist())).toEqual([
      [-0.25, -0.25],
      [-0.25, -0.25],
      [-0.25, -0.25],
    ]);
  });
});

describe('parameters', () => {
  it('without a gradient keep their value, whatever weight decay says', () => {
    const [a, b] = [new Parameter(torch.ones([2])), new Parameter(torch.ones([2]))];
    const optimizer = new optim.SGD([a, b], { lr: 1, momentum: 0.9, weightDecay: 0.5 });
    a.sum().backward();
    optimizer.step();
    expect([a.tolist(), b.tolist()]).toEqual([
      [-0.5, -0.5],
      [1, 1],
    ]);
    expect([...optimizer.stateDict().state.keys()]).toEqual([0]);
  });

  // LibTorch's fused kernel walks through memory and looks at no strides: given these it would move the wrong elements,
  // or memory that is not theirs.
  it('that are views, transposed or with gaps, with gradients laid out otherwise, move as they should', () => {
    const memoryOf = torch.zeros([4, 6]);
    const layouts: Record<string, () => Tensor> = {
      transposed: () => torch.zeros([6, 4]).t(),
      'with gaps': () => memoryOf.slice(1, 0, 3),
      contiguous: () => torch.zeros([4, 3]),
      complex: () => torch.zeros([4, 3], { dtype: 'complex64' }),
    };
    for (const [layout, make] of Object.entries(layouts)) {
      const param = new Parameter(make());
      const gradient = torch.arange(param.numel()).view([param.shape[1]!, param.shape[0]!]).t().to(param.dtype);
      const optimizer = new optim.SGD([param], { lr: 0.5, momentum: 0.5, nesterov: true });
      param.grad = gradient;
      optimizer.step();
      optimizer.step();
      // b = g, then 1.5g; θ −= lr·(g + momentum·b) twice
      const expected = gradient.mul(-0.5 * (1.5 + 1.75));
      expect([layout, param.sub(expected).abs().max().item()]).toEqual([layout, 0]);
    }
    expect(memoryOf.slice(1, 3).abs().max().item()).toBe(0);
  });

  it('of a model that is moved after the optimizer was made go on with their momentum', () => {
    const [still, moved] = [0, 1].map(() => {
      torch.manualSeed(4);
      const model = new nn.Sequential(new nn.Conv2d(2, 3, 3), new nn.Flatten(), new nn.Linear(12, 2));
      const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
      return { model, optimizer };
    }) as [{ model: nn.Sequential; optimizer: optim.SGD }, { model: nn.Sequential; optimizer: optim.SGD }];
    const x = torch.randn([5, 2, 4, 4]);
    const step = ({ model, optimizer }: typeof still, dtype: DType) => {
      optimizer.zeroGrad();
      model.forward(x.to(dtype)).pow(2).sum().backward();
      optimizer.step();
    };
    for (const each of [still, moved]) step(each, 'float32');
    moved.model.to({ dtype: 'float64', memoryFormat: 'channels_last' });
    for (let i = 0; i < 3; i++) {
      step(still, 'float32');
      step(moved, 'float64');
    }
    for (const [i, param] of still.model.parameters().entries())
      expect(param.sub(moved.model.parameters()[i]!).abs().max().item()).toBeLessThan(1e-6);
  });

  it('zeroGrad forgets gradients, or fills them with zeros', () => {
    const param = new Parameter(torch.ones([2]));
    const optimizer = new optim.SGD([param]);
    param.sum().backward();
    optimizer.zeroGrad({ setToNone: false });
    expect(param.grad?.tolist()).toEqual([0, 0]);
    optimizer.zeroGrad();
    expect(param.grad).toBeNull();
  });
});

it('steps leave no tensor behind but the momentum', () => {
  const { optimizer, params } = trained({ lr: 0.1, momentum: 0.9 }, 'float32', 3);
  const before = memory();
  run(optimizer, params, 3, 60);
  for (const group of optimizer.paramGroups) for (let i = 0; i < 50; i++) group.lr = i / 100;
  expect(memory()).toEqual(before);
  tidy(() => optimizer.loadStateDict(optimizer.stateDict()));
  expect(memory()).toEqual(before);
});

describe('SGD refuses', () => {
  const param = () => new Parameter(torch.ones([2]));
  const wrong: Record<string, [() => unknown, RegExp, string?]> = {
    'no parameters': [() => new optim.SGD([]), /at least one parameter/],
    'a module in place of its parameters': [
      () => new optim.SGD(new nn.Linear(1, 1) as never),
      /such as model\.parameters\(\)/,
    ],
    numbers: [() => new optim.SGD([1, 2] as never), /Expected Parameters for params but received integer 1/],
    'results of operators': [() => new optim.SGD([param().mul(2)]), /the result of an operator/],
    'one parameter twice': [() => ((p) => new optim.SGD([p, p]))(param()), /one of shape \[2\] is there twice/],
    'one in two groups': [() => ((p) => new optim.SGD([{ params: [p] }, { params: [p] }]))(param()), /twice/],
    'a negative rate': [() => new optim.SGD([param()], { lr: -1 }), /for lr but received integer -1/],
    'a rate that is NaN': [() => new optim.SGD([param()], { lr: Number.NaN }), /lr/],
    'a rate as text': [() => new optim.SGD([param()], { lr: '0.1' as never }), /lr but received string "0\.1"/],
    'a negative momentum': [() => new optim.SGD([param()], { momentum: -0.1 }), /momentum/],
    'a negative weight decay': [() => new optim.SGD([param()], { weightDecay: -0.1 }), /weightDecay/],
    'nesterov without momentum': [
      () => new optim.SGD([param()], { nesterov: true }),
      /momentum above 0 and dampening 0/,
    ],
    'nesterov with dampening': [
      () => new optim.SGD([param()], { nesterov: true, momentum: 0.9, dampening: 0.1 }),
      /dampening 0/,
    ],
    'nesterov as a number': [() => new optim.SGD([param()], { nesterov: 1 as never }), /true or false for nesterov/],
    'a bad rate later': [
      () => {
        const optimizer = new optim.SGD([param()]);
        optimizer.paramGroups[0]!.lr = Number.POSITIVE_INFINITY;
      },
      /lr/,
    ],
    'what is no state': [() => new optim.SGD([param()]).loadStateDict({}), /state and param_groups/, 'ERR_STATE_DICT'],
    'another number of groups': [
      () => new optim.SGD([param()]).loadStateDict({ state: {}, param_groups: [] }),
      /with 1 parameter groups but received 0/,
      'ERR_STATE_DICT',
    ],
    'another number of parameters': [
      () => new optim.SGD([param()]).loadStateDict({ state: {}, param_groups: [{ params: [0, 1] }] }),
      /1 parameters in group 0 but received 2/,
      'ERR_STATE_DICT',
    ],
    'momentum of another shape': [
      () =>
        new optim.SGD([param()]).loadStateDict({
          state: { 0: { momentum_buffer: torch.ones([3]) } },
          param_groups: [{ params: [0] }],
        }),
      /momentum_buffer of shape \[2\] for parameter 0 but received \[3\]/,
      'ERR_STATE_DICT',
    ],
  };
  for (const [what, [fn, message, error = 'ERR_ARGUMENT']] of Object.entries(wrong)) {
    it(what, () => {
      expect(fn).toThrow(message);
      expect(fn).toThrow(code(error));
    });
  }
});
