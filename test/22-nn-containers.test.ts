// Lists and dicts of modules and parameters, what is found by path, and hooks around forward: eager, and in captured steps.

import { describe, expect, it } from 'vitest';
import * as nn from '../lib/nn/index.js';
import { capture, type Tensor, torch } from '../lib/tensor/index.js';
import { python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const code = (value: string) => expect.objectContaining({ code: value });
const keys = (module: nn.AnyModule) => [...module.stateDict().keys()];
const linear = (out: number) => new nn.Linear(2, out);
const { it: itLikePython } = needs(python, 'a Python that has torch');

describe('containers', () => {
  itLikePython('print and order their keys as PyTorch does', () => {
    const theirs = runPython(`
      from torch import nn
      class Net(nn.Module):
          def __init__(self):
              super().__init__()
              self.list = nn.ParameterList([torch.ones(3, 2), torch.ones(())])
              self.one = nn.ParameterList([torch.ones(3)])
              self.dict = nn.ParameterDict({'b': torch.ones(3), 'a': torch.ones(2, dtype=torch.float64)})
              self.modules_ = nn.ModuleDict({'y': nn.ReLU(), 'x': nn.Linear(2, 1)})
              self.nothing = nn.ParameterList()
      net = Net()
      layers = nn.Sequential(*[nn.Linear(2, i + 1) for i in range(4)])
      layers.insert(1, nn.Linear(2, 9)); layers.append(nn.ReLU()); del layers[0]
      named = nn.Sequential(__import__('collections').OrderedDict(a=nn.ReLU(), b=nn.Tanh(), c=nn.ReLU()))
      modules = nn.ModuleList([nn.ReLU(), nn.Tanh()]); modules.insert(0, nn.GELU()); modules.extend([nn.ReLU()]); modules[1] = nn.GELU()
      emit([repr(net), list(net.state_dict()), repr(layers), repr(named[1:]), repr(modules), repr(modules[1:3])])`);
    class Net extends nn.Module {
      list = new nn.ParameterList([torch.ones([3, 2]), torch.ones([])]);
      one = new nn.ParameterList([torch.ones([3])]);
      dict = new nn.ParameterDict({ b: torch.ones([3]), a: torch.ones([2], { dtype: 'float64' }) });
      modules_ = new nn.ModuleDict<nn.Module>({ y: new nn.ReLU(), x: linear(1) });
      nothing = new nn.ParameterList();
      override forward(x: Tensor) {
        return x;
      }
    }
    const net = new Net();
    const layers = new nn.Sequential(...[1, 2, 3, 4].map(linear));
    layers.insert(1, linear(9)).append(new nn.ReLU()).pop(0);
    const named = new nn.Sequential({ a: new nn.ReLU(), b: new nn.Tanh(), c: new nn.ReLU() });
    const modules = new nn.ModuleList<nn.Module>([new nn.ReLU(), new nn.Tanh()]);
    modules.insert(0, new nn.GELU()).extend([new nn.ReLU()]).set(1, new nn.GELU());
    const ours = [net, keys(net), layers, named.slice(1), modules, modules.slice(1, 3)];
    expect(ours.map((item) => (Array.isArray(item) ? item : String(item)))).toEqual(theirs);
  });

  it('change while they are used: names follow places, values stay', () => {
    const list = new nn.ModuleList([linear(1), linear(2)]);
    const first = list.at(0)!;
    list.insert(0, linear(5));
    expect(list.at(1)).toBe(first);
    expect(keys(list)).toEqual(['0.weight', '0.bias', '1.weight', '1.bias', '2.weight', '2.bias']);
    expect(list.pop()).toBeInstanceOf(nn.Linear);
    expect(list.length).toBe(2);
    const dict = new nn.ModuleDict<nn.Module>({ a: linear(1), b: linear(2) });
    dict.set('a', new nn.ReLU());
    expect([...dict.keys()]).toEqual(['a', 'b']);
    expect([...dict.namedChildren().keys()]).toEqual(['a', 'b']);
    expect(dict.pop('a')).toBeInstanceOf(nn.ReLU);
    expect([dict.has('a'), dict.size, keys(dict)]).toEqual([false, 1, ['b.weight', 'b.bias']]);
    const parameters = new nn.ParameterDict({ p: torch.ones([1]), q: torch.ones([2]) });
    parameters.set('p', torch.ones([3]));
    expect([...parameters].map(([name, { shape }]) => [name, ...shape])).toEqual([
      ['p', 3],
      ['q', 2],
    ]);
    const numbered = new nn.ParameterList([torch.ones([1]), torch.ones([2])]).set(0, torch.ones([4]));
    expect([...numbered].map(({ shape }) => shape[0])).toEqual([4, 2]);
    expect(numbered.slice(1).at(-1)).toBe(numbered.at(1));
  });

  it('refuse what is no module or parameter, and places outside', () => {
    const list = new nn.ModuleList([linear(1)]);
    expect(() => list.append(3 as never)).toThrow(code('ERR_ARGUMENT'));
    expect(() => list.insert(3, linear(1))).toThrow(code('ERR_INDEX'));
    expect(() => list.set(0, null as never)).toThrow(code('ERR_ARGUMENT'));
    expect(keys(list)).toEqual(['0.weight', '0.bias']);
    expect(() => new nn.ParameterList([1 as never])).toThrow(code('ERR_ARGUMENT'));
    expect(() => new nn.ModuleDict({ 'a.b': linear(1) })).toThrow(code('ERR_ARGUMENT'));
    expect(() => new nn.ModuleDict({ a: linear(1) }).forward()).toThrow(code('ERR_ARGUMENT'));
    expect(() => new nn.ParameterDict().forward()).toThrow(code('ERR_ARGUMENT'));
  });

  it('Sequential takes whatever turns one tensor into one, also where forward has settings behind', () => {
    const net = new nn.Sequential(
      new nn.ConvTranspose1d(2, 4, 2),
      new nn.TransformerEncoder(new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 4 }), 1),
    );
    expect(net.forward(torch.randn([3, 2, 3])).shape).toEqual([3, 4, 4]);
    // @ts-expect-error a layer that gives a pair
    new nn.Sequential(new nn.GRU(2, 2));
  });

  it('parts are found by path', () => {
    const net = new nn.Sequential(new nn.Sequential(linear(3), new nn.BatchNorm1d(3)));
    expect(net.getSubmodule('')).toBe(net);
    expect(net.getSubmodule('0.1')).toBeInstanceOf(nn.BatchNorm1d);
    expect(net.getParameter('0.0.bias').shape).toEqual([3]);
    expect(net.getBuffer('0.1.running_mean').shape).toEqual([3]);
    for (const wrong of ['1', '0.2', '0.0.weight']) expect(() => net.getSubmodule(wrong)).toThrow(code('ERR_ARGUMENT'));
    expect(() => net.getParameter('0.1.running_mean')).toThrow(code('ERR_ARGUMENT'));
    expect(() => net.getBuffer('weight')).toThrow(code('ERR_ARGUMENT'));
    const wide = net.double();
    expect([wide, wide.getParameter('0.0.weight').dtype, net.half().getBuffer('0.1.running_mean').dtype]).toEqual([
      net,
      'float64',
      'float16',
    ]);
    expect(net.float().getBuffer('0.1.num_batches_tracked').dtype).toBe('int64');
  });
});

describe('forward hooks', () => {
  it('run before and after, in order, and may change what passes', () => {
    const layer = new nn.Identity();
    const told: string[] = [];
    layer.registerForwardPreHook((module, [x]) => {
      told.push(module === layer ? 'before' : '?');
      return [(x as Tensor).add(1)];
    });
    const handle = layer.registerForwardHook((_, [x], y) => {
      told.push('after');
      expect(y).toBe(x);
      return (y as Tensor).mul(10);
    });
    layer.registerForwardHook(() => void told.push('first'), { prepend: true });
    expect(layer.forward(torch.ones([1])).item()).toBe(20);
    expect(told).toEqual(['before', 'first', 'after']);
    handle.remove();
    handle.remove();
    expect(layer.forward(torch.ones([1])).item()).toBe(2);
    expect(() => layer.registerForwardHook(1 as never)).toThrow(code('ERR_ARGUMENT'));
  });

  it('run once where forward asks the class above, and for each module inside', () => {
    class Twice extends nn.Linear {
      override forward(x: Tensor): Tensor {
        return super.forward(super.forward(x));
      }
    }
    const net = new nn.Sequential(new Twice(2, 2), new nn.ReLU());
    const counts = new Map<string, number>();
    for (const module of net.modules())
      module.registerForwardHook((m) => void counts.set(m.constructor.name, (counts.get(m.constructor.name) ?? 0) + 1));
    net.forward(torch.ones([1, 2]));
    expect(Object.fromEntries(counts)).toEqual({ Twice: 1, ReLU: 1, Sequential: 1 });
  });

  it('are recorded by captured steps, which record anew when hooks come or go', async () => {
    const layer = linear(2);
    const step = capture((x: Tensor) => layer.forward(x).sum());
    const x = torch.ones([3, 2]);
    const plain = (await step(x)).item();
    await step(x);
    const handle = layer.registerForwardHook((_, __, y) => (y as Tensor).mul(2));
    expect((await step(x)).item()).toBeCloseTo(2 * plain, 5);
    expect((await step(x)).item()).toBeCloseTo(2 * plain, 5);
    expect(step.recordings).toBe(2);
    handle.remove();
    expect((await step(x)).item()).toBe(plain);
    expect(step.recordings).toBe(2); // the first record holds again
  });
});
