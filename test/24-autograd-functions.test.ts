// Gradients of one's own: custom functions beside what LibTorch derives, eager, twice differentiated and in captured steps;
// hooks on gradients; and the check of gradients itself, which has to find wrong ones.

import { describe, expect, it } from 'vitest';
import * as nn from '../lib/nn/index.js';
import { capture, memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { collectGarbage, liveTensors } from './support/live.js';
import { encode } from './support/python.js';

const { customFunction, gradcheck, gradgradcheck } = torch.autograd;
const code = (value: string) => expect.objectContaining({ code: value });
const double = (shape: number[]) => torch.randn(shape, { dtype: 'float64', requiresGrad: true });

let runs = { forward: 0, backward: 0 };
const counted = () => {
  runs = { forward: 0, backward: 0 };
  return customFunction({
    name: 'cube',
    forward(context, x: Tensor) {
      runs.forward++;
      context.saveForBackward(x);
      return x.pow(3);
    },
    backward({ savedTensors: [x] }, gradient) {
      runs.backward++;
      return gradient.mul(x!.square().mul(3));
    },
  });
};

describe('custom functions', () => {
  it('give what forward gives and the gradients that backward gives, and are recorded once for each form', () => {
    const cube = counted();
    for (let i = 0; i < 3; i++) {
      const x = double([4]);
      const y = cube(x.mul(1));
      expect(encode(y)).toEqual(encode(x.pow(3)));
      y.sum().backward();
      expect(encode(x.grad!)).toEqual(encode(x.detach().square().mul(3)));
    }
    expect(runs).toEqual({ forward: 1, backward: 1 });
    cube(double([5]));
    expect(runs).toEqual({ forward: 2, backward: 2 });
    cube(torch.randn([5]));
    expect(runs).toEqual({ forward: 3, backward: 2 }); // no gradient is wanted
    torch.noGrad(() => cube(double([4])));
    expect(runs.backward).toBe(2);
  });

  it('are differentiated again', () => {
    const cube = counted();
    expect(gradcheck(cube, [double([2, 3])])).toBe(true);
    expect(gradgradcheck(cube, [double([2, 3])])).toBe(true);
  });

  it('save outputs and others, take several tensors and settings, give several', () => {
    const twice = customFunction({
      forward(context, x: Tensor, y: Tensor, power: number, flip: boolean) {
        const e = x.exp();
        const p = y.pow(power);
        context.saveForBackward(e, y, p.mul(2));
        expect(context.needsInputGrad).toEqual([true, true, false, false]);
        return flip ? [p, e] : [e, p];
      },
      backward({ savedTensors: [e, y] }, first, second) {
        return [first.mul(e!), second.mul(y!.mul(2)), null, null];
      },
    });
    const [x, y] = [double([3]), double([3])];
    const [e, p] = twice(x, y, 2, false) as [Tensor, Tensor];
    e.sum().add(p.mul(3).sum()).backward();
    expect(torch.allclose(x.grad!, x.exp())).toBe(true);
    expect(torch.allclose(y.grad!, y.mul(6))).toBe(true);
    const [flipped] = twice(x, y, 2, true) as [Tensor, Tensor];
    expect(encode(flipped)).toEqual(encode(y.pow(2)));
    expect(gradgradcheck((a, b) => twice(a!, b!, 2, false), [double([2]), double([2])])).toBe(true);
  });

  it('work on complex numbers, with random numbers drawn once, and inputs given back', () => {
    const square = customFunction({
      forward(context, z: Tensor) {
        context.saveForBackward(z);
        return z.mul(z);
      },
      backward: ({ savedTensors: [z] }, gradient) => gradient.mul(z!.mul(2).conj()),
    });
    const z = torch.randn([3], { dtype: 'complex128', requiresGrad: true });
    expect(gradcheck(square, [z])).toBe(true);
    const noisy = customFunction({
      forward: (context, x: Tensor) => {
        const mask = torch.bernoulli(torch.full(x.shape, 0.5));
        context.saveForBackward(mask);
        return x.mul(mask);
      },
      backward: ({ savedTensors: [mask] }, gradient) => gradient.mul(mask!).add(torch.randn([1]).mul(0)),
    });
    const draws = () => {
      torch.manualSeed(0);
      const x = torch.ones([8]).requiresGrad_(true);
      const y = noisy(x);
      const after = torch.rand([1]);
      y.sum().backward();
      return [y, x.grad!, after].map(encode);
    };
    const recorded = draws();
    expect(draws()).toEqual(recorded);
    const same = customFunction({ forward: (_, x: Tensor) => x, backward: (_, gradient) => gradient.mul(5) });
    const x = double([2]);
    same(x).sum().backward();
    expect(x.grad!.tolist()).toEqual([5, 5]);
  });

  it('see parameters from outside as they are now, and record anew when those have gone', () => {
    let scale = torch.tensor([2]).to('float64');
    let recordings = 0;
    const scaled = customFunction({
      forward: (_, x: Tensor) => {
        recordings++;
        return x.mul(scale);
      },
      backward: (_, gradient) => gradient.mul(scale),
    });
    const x = double([1]);
    const first = scaled(x).item();
    scale.fill_(3);
    expect(scaled(x).item() / first).toBeCloseTo(1.5);
    expect(recordings).toBe(1);
    scale.dispose();
    scale = torch.tensor([4]).to('float64');
    expect(scaled(x).item() / first).toBeCloseTo(2);
    expect(recordings).toBe(2);
  });

  it('are replayed in captured steps without JavaScript, bit for bit', async () => {
    const train = async (captured: boolean) => {
      const cube = counted();
      torch.manualSeed(0);
      const layer = new nn.Linear(3, 3);
      const step = (x: Tensor) => {
        layer.zeroGrad();
        const loss = cube(layer.forward(x)).square().mean();
        loss.backward();
        torch.noGrad(() => layer.parameters().forEach((p) => void p.sub_(p.grad!, { alpha: 0.01 })));
        return loss;
      };
      const run = captured ? capture(step) : step;
      const losses = [];
      for (let i = 0; i < 5; i++) losses.push(encode(await run(torch.randn([4, 3]))));
      return [...losses, ...layer.parameters().map((p) => encode(p))];
    };
    const eager = await train(false);
    expect(await train(true)).toEqual(eager);
    expect(runs).toEqual({ forward: 1, backward: 1 });
  });

  it('hold no tensors: as many are alive after a thousand calls', async () => {
    const cube = counted();
    const x = double([4]);
    const once = () =>
      tidy(() => {
        cube(x).sum().backward();
      });
    once();
    const before = await liveTensors();
    for (let i = 0; i < 1000; i++) once();
    expect(memory().tensors).toBe(before);
  });

  const x = double([3]);
  const identity = (_: unknown, g: Tensor) => g;
  const wrong: Record<string, [() => unknown, string]> = {
    'values that are read': [
      () => customFunction({ forward: (_, t: Tensor) => t.mul(t.sum().item()), backward: identity })(x),
      'ERR_CAPTURE',
    ],
    'values that are read in backward': [
      () => customFunction({ forward: (_, t: Tensor) => t.exp(), backward: (_, g) => g.mul(g.sum().item()) })(x),
      'ERR_CAPTURE',
    ],
    'writing into an input': [
      () => customFunction({ forward: (_, t: Tensor) => t.add_(1), backward: identity })(x.mul(1)),
      'ERR_AUTOGRAD',
    ],
    'a gradient of another shape': [
      () => customFunction({ forward: (_, t: Tensor) => t.sum(), backward: identity })(x),
      'ERR_SHAPE',
    ],
    'too few gradients': [
      () => customFunction({ forward: (_, a: Tensor, b: Tensor) => a.add(b), backward: identity })(x, x),
      'ERR_AUTOGRAD',
    ],
    'a result that is no tensor': [
      () => customFunction({ forward: (_, _t: Tensor) => 3 as never, backward: identity })(x),
      'ERR_AUTOGRAD',
    ],
    'arguments that are objects': [
      () => customFunction({ forward: (_, t: Tensor) => t, backward: identity })({} as never),
      'ERR_ARGUMENT',
    ],
    'no backward': [() => customFunction({ forward: () => x } as never), 'ERR_ARGUMENT'],
  };
  for (const [what, [fn, error]] of Object.entries(wrong))
    it(`refuse ${what}`, () => {
      expect(fn).toThrow(code(error));
      const cube = counted(); // and nothing is left open
      cube(x).sum().backward();
      expect(x.grad!.shape).toEqual([3]);
    });

  it('refuse a tensor of the captured step around them that is no argument', async () => {
    const step = capture((t: Tensor) => {
      const mask = t.gt(0);
      const masked = customFunction({ forward: (_, u: Tensor) => u.mul(mask), backward: (_, g) => g });
      return masked(t);
    });
    await expect(step(torch.ones([2]))).rejects.toThrow(code('ERR_CAPTURE'));
    expect((await capture((t: Tensor) => t.mul(2))(torch.ones([2]))).tolist()).toEqual([2, 2]);
  });
});

describe('gradcheck', () => {
  it('finds a gradient that is wrong, and one that is wrong only the second time', () => {
    const wrong = customFunction({ forward: (_, t: Tensor) => t.mul(3), backward: (_, g) => g.mul(2) });
    expect(() => gradcheck(wrong, [double([2])])).toThrow(code('ERR_AUTOGRAD'));
    expect(gradcheck(wrong, [double([2])], { raiseException: false })).toBe(false);
    const once = customFunction({
      forward(context, t: Tensor) {
        context.saveForBackward(t.square()); // neither input nor output: its own gradient is lost
        return t.pow(3);
      },
      backward: ({ savedTensors: [square] }, g) => g.mul(square!.mul(3)),
    });
    expect(gradcheck(once, [double([2])])).toBe(true);
    expect(() => gradgradcheck(once, [double([2])])).toThrow(code('ERR_AUTOGRAD'));
  });

  it('passes operators and modules, complex ones too, and leaves no tensors', async () => {
    const [a, b] = [double([2, 3]), double([3, 2])];
    const lstm = new nn.LSTM(2, 2, { dtype: 'float64' });
    const z = torch.randn([2, 2], { dtype: 'complex128', requiresGrad: true });
    const before = await liveTensors();
    expect(gradcheck((x, y) => x!.matmul(y!).tanh(), [a, b])).toBe(true);
    expect(gradgradcheck((x, y) => x!.matmul(y!).tanh(), [a, b])).toBe(true);
    expect(gradcheck((x) => lstm.forward(x!.unsqueeze(0))[0], [b])).toBe(true);
    expect(gradcheck((x) => [x!.abs(), x!.mul(x!), x!.real], [z])).toBe(true);
    expect(() => gradcheck((x) => x!, [torch.ones([2])])).toThrow(code('ERR_AUTOGRAD'));
    await collectGarbage();
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });
});

describe('gradient hooks', () => {
  it('see gradients and change them, on leaves and between, until they are removed', () => {
    const x = double([3]);
    const y = x.mul(2);
    const seen: number[][] = [];
    y.registerHook((gradient) => void seen.push(gradient.tolist() as number[]));
    const handle = x.registerHook((gradient) => gradient.mul(10));
    y.registerHook((gradient) => gradient.add(1));
    y.sum().backward();
    expect([seen, x.grad!.tolist()]).toEqual([[[1, 1, 1]], [40, 40, 40]]);
    handle.remove();
    handle.remove();
    x.grad = null;
    x.sum().backward();
    expect(x.grad!.tolist()).toEqual([1, 1, 1]);
  });

  it('an error in one is the error of backward, and the next backward is as ever', () => {
    const x = double([2]);
    const handle = x.registerHook(() => {
      throw new TypeError('of mine');
    });
    expect(() => x.sum().backward()).toThrow(new TypeError('of mine'));
    handle.remove();
    x.registerHook(() => 5 as never);
    expect(() => x.sum().backward()).toThrow(code('ERR_ARGUMENT'));
    expect(() => torch.ones([2]).registerHook(() => undefined)).toThrow(code('ERR_AUTOGRAD'));
    expect(() => x.registerHook(3 as never)).toThrow(code('ERR_ARGUMENT'));
  });

  it('are recorded by captured steps: on parameters, and on tensors of the step', async () => {
    const run = async (captured: boolean) => {
      torch.manualSeed(0);
      const layer = new nn.Linear(3, 3);
      layer.weight.registerHook((gradient) => gradient.mul(0.5).clamp(-0.1, 0.1));
      const step = (x: Tensor) => {
        layer.zeroGrad();
        const y = layer.forward(x);
        y.registerHook((gradient) => gradient.sign().mul(0.01));
        const loss = y.square().mean();
        loss.backward();
        torch.noGrad(() => layer.parameters().forEach((p) => void p.sub_(p.grad!, { alpha: 0.1 })));
        return loss;
      };
      const called = captured ? capture(step) : step;
      const losses = [];
      for (let i = 0; i < 4; i++) losses.push(encode(await called(torch.randn([4, 3]))));
      return [...losses, ...layer.parameters().map((p) => encode(p))];
    };
    expect(await run(true)).toEqual(await run(false));
  });

  it('that come or go let a step record anew; those that read values are refused there', async () => {
    const w = new nn.Parameter(torch.ones([2]));
    const step = capture((x: Tensor) => {
      w.grad = null;
      w.mul(x).sum().backward();
      return w.grad!.clone();
    });
    const x = torch.ones([2]);
    expect((await step(x)).tolist()).toEqual([1, 1]);
    expect((await step(x)).tolist()).toEqual([1, 1]);
    const handle = w.registerHook((gradient) => gradient.mul(3));
    expect((await step(x)).tolist()).toEqual([3, 3]);
    expect((await step(x)).tolist()).toEqual([3, 3]);
    const before = step.recordings;
    expect((await step(x)).tolist()).toEqual([3, 3]);
    expect(step.recordings).toBe(before);
    handle.remove();
    expect((await step(x)).tolist()).toEqual([1, 1]);
    w.registerHook((gradient) => gradient.mul(gradient.sum().item()));
    await expect(step(x)).rejects.toThrow(code('ERR_CAPTURE'));
    const outside = capture((t: Tensor) => {
      w.registerHook((gradient) => gradient);
      return t.mul(w);
    });
    await expect(outside(x)).rejects.toThrow(code('ERR_CAPTURE'));
  });

  it('full backward hooks of modules see inputs’ and outputs’ gradients together; captured steps refuse them', async () => {
    const layer = new nn.Linear(2, 2, { dtype: 'float64' });
    const seen: (number[] | null)[][][] = [];
    const handle = layer.registerFullBackwardHook((module, inputs, outputs) => {
      expect(module).toBe(layer);
      seen.push([inputs, outputs].map((list) => list.map((g) => g && (g.tolist() as number[]))));
      return [inputs[0]!.mul(100)];
    });
    const x = double([2]);
    layer.forward(x).sum().backward();
    const plain = layer.weight.detach().sum([0]);
    expect(seen).toEqual([[[plain.tolist()], [[1, 1]]]]);
    expect(encode(x.grad!)).toEqual(encode(plain.mul(100)));
    await expect(capture((t: Tensor) => layer.forward(t).sum())(x)).rejects.toThrow(code('ERR_CAPTURE'));
    handle.remove();
    layer.registerFullBackwardHook((_, inputs) => void seen.push([inputs as never]));
    layer.forward(x.detach()).sum().backward();
    expect(seen.at(-1)).toEqual([[null]]);
  });
});
