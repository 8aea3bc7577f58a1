// Modules: how their parts are found and named, state dicts out and in, modes, moves, prints, and errors that tell where.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IsotorchError } from '../lib/errors.js';
import * as nn from '../lib/nn/index.js';
import { snakeCase } from '../lib/nn/names.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';

const code = (value: string) => expect.objectContaining({ code: value });

function caught(fn: () => unknown): IsotorchError {
  try {
    fn();
  } catch (error) {
    if (error instanceof IsotorchError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

class Block extends nn.Module {
  conv1 = new nn.Conv2d(2, 2, 3, { padding: 1 });
  runningScale = new nn.Buffer(torch.ones([1]));
  scratch = new nn.Buffer(torch.zeros([1]), false);
  gainFactor = new nn.Parameter(torch.ones([1]));
  note = 'not part of it';
  nothing: nn.Parameter | null = null;
  plain = torch.ones([3]);
  override forward(x: Tensor): Tensor {
    return this.conv1.forward(x).mul(this.gainFactor).mul(this.runningScale);
  }
}

class Net extends nn.Module {
  blocks = new nn.ModuleList([new Block(), new Block()]);
  body = new nn.Sequential(new nn.Flatten(), new nn.Linear(8, 4), new nn.ReLU());
  classifier = new nn.Linear(4, 3);
  override forward(x: Tensor): Tensor {
    for (const block of this.blocks) x = block.forward(x);
    return this.classifier.forward(this.body.forward(x));
  }
}

describe('parts', () => {
  it('are found by themselves, in order, under snake_case paths', () => {
    const net = new Net();
    const own = ['gain_factor', 'running_scale', 'conv1.weight', 'conv1.bias'];
    expect([...net.stateDict().keys()]).toEqual([
      ...own.map((key) => `blocks.0.${key}`),
      ...own.map((key) => `blocks.1.${key}`),
      'body.1.weight',
      'body.1.bias',
      'classifier.weight',
      'classifier.bias',
    ]);
    // biome-ignore format: a list
    expect([...net.namedModules().keys()]).toEqual([
      '', 'blocks', 'blocks.0', 'blocks.0.conv1', 'blocks.1', 'blocks.1.conv1', 'body', 'body.0', 'body.1', 'body.2', 'classifier',
    ]);
    expect([...net.namedChildren().keys()]).toEqual(['blocks', 'body', 'classifier']);
    expect([...net.namedParameters().keys()].filter((key) => key.startsWith('blocks.1'))).toEqual([
      'blocks.1.gain_factor',
      'blocks.1.conv1.weight',
      'blocks.1.conv1.bias',
    ]);
    expect([...net.namedBuffers().keys()]).toEqual([
      'blocks.0.running_scale',
      'blocks.0.scratch',
      'blocks.1.running_scale',
      'blocks.1.scratch',
    ]);
    expect(net.parameters()).toHaveLength(10);
  });

  it('keep PyTorch\'s names: "_" and lower case for a capital after a lower-case letter or a digit', () => {
    const names = {
      runningMean: 'running_mean',
      fc2Weight: 'fc2_weight',
      layer1: 'layer1',
      T: 'T',
      QKV: 'QKV',
      a_B: 'a_B',
    };
    for (const [field, key] of Object.entries(names)) expect(snakeCase(field)).toBe(key);
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9]*(_[a-z0-9]{2,})*$/), (key) => {
        expect(snakeCase(key)).toBe(key); // names in PyTorch's style stay
        const camel = key.replace(/(?<=[a-z0-9])_([a-z])/g, (_, letter: string) => letter.toUpperCase());
        expect(snakeCase(camel)).toBe(key);
      }),
    );
  });

  it('may have literal names, in the place where they were registered', () => {
    class Literal extends nn.Module {
      first = new nn.Linear(1, 1);
      middle = this.registerModule('camelCase', new nn.Linear(1, 1));
      last = new nn.Linear(1, 1);
      constructor() {
        super();
        this.registerParameter('0', new nn.Parameter(torch.ones([1])));
        this.registerBuffer('Mean', new nn.Buffer(torch.ones([1])));
      }
      override forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect([...new Literal().stateDict().keys()]).toEqual([
      '0',
      'Mean',
      'first.weight',
      'first.bias',
      'camelCase.weight',
      'camelCase.bias',
      'last.weight',
      'last.bias',
    ]);
  });

  it('that modules share appear once among the parameters and under each name in the state dict', () => {
    class Tied extends nn.Module {
      encoder = new nn.Linear(3, 3);
      decoder = new nn.Linear(3, 3);
      again = this.encoder;
      constructor() {
        super();
        this.decoder.weight = this.encoder.weight;
      }
      override forward(x: Tensor): Tensor {
        return x;
      }
    }
    const tied = new Tied();
    expect([...tied.namedParameters().keys()]).toEqual(['encoder.weight', 'encoder.bias', 'decoder.bias']);
    expect(tied.children()).toHaveLength(2);
    expect(tied.stateDict().size).toBe(6);
  });

  it('that would be lost or endless are refused in words', () => {
    class Lost extends nn.Module {
      layers = [new nn.Linear(1, 1)];
      override forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(() => new Lost().parameters()).toThrow(/Lost\.layers is an array.*ModuleList/);
    class Endless extends nn.Module {
      self = this;
      override forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(() => new Endless().stateDict()).toThrow(/Endless\.self is a module that contains itself/);
    expect(new Endless().parameters()).toEqual([]);
    class Twice extends nn.Module {
      runningMean = new nn.Buffer(torch.ones([1]));
      running_mean = new nn.Buffer(torch.ones([1]));
      override forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(() => new Twice().stateDict()).toThrow(/two parts named running_mean/);
    const linear = new nn.Linear(1, 1);
    expect(() => linear.registerParameter('weight', new nn.Parameter(torch.ones([1])))).toThrow(
      /two parts named weight/,
    );
    expect(() => linear.registerModule('a.b', new nn.ReLU())).toThrow(code('ERR_ARGUMENT'));
    expect(() => linear.registerModule('a', 5 as never)).toThrow(/Expected a Module for a but received integer 5/);
    expect(() => new nn.Sequential(5 as never)).toThrow(code('ERR_ARGUMENT'));
    expect(() => new nn.ModuleList([new nn.ReLU()]).forward()).toThrow(/nn\.Sequential/);
  });
});

describe('state dicts', () => {
  it('hold detached tensors in the memory of the module', () => {
    const linear = new nn.Linear(2, 2);
    const state = linear.stateDict();
    const weight = state.get('weight') as Tensor;
    expect(weight.requiresGrad).toBe(false);
    expect(weight.storage().id).toBe(linear.weight.storage().id);
    nn.init.constant_(linear.weight, 7);
    expect(weight.tolist()).toEqual([
      [7, 7],
      [7, 7],
    ]);
    weight.dispose();
    expect(linear.weight.isDisposed).toBe(false);
    expect(Object.keys(state)).toEqual([]);
    expect(state._metadata).toEqual(new Map([['', { version: 1 }]]));
  });

  it('load from Maps and objects, converting dtypes, keeping parameters what they are', () => {
    const [from, to] = [new Net(), new Net()];
    const { weight } = to.classifier;
    const wide = new Map([...from.stateDict()].map(([key, value]) => [key, value.to('float64')]));
    expect(to.loadStateDict(wide)).toEqual({ missing: [], unexpected: [] });
    expect(to.classifier.weight).toBe(weight);
    expect(weight.requiresGrad).toBe(true);
    expect(weight.dtype).toBe('float32');
    for (const [key, value] of from.stateDict()) expect(value.equal(to.stateDict().get(key) as Tensor)).toBe(true);
    const plain = new Net();
    plain.loadStateDict(Object.fromEntries(from.stateDict()));
    expect(plain.classifier.weight.equal(from.classifier.weight)).toBe(true);
  });

  it('that do not fit name everything at once and change nothing', () => {
    const net = new Net();
    const before = [...net.stateDict().values()].map((value) => value.clone());
    const wrong = new Map<string, unknown>(net.stateDict());
    wrong.delete('body.1.bias');
    wrong.delete('blocks.0.gain_factor');
    wrong.set('classifier.weight', torch.zeros([2, 4]));
    wrong.set('classifier.bias', [1, 2, 3]);
    wrong.set('blocks.1.conv1.weight', torch.zeros([2, 2, 3, 3], { dtype: 'complex64' }));
    wrong.set('extra', torch.ones([1]));
    const gone = torch.ones([1]);
    gone.dispose();
    wrong.set('blocks.1.gain_factor', gone);
    const error = caught(() => net.loadStateDict(wrong));
    expect(error.code).toBe('ERR_STATE_DICT');
    expect(error.message.split('\n').map((line) => line.trim())).toEqual([
      'loadStateDict: expected a state dict of Net but received one that does not fit; nothing was changed',
      'missing: blocks.0.gain_factor, body.1.bias',
      'unexpected: extra',
      'disposed: blocks.1.gain_factor',
      'of another kind: blocks.1.conv1.weight is float32 here and complex64 there',
      'of another shape: classifier.weight is [3, 4] here and [2, 4] there',
      'not a tensor: classifier.bias is array of 3',
    ]);
    for (const [i, value] of [...net.stateDict().values()].entries())
      expect(value.equal(before[i] as Tensor)).toBe(true);
  });

  it('may be partial where strict is false, but shapes still count', () => {
    const linear = new nn.Linear(2, 1);
    const result = linear.loadStateDict({ weight: torch.tensor([[1, 2]]), other: torch.ones([1]) }, { strict: false });
    expect(result).toEqual({ missing: ['bias'], unexpected: ['other'] });
    expect(linear.weight.tolist()).toEqual([[1, 2]]);
    expect(() => linear.loadStateDict({ weight: torch.ones([3]) }, { strict: false })).toThrow(/another shape/);
  });

  it('may come with a prefix or under other names', () => {
    const linear = new nn.Linear(2, 1);
    const state = { 'module.weight': torch.tensor([[3, 4]]), 'module.bias': torch.tensor([5]) };
    expect(() => linear.loadStateDict(state)).toThrow('every key begins with "module.": give { prefix: "module." }');
    expect(() => linear.loadStateDict(state, { prefix: 'net.' })).toThrow(
      'no key begins with "net."; the first is "module.weight"',
    );
    linear.loadStateDict(state, { prefix: 'module.' });
    expect(linear.bias?.tolist()).toEqual([5]);
    const renamed = { w: torch.tensor([[6, 7]]), b: torch.tensor([8]), step: torch.ones([1]) };
    const names: Record<string, string> = { w: 'weight', b: 'bias' };
    linear.loadStateDict(renamed, { rename: (key) => names[key] });
    expect(linear.weight.tolist()).toEqual([[6, 7]]);
    expect(() => linear.loadStateDict(renamed, { rename: () => 'weight' })).toThrow(
      /two keys of the state dict become weight/,
    );
    for (const wrong of [null, 5, [torch.ones([1])], torch.ones([1])])
      expect(() => linear.loadStateDict(wrong as never)).toThrow(/Expected a Map or an object of tensors/);
    expect(() => linear.loadStateDict({}, { strict: 1 as never })).toThrow(code('ERR_ARGUMENT'));
  });

  it('from before PyTorch 0.4 lack num_batches_tracked, and scalars may have one dimension', () => {
    const norm = new nn.BatchNorm2d(2);
    const state = norm.stateDict();
    const old = new Map([...state].filter(([key]) => key !== 'num_batches_tracked'));
    expect(norm.loadStateDict(old)).toEqual({ missing: [], unexpected: [] });
    const present = Object.assign(new Map(old), { _metadata: state._metadata });
    expect(() => norm.loadStateDict(present)).toThrow(/missing: num_batches_tracked/);
    norm.loadStateDict(new Map([...old, ['num_batches_tracked', torch.tensor([9])]]));
    expect(norm.numBatchesTracked?.item()).toBe(9);
    expect(norm.numBatchesTracked?.shape).toEqual([]);
  });
});

describe('modes and places', () => {
  it('train and eval reach every module; requiresGrad_ and zeroGrad every parameter', () => {
    const net = new Net();
    expect(net.eval()).toBe(net);
    expect(net.modules().every(({ training }) => !training)).toBe(true);
    expect(
      net
        .train()
        .modules()
        .every(({ training }) => training),
    ).toBe(true);
    expect(() => net.train('yes' as never)).toThrow(code('ERR_ARGUMENT'));
    net
      .forward(torch.randn([2, 2, 2, 2]))
      .sum()
      .backward();
    expect(net.parameters().every(({ grad }) => grad !== null)).toBe(true);
    net.zeroGrad({ setToNone: false });
    expect(net.classifier.weight.grad?.abs().sum().item()).toBe(0);
    net.zeroGrad();
    expect(net.parameters().every(({ grad }) => grad === null)).toBe(true);
    net.requiresGrad_(false);
    expect(net.forward(torch.randn([2, 2, 2, 2])).requiresGrad).toBe(false);
    const seen: string[] = [];
    net.apply((module) => seen.push(module.constructor.name));
    expect([seen[0], seen.at(-1)]).toEqual(['Conv2d', 'Net']);
  });

  it('to() moves in place: same objects, gradients too, integers keep their dtype', () => {
    const norm = new nn.BatchNorm2d(3);
    const { weight } = norm;
    norm
      .forward(torch.randn([2, 3, 2, 2]))
      .sum()
      .backward();
    norm.to('float64');
    expect(norm.weight).toBe(weight);
    expect([weight?.dtype, weight?.grad?.dtype, weight?.requiresGrad]).toEqual(['float64', 'float64', true]);
    expect([norm.runningMean?.dtype, norm.numBatchesTracked?.dtype]).toEqual(['float64', 'int64']);
    norm
      .forward(torch.randn([2, 3, 2, 2], { dtype: 'float64' }))
      .sum()
      .backward();
    const conv = new nn.Conv2d(4, 4, 3);
    conv.to({ memoryFormat: 'channels_last' });
    expect(conv.weight.stride()).toEqual([36, 1, 12, 4]);
    conv.to('cpu').to({ device: 'cpu', dtype: 'float32' });
    for (const wrong of ['int64', 'bool']) expect(() => conv.to(wrong as never)).toThrow(code('ERR_DTYPE'));
    for (const wrong of [5, null, torch.ones([1])]) expect(() => conv.to(wrong as never)).toThrow(code('ERR_ARGUMENT'));
    expect(conv.weight.dtype).toBe('float32');
  });

  it('leave no tensor behind: made in a scope they stay, disposed of they are gone', () => {
    const before = memory().tensors;
    const net = tidy(() => new Net());
    net.to('float64').to('float32');
    tidy(() => {
      net
        .forward(torch.randn([2, 2, 2, 2]))
        .sum()
        .backward();
    });
    net.zeroGrad();
    net.blocks.at(0)?.plain.dispose();
    net.dispose();
    expect(memory().tensors).toBe(before);
    expect(() => net.forward(torch.randn([2, 2, 2, 2]))).toThrow(code('ERR_TENSOR_DISPOSED'));
  });
});

describe('containers', () => {
  it('Sequential chains, also with names, and one module may be there twice', () => {
    const double = new (class Double extends nn.Module {
      override forward(x: Tensor): Tensor {
        return x.mul(2);
      }
    })();
    const chain = new nn.Sequential(double, double).append(double);
    expect(chain.forward(torch.ones([1])).item()).toBe(8);
    expect([chain.length, chain.at(-1), [...chain].length]).toEqual([3, double, 3]);
    const named = new nn.Sequential({ fc: new nn.Linear(2, 2), act: new nn.ReLU() });
    expect([...named.stateDict().keys()]).toEqual(['fc.weight', 'fc.bias']);
    expect(new nn.Sequential().forward(torch.ones([1])).item()).toBe(1);
  });
});

describe('errors inside forward', () => {
  it('tell the way to the layer, in message and stack', () => {
    const net = new Net();
    const error = caught(() => net.classifier.forward(torch.ones([2, 9])));
    expect(error.message).toMatch(/\n {2}in Linear 4 → 3$/);
    const deep = caught(() => net.forward(torch.ones([2, 2, 3, 3])));
    expect(deep.code).toBe('ERR_SHAPE');
    expect(deep.message).toMatch(/\n {2}in Net\.body\.1 \(Linear 8 → 4\)$/);
    expect(deep.message.match(/\n {2}in /g)).toHaveLength(1);
    expect(deep.stack?.startsWith(`${deep.name}: ${deep.message}\n    at `)).toBe(true);
    const inBlock = caught(() => net.forward(torch.ones([2, 3, 2, 2])));
    expect(inBlock.message).toMatch(/\n {2}in Net\.blocks\.0\.conv1 \(Conv2d 2 → 2\)$/);
  });

  it('of other kinds pass through, and super.forward counts once', () => {
    class Odd extends nn.Linear {
      override forward(x: Tensor): Tensor {
        if (x.shape[0] === 0) throw new RangeError('mine');
        return super.forward(x);
      }
    }
    expect(() => new Odd(2, 2).forward(torch.ones([0, 2]))).toThrow(new RangeError('mine'));
    expect(caught(() => new nn.Sequential(new Odd(2, 2)).forward(torch.ones([1, 3]))).message).toMatch(
      /\n {2}in Sequential\.0 \(Odd 2 → 2\)$/,
    );
  });
});
