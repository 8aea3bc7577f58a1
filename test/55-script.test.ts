// Models that come as programs: they give what Python's loader gives, train, move, stand inside captured steps, and tell of
// their errors in their own words.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadTorch } from '../lib/checkpoint/index.js';
import * as losses from '../lib/losses/index.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import {
  loadPackage,
  loadScript,
  type ScriptInput,
  type ScriptModule,
  type ScriptOutput,
} from '../lib/script/index.js';
import { capture, memory, Tensor, tidy, torch } from '../lib/tensor/index.js';
import { decode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const maker = fileURLToPath(new URL('./fixtures/make_scripts.py', import.meta.url));
const withPython = needs(python, 'a Python that has torch');
const examples = join(process.env.ISOTORCH_TEST_DATA ?? '', 'checkpoints');
const withExamples = needs(
  python && existsSync(join(examples, 'torchscript-lenet.pt')),
  'the checkpoints of the test data, and a Python that has torch',
);

let folder: string;
let expected: Map<string, unknown>;
const file = (name: string) => join(folder, name);
const tensor = (name: string) => expected.get(name) as Tensor;
const state = (name: string) => expected.get(name) as Map<string, Tensor>;
const same = (a: Tensor, b: Tensor) => expect(a.equal(b)).toBe(true);

withPython.describe('TorchScript', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'isotorch-script-'));
    execFileSync(python!, [maker, folder], { stdio: 'pipe' });
    expected = await loadTorch<Map<string, unknown>>(file('expected.pth'));
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['scripted', 'traced', 'frozen'])('a %s module gives what it gives in Python', async (name) => {
    const module = await loadScript(file(`${name}.pt`));
    const output = torch.noGrad(() => module.forward(tensor('x')));
    // A frozen module folds batch norm into the convolution, here and there alike.
    if (name === 'frozen') expect(output.allclose(tensor('net'), { rtol: 1e-5, atol: 1e-6 })).toBe(true);
    else same(output, tensor('net'));
    expect([...module.stateDict().keys()]).toEqual(name === 'frozen' ? [] : [...state('state').keys()]);
    expect(module.training).toBe(false);
  });

  it('is a module: parameters, buffers, modes, state dicts both ways, printing', async () => {
    const module = await loadScript(file('scripted.pt'));
    expect([...module.namedParameters().keys()]).toEqual([
      'conv.weight',
      'conv.bias',
      'bn.weight',
      'bn.bias',
      'fc.weight',
      'fc.bias',
    ]);
    expect(module.parameters().every((parameter) => parameter.requiresGrad)).toBe(true);
    expect([...module.namedBuffers().keys()]).toEqual(['bn.running_mean', 'bn.running_var', 'bn.num_batches_tracked']);
    for (const [key, value] of module.stateDict()) same(value, state('state').get(key)!);
    expect(module.className).toBe('Net');
    expect(String(module)).toMatch(/^ScriptModule Net\(\n[\s\S]*\(bn\): ScriptModule BatchNorm2d\(\)/);
    expect(module.methods.forward).toMatch(/Tensor x.*-> Tensor/);

    const zeros = [...module.stateDict()].map(([key, value]) => [key, value.zerosLike()] as const);
    module.loadStateDict(Object.fromEntries(zeros));
    same(module.forward(tensor('x')), torch.zeros([5, 3]));
    module.loadStateDict(state('state'));
    same(module.forward(tensor('x')).detach(), tensor('net'));

    module.train();
    expect(module.modules().every(({ training }) => training)).toBe(true);
    expect((module.namedChildren().get('bn') as ScriptModule).attribute('training')).toBe(true);
  });

  it('trains to the bits of Python', async () => {
    const module = await loadScript(file('scripted.pt'));
    const optimizer = new optim.SGD(module.parameters(), { lr: 0.1, momentum: 0.9 });
    const labels = torch.arange(5, { dtype: 'int64' }).remainder(3);
    const step = (x: Tensor) => {
      optimizer.zeroGrad();
      const loss = torch.crossEntropyLoss(module.forward(x), labels);
      loss.backward();
      optimizer.step();
      return loss;
    };
    for (let i = 0; i < 10; i++) tidy(() => void step(tensor('x')));
    for (const [key, value] of module.stateDict()) same(value, state('trained').get(key)!);
    module.train();
    torch.manualSeed(3);
    same(module.forward(tensor('x')).detach(), tensor('dropped'));
    for (const [key, value] of module.stateDict()) same(value, state('after').get(key)!);
  });

  it('captured steps with a script inside leave the bits of eager ones', async () => {
    const run = async (captured: boolean) => {
      const features = await loadScript(file('scripted.pt'));
      const model = new nn.Sequential(features, new losses.IsoMaxHead(3, 3)).train();
      const criterion = new losses.IsoMaxLoss();
      const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
      const labels = torch.arange(5, { dtype: 'int64' }).remainder(3);
      const train = (x: Tensor) => {
        const loss = criterion.forward(model.forward(x), labels);
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
        return loss;
      };
      torch.manualSeed(4);
      const step = capture(train);
      const seen: number[] = [];
      for (let i = 0; i < 12; i++) {
        if (i === 6) model.eval(); // recorded anew
        seen.push(captured ? (await step(tensor('x'))).item() : tidy(() => train(tensor('x')).item()));
      }
      if (captured) {
        expect(step.recordings).toBeLessThan(6);
        expect(step.inspect()).toContain('script forward');
      }
      return { seen, weights: [...model.stateDict().values()].map((value) => value.tolist()) };
    };
    expect(await run(true)).toEqual(await run(false));
  });

  it('keeps tied what was tied: an optimizer gets each parameter once', async () => {
    const tied = await loadScript(file('tied.pt'));
    expect(tied.parameters()).toHaveLength(2);
    expect([...tied.stateDict().keys()]).toEqual(['a.weight', 'a.bias', 'b.weight', 'b.bias', 'c.weight']);
    tied.to('float64');
    const x = torch.ones([1, 3], { dtype: 'float64' });
    const { weight, bias } = Object.fromEntries(tied.namedChildren().get('a')!.ownParameters());
    const once = (h: Tensor) => torch.linear(h, weight!, bias!);
    same(tied.forward(x), torch.linear(once(once(x)), weight!));
  });

  it('moves with the module around it', async () => {
    const module = await loadScript(file('scripted.pt'));
    const model = new nn.Sequential(module as unknown as nn.AnyModule as nn.Module, new nn.Identity());
    model.to('float64');
    const output = model.forward(tensor('x').to('float64')).detach();
    expect(output.dtype).toBe('float64');
    same(output, tensor('double'));
    model.to({ dtype: 'float32', memoryFormat: 'channels_last' });
    expect(model.forward(tensor('x')).allclose(tensor('net'), { atol: 1e-6 })).toBe(true);
  });

  it('takes and gives numbers, text, lists, tuples, dicts and what may be missing', async () => {
    const many = await loadScript<ScriptOutput, ScriptInput[]>(file('many.pt'));
    const v = tensor('v');
    const wanted = expected.get('many') as Tensor[];
    same(many.forward(v) as Tensor, wanted[0]!);
    same(many.forward(v, 4) as Tensor, wanted[1]!);
    same(many.forward(v, 1, 0.5) as Tensor, wanted[2]!);
    same(many.forward(v, undefined, null) as Tensor, wanted[0]!);

    const [sum, [count, word], nothing] = many.call('tuples', [v, 4]) as [Tensor, [number, string], null];
    expect([sum.tolist(), count, word, nothing]).toEqual([v.add(4).tolist(), 5, 'next', null]);
    const pair = many.call('named', [v, v]) as { total: Tensor; count: number };
    expect([pair.total.item(), pair.count]).toEqual([-5, 2]);
    const byName = many.call(
      'dicts',
      { a: v, b: v.neg() },
      new Map([
        [1, 0.5],
        [2, 2],
      ]),
    );
    expect(byName).toEqual(
      new Map([
        ['a', [-1.25, -5]],
        ['b', [1.25, 5]],
      ]),
    );
    expect(many.call('words', 'one two', true, ['three'])).toEqual(['two', 'one', 'three']);
    expect(many.call('large', 2n ** 60n)).toBe(2n ** 60n + 1n);
    expect(many.call('large', 41)).toBe(42);
    expect([many.call('either', 1), many.call('either', 'x')]).toEqual(['int', 'str']);

    expect(many.attributes).toMatchObject({ names: 'List[str]', limits: 'Dict[str, float]', steps: 'int' });
    expect(many.attribute('limits')).toEqual(
      new Map([
        ['low', -1],
        ['high', 1],
      ]),
    );
    many.setAttribute('names', ['c']);
    many.setAttribute('steps', 7);
    expect([many.attribute('names'), many.attribute('steps')]).toEqual([['c'], 7]);
  });

  it('raises its own errors with its own stack', async () => {
    const many = await loadScript<ScriptOutput, ScriptInput[]>(file('many.pt'));
    const raised = (fn: () => unknown) => {
      try {
        fn();
      } catch (error) {
        return error as { code: string; message: string };
      }
      throw new Error('nothing was raised');
    };
    const own = raised(() => many.call('fails', torch.zeros([3])));
    expect(own.code).toBe('ERR_SCRIPT');
    expect(own.message).toMatch(/make_scripts\.py", line \d+, in fails[\s\S]*at most two numbers, please/);
    const inside = raised(() => many.call('fails', torch.zeros([2])));
    expect(inside.code).toBe('ERR_SCRIPT');
    expect(inside.message).toMatch(/in fails[\s\S]*x\.view\(7, 7\)[\s\S]*invalid for input of size 2/);
    for (const [args, message] of [
      [['nowhere'], /no method 'nowhere'/],
      [['forward', 'text'], /Expected Tensor for forward: x but received string/],
      [['forward', tensor('v'), 1.5], /Expected int for forward: times but received number/],
      [['forward', tensor('v'), 1, 2, 3], /at most 3 arguments but received 4/],
      [['tuples', [tensor('v')]], /Expected Tuple\[Tensor, int\] for tuples: pair/],
      [['named', [tensor('v'), 3]], /Expected Tensor for named: xs\[1\] but received number/],
      [['words', 'x'], /Expected bool for words: flag but received undefined/],
      [['large', 2n ** 70n], /64 bits/],
    ] as [[string, ...ScriptInput[]], RegExp][])
      expect(raised(() => many.call(...args))).toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(message),
      });
    expect(raised(() => many.setAttribute('steps', 'many'))).toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(raised(() => many.attribute('nothing'))).toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('refuses, in a captured step, to give what is no tensor', async () => {
    const many = await loadScript<ScriptOutput, ScriptInput[]>(file('many.pt'));
    const step = capture((v: Tensor) => {
      many.call('words', 'x', true);
      return v;
    });
    await expect(step(tensor('v'))).rejects.toMatchObject({ code: 'ERR_CAPTURE' });
    const fine = capture((v: Tensor) => many.forward(v, 3) as Tensor);
    for (let i = 0; i < 3; i++) same(await fine(tensor('v')), many.forward(tensor('v'), 3) as Tensor);
  });

  it('leaves no tensor behind', async () => {
    const module = await loadScript(file('scripted.pt'));
    const { tensors } = memory();
    for (let i = 0; i < 20; i++) tidy(() => void module.forward(tensor('x')));
    expect(memory().tensors).toBe(tensors);
    module.dispose();
    expect(memory().tensors).toBe(tensors - 9);
  });

  it('says what is wrong with a file', async () => {
    await expect(loadScript(file('missing.pt'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(loadScript(folder)).rejects.toMatchObject({ code: 'ERR_FILE' });
    writeFileSync(file('text.pt'), 'no script');
    await expect(loadScript(file('text.pt'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(loadScript(file('expected.pth'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(loadScript(5 as unknown as string)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(loadPackage(file('text.pt'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(loadPackage(file('missing.pt2'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

withExamples.describe('files that were written by other versions of PyTorch', () => {
  it('give what Python gives', async () => {
    const names = readdirSync(examples).filter((name) => name.startsWith('torchscript'));
    const results = runPython(
      `
      out = {}
      for path in input:
          module = torch.jit.load(path)
          module.eval()
          torch.manual_seed(0)
          for shape in [(2, 3), (1, 1, 28, 28), (1, 1, 32, 32), (1, 3, 32, 32), (1, 1), (1, 10), (1, 784), (1, 2), (1, 4), (1, 5)]:
              x = torch.randn(shape)
              try: y = module(x)
              except Exception: continue
              out[path] = {'x': x, 'y': y}
              break
      emit(out)`,
      names.map((name) => join(examples, name)),
    ) as Record<string, { x: TensorJson; y: TensorJson }>;
    expect(Object.keys(results).length).toBeGreaterThan(2);
    for (const [path, { x, y }] of Object.entries(results)) {
      const module = (await loadScript(path)).eval();
      const output = module.forward(decode(x));
      expect(output, path).toBeInstanceOf(Tensor);
      same(output.detach(), decode(y));
    }
  });
});

const runs = (command: string, argument: string) => spawnSync(command, [argument]).status === 0;
// The compiler asks the command openssl for checksums.
const compiles = python && (runs('g++', '--version') || runs('clang++', '--version')) && runs('openssl', 'version');
needs(compiles, 'a Python that has torch, a C++ compiler, and openssl for it').describe('a compiled package', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'isotorch-package-'));
    execFileSync(python!, [maker, folder, '--package'], { stdio: 'pipe' });
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('runs, alone and in a captured step, takes other weights, and tells what it is', async () => {
    expected = await loadTorch<Map<string, unknown>>(file('package.pth'));
    using model = await loadPackage(file('net.pt2'));
    const close = (a: Tensor, b: Tensor) => expect(a.allclose(b, { rtol: 1e-5, atol: 1e-6 })).toBe(true);
    close(model.forward(tensor('x')), tensor('y'));
    expect(model.metadata).toMatchObject({ AOTI_DEVICE_KEY: 'cpu' });
    expect([...model.constants].sort()).toEqual(['1.bias', '1.weight']);

    const step = capture((x: Tensor) => ({ probabilities: model.forward(x).softmax(1) }));
    for (let i = 0; i < 3; i++) close((await step(tensor('x'))).probabilities, tensor('y').softmax(1));
    expect(step.records[0]!.replays).toBe(2);

    const bias = torch.arange(16, { dtype: 'float32' });
    model.loadStateDict({ '1.bias': bias }, { strict: false });
    const weight = state('state').get('1.weight')!;
    close(model.forward(tensor('x')), torch.linear(tensor('x').flatten(1), weight, bias).relu());
    expect(() => model.loadStateDict({ '1.bias': bias })).toThrow(/Expected all 2 constants/);
    expect(() => model.loadStateDict({ '1.bios': bias })).toThrow(/no constant '1.bios'/);
    model.loadStateDict(state('state'));
    close(model.forward(tensor('x')), tensor('y'));
    expect(() => model.run(torch.zeros([5, 2, 6, 6]))).toThrow(expect.objectContaining({ code: 'ERR_SCRIPT' }));
    expect(() => model.run(torch.zeros([5, 1, 6, 6]), torch.zeros([1]))).toThrow(
      expect.objectContaining({ code: 'ERR_SCRIPT' }),
    );
    await expect(loadPackage(file('net.pt2'), { model: 'other' })).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    model.dispose();
    expect(() => model.run(tensor('x'))).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});
