// Mixed precision: autocast's dtypes are Python's, GradScaler's arithmetic is Python's, and both work in a captured step.

import { describe, expect, it } from 'vitest';
import { amp, autocast, capture, memory, nn, optim, type Tensor, tidy, torch } from '../lib/rooms.js';
import { encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const code = (value: string) => expect.objectContaining({ code: value });
const { it: withPython } = needs(python, 'a Python that has torch');

describe('autocast', () => {
  it('runs matrix products in the short dtype and what needs digits in float32, nests, and ends', () => {
    const x = torch.randn([4, 4]);
    const inside = autocast('cpu', 'bfloat16', () => ({
      product: x.matmul(x).dtype,
      linear: torch.linear(x, x).dtype,
      loss: torch.mseLoss(x.matmul(x), x).dtype,
      off: autocast('cpu', { enabled: false }, () => x.matmul(x).dtype),
      half: autocast('cpu', { dtype: 'float16' }, () => x.matmul(x).dtype),
      again: x.matmul(x).dtype,
    }));
    expect(inside).toEqual({
      product: 'bfloat16',
      linear: 'bfloat16',
      loss: 'float32',
      off: 'float32',
      half: 'float16',
      again: 'bfloat16',
    });
    expect(x.matmul(x).dtype).toBe('float32');
    expect(() => autocast('cpu', 'bfloat16', () => x.matmul(torch.ones([3, 3])))).toThrow(code('ERR_SHAPE'));
    expect(x.matmul(x).dtype).toBe('float32');
  });

  it('refuses other devices, dtypes and async functions', () => {
    expect(() => autocast('meta' as 'cpu', 'bfloat16', () => 1)).toThrow(code('ERR_ARGUMENT'));
    expect(() => autocast('cpu', 'float64' as 'float16', () => 1)).toThrow(code('ERR_DTYPE'));
    expect(() => autocast('cpu', { dtype: 'int8' as 'float16' }, () => 1)).toThrow(code('ERR_DTYPE'));
    expect(() => autocast('cpu', 'bfloat16', 3 as never)).toThrow(code('ERR_ARGUMENT'));
    expect(() => autocast('cpu', 'bfloat16', async () => 1)).toThrow(code('ERR_ARGUMENT'));
  });

  withPython('trains to the bits that Python’s trains to', () => {
    torch.manualSeed(2);
    const x = torch.randn([16, 8]);
    const y = torch.randint(3, [16]);
    torch.manualSeed(4);
    const model = new nn.Sequential(new nn.Linear(8, 12), new nn.ReLU(), new nn.Linear(12, 3));
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
    for (let i = 0; i < 5; i++)
      tidy(() => {
        const loss = autocast('cpu', 'bfloat16', () => torch.crossEntropyLoss(model.forward(x), y));
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
      });
    const theirs = runPython(
      `
      x, y = T(input['x']), T(input['y'])
      torch.manual_seed(4)
      model = torch.nn.Sequential(torch.nn.Linear(8, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))
      optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True)
      for _ in range(5):
          with torch.autocast('cpu', torch.bfloat16): loss = torch.nn.functional.cross_entropy(model(x), y)
          optimizer.zero_grad()
          loss.backward()
          optimizer.step()
      emit([p for p in model.parameters()])`,
      { x: encode(x), y: encode(y) },
    );
    expect(model.parameters().map((parameter) => encode(parameter.detach()))).toEqual(theirs);
  });
});

describe('GradScaler', () => {
  const make = (options: amp.GradScalerOptions = {}) => {
    torch.manualSeed(1);
    const w = torch.randn([4, 3], { requiresGrad: true });
    const gapped = torch.randn([6, 4], { requiresGrad: false }).narrow(1, 0, 2).detach().requiresGrad_(true); // no fused kernel
    const optimizer = new optim.SGD([w, gapped], { lr: 0.1, momentum: 0.9 });
    const scaler = new amp.GradScaler({ device: 'cpu', initScale: 1024, growthInterval: 2, ...options });
    const step = (factor: Tensor) => {
      const loss = w.square().sum().add(gapped.square().sum()).mul(factor).mean();
      optimizer.zeroGrad();
      scaler.scale(loss).backward();
      scaler.step(optimizer);
      scaler.update();
      return { loss };
    };
    return { w, gapped, optimizer, scaler, step };
  };
  const factors = [1, 2, Number.POSITIVE_INFINITY, 1, 1, 1, Number.NaN, 0.5].map((value) =>
    torch.tensor(value, { dtype: 'float32' }),
  );

  it('leaves out steps with infinite gradients, halves and grows the scale, and moves as without it otherwise', () => {
    const scaled = make();
    const plain = make({ enabled: false });
    const scales: number[] = [];
    for (const factor of factors) {
      tidy(() => scaled.step(factor));
      if (Number.isFinite(factor.item())) tidy(() => plain.step(factor));
      scales.push(scaled.scaler.getScale());
      expect(scaled.w.tolist()).toEqual(plain.w.tolist());
      expect(scaled.gapped.tolist()).toEqual(plain.gapped.tolist());
    }
    expect(scales).toEqual([1024, 2048, 1024, 1024, 2048, 2048, 1024, 1024]);
    expect(plain.scaler.getScale()).toBe(1);
  });

  it('in a captured step gives the same bits, with no value read', async () => {
    const [eager, captured] = [make(), make()];
    const step = capture(captured.step);
    for (const factor of factors) {
      tidy(() => eager.step(factor));
      (await step(factor)).loss.dispose();
      expect(captured.w.tolist()).toEqual(eager.w.tolist());
      expect(captured.scaler.getScale()).toBe(eager.scaler.getScale());
    }
    expect(step.recordings).toBe(2); // the first starts the momentum
    expect(captured.scaler.stateDict()).toEqual(eager.scaler.stateDict());
  });

  it('a first step that is left out leaves no rubbish in the momentum', () => {
    const { w, step } = make();
    tidy(() => step(torch.tensor(Number.POSITIVE_INFINITY)));
    tidy(() => step(torch.tensor(1, { dtype: 'float32' })));
    const twin = make({ enabled: false });
    tidy(() => twin.step(torch.tensor(1, { dtype: 'float32' })));
    expect(w.tolist()).toEqual(twin.w.tolist());
  });

  it('unscale_ gives true gradients before the step', () => {
    const { w, gapped, optimizer, scaler } = make();
    scaler.scale(w.sum().add(gapped.sum())).backward();
    scaler.unscale_(optimizer);
    expect(w.grad!.sum().item()).toBeCloseTo(12);
    expect(() => scaler.unscale_(optimizer)).toThrow(code('ERR_ARGUMENT'));
    const before = w.sum().item();
    scaler.step(optimizer);
    expect(w.sum().item()).toBeCloseTo(before - 1.2, 4);
    expect(() => scaler.step(optimizer)).toThrow(/update\(\) between/);
    scaler.update();
    expect(() => scaler.update()).toThrow(code('ERR_ARGUMENT'));
  });

  it('refuses what can’t be', () => {
    for (const options of [{ growthFactor: 1 }, { backoffFactor: 1 }, { growthInterval: 0 }, { initScale: Number.NaN }])
      expect(() => new amp.GradScaler({ device: 'cpu', ...options })).toThrow(code('ERR_ARGUMENT'));
    const { optimizer, scaler } = make();
    expect(() => scaler.step(optimizer)).toThrow(/Expected gradients/);
    expect(() => scaler.scale(3 as never)).toThrow(code('ERR_ARGUMENT'));
    expect(() => scaler.loadStateDict({ scale: 'x' })).toThrow(code('ERR_STATE_DICT'));
    expect(new amp.GradScaler({ enabled: false }).stateDict()).toEqual({});
  });

  it('leaves no tensor behind', () => {
    const { step } = make();
    for (let i = 0; i < 3; i++) tidy(() => void step(factors[0]!));
    const before = memory().tensors;
    for (let i = 0; i < 10; i++) tidy(() => void step(factors[0]!));
    expect(memory().tensors).toBe(before);
  });

  withPython('goes the way of Python’s, and their states are one', () => {
    const steps = [1, 2, Number.POSITIVE_INFINITY, 1, 1, 3];
    const { w, scaler, step } = make();
    const start = encode(w.detach());
    const states = steps.map((factor) => {
      tidy(() => step(torch.tensor(factor, { dtype: 'float32' })));
      return scaler.stateDict();
    });
    const theirs = runPython(
      `
      w = T(input['w']).requires_grad_()
      optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9, fused=True)
      scaler = torch.amp.GradScaler('cpu', init_scale=1024., growth_interval=2)
      states = []
      for factor in input['steps']:
          optimizer.zero_grad()
          scaler.scale((w.square().sum() * factor).mean()).backward()
          scaler.step(optimizer)
          scaler.update()
          states.append(dict(scaler.state_dict()))
      emit({'states': states, 'w': w})`,
      { w: start, steps },
    );
    expect(states).toEqual(theirs.states);
    expect(encode(w.detach())).toEqual(theirs.w);
    const other = new amp.GradScaler({ device: 'cpu' });
    other.loadStateDict(theirs.states.at(-1));
    expect(other.stateDict()).toEqual(theirs.states.at(-1));
  });
});

describe('torch.backends', () => {
  it('reads and sets LibTorch’s switches', () => {
    const { cudnn, cuda, mkldnn } = torch.backends;
    expect([cudnn.benchmark, cudnn.allowTf32, cuda.matmul.allowTf32, mkldnn.enabled]).toEqual([
      false,
      true,
      false,
      true,
    ]);
    cudnn.benchmark = true;
    cuda.matmul.allowTf32 = true;
    expect([cudnn.benchmark, cuda.matmul.allowTf32]).toEqual([true, true]);
    cudnn.benchmark = false;
    cuda.matmul.allowTf32 = false;
    expect(() => {
      cudnn.deterministic = 1 as never;
    }).toThrow(code('ERR_ARGUMENT'));
  });
});
