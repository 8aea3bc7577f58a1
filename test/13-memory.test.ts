// Memory: scopes free on time, what should live lives, and loops leave the counts where they were.

import { afterEach, describe, expect, it } from 'vitest';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { collectGarbage } from './support/live.js';

describe('tidy', () => {
  afterEach(collectGarbage);

  it('frees what it made and keeps what it returns, however nested', async () => {
    await collectGarbage();
    const before = memory().tensors;
    const result = tidy(() => {
      const a = torch.ones([10]);
      const b = a.add(1);
      return { list: [b.mul(2)], map: new Map([['x', b.sub(1)]]), set: new Set([a]), number: b.sum().item() };
    });
    expect(memory().tensors).toBe(before + 3);
    expect(result.number).toBe(20);
    expect(result.list[0]!.sum().item()).toBe(40);
    for (const tensor of [...result.list, ...result.map.values(), ...result.set]) tensor.dispose();
  });

  it('nests: what an inner scope returns belongs to the outer one', () => {
    const before = memory().tensors;
    let inner: Tensor | undefined;
    tidy(() => {
      inner = tidy(() => torch.ones([2]).add(1));
      expect(inner.tolist()).toEqual([2, 2]);
    });
    expect(inner!.isDisposed).toBe(true);
    expect(memory().tensors).toBe(before);
  });

  it('frees when its function throws', () => {
    const before = memory().tensors;
    expect(() =>
      tidy(() => {
        torch.ones([5]);
        throw new Error('on purpose');
      }),
    ).toThrow('on purpose');
    expect(memory().tensors).toBe(before);
  });

  it('leaves kept tensors, tensors of outside, and lets inside ones be disposed early', () => {
    const outside = torch.ones([3]);
    const kept = tidy(() => {
      const x = torch.ones([2]).keep();
      torch.zeros([1]).dispose();
      outside.add_(1);
      return [() => x];
    })[0]!();
    expect(kept.sum().item()).toBe(2);
    expect(outside.sum().item()).toBe(6);
    kept.dispose();
    outside.dispose();
  });

  it('survives cycles in what is returned', () => {
    const result = tidy(() => {
      const loop: { self?: unknown; x: Tensor } = { x: torch.ones([1]) };
      loop.self = loop;
      return loop;
    });
    expect(result.x.item()).toBe(1);
    result.x.dispose();
  });
});

describe('memory()', () => {
  it('counts a storage once, however many views', () => {
    tidy(() => {
      const before = memory().bytes;
      const x = torch.zeros([1000]);
      x.view([10, 100]).t();
      expect(memory().bytes - before).toBe(4000);
    });
  });

  it('is the same after 1,000 training steps as after 10, and after 100 outside of any scope once collected', async () => {
    const weight = torch.randn([64, 10], { requiresGrad: true });
    const x = torch.randn([32, 64]);
    const labels = torch.randint(10, [32]);
    const step = () => {
      const loss = torch.crossEntropyLoss(x.matmul(weight), labels);
      weight.grad = null;
      loss.backward();
      torch.noGrad(() => weight.sub_(weight.grad!, { alpha: 0.1 }));
    };
    for (let i = 0; i < 10; i++) tidy(step);
    const after10 = memory();
    for (let i = 0; i < 990; i++) tidy(step);
    expect(memory()).toEqual(after10);
    for (let i = 0; i < 100; i++) step();
    expect(memory().tensors).toBeGreaterThan(after10.tensors);
    await collectGarbage();
    expect(memory().tensors).toBeLessThanOrEqual(after10.tensors);
  });

  it('frees with `using`, and twice is not an error', () => {
    const before = memory().tensors;
    {
      using x = torch.ones([3]);
      expect(x.sum().item()).toBe(3);
    }
    const y = torch.ones([1]);
    y.dispose();
    y.dispose();
    expect(memory().tensors).toBeLessThanOrEqual(before + 1);
  });

  it('never lets an old handle reach a new tensor', () => {
    const old = torch.ones([1]);
    old.dispose();
    const fresh = torch.zeros([1]); // takes the slot
    expect(() => old.item()).toThrow(expect.objectContaining({ code: 'ERR_TENSOR_DISPOSED' }));
    expect(fresh.item()).toBe(0);
  });

  it('frees what the collector finds', async () => {
    await collectGarbage();
    const before = memory().tensors;
    for (let i = 0; i < 10; i++) torch.zeros([1000]);
    expect(memory().tensors).toBe(before + 10);
    await collectGarbage();
    expect(memory().tensors).toBe(before);
  });

  it('tells V8 of the bytes, so that it collects by itself where the event loop turns', async () => {
    let most = 0;
    for (let i = 0; i < 300; i++) {
      torch.zeros([2 << 20]); // 8 MiB of which V8 sees some hundred bytes
      most = Math.max(most, memory().tensors);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(most).toBeLessThan(200);
  });
});
