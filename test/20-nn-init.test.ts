// First values: the same numbers as PyTorch's from the same seed, and their ranges.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { init, Parameter } from '../lib/nn/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import { encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const { kaimingNormal_, kaimingUniform_, xavierNormal_, xavierUniform_ } = init;

const cases: [string, number[], (tensor: Tensor) => Tensor][] = [
  ['uniform_(t, -2.0, 3.0)', [7], (t) => init.uniform_(t, -2, 3)],
  ['normal_(t, 1.0, 0.5)', [40], (t) => init.normal_(t, 1, 0.5)],
  ['zeros_(t)', [2], init.zeros_],
  ['ones_(t)', [2], init.ones_],
  ['constant_(t, 0.3)', [2], (t) => init.constant_(t, 0.3)],
  ['xavier_uniform_(t)', [5, 3], (t) => xavierUniform_(t)],
  [
    "xavier_uniform_(t, gain=calculate_gain('tanh'))",
    [5, 3, 2, 2],
    (t) => xavierUniform_(t, { gain: init.calculateGain('tanh') }),
  ],
  ['xavier_normal_(t, gain=2.0)', [5, 3, 3], (t) => xavierNormal_(t, { gain: 2 })],
  ['kaiming_uniform_(t)', [5, 3], (t) => kaimingUniform_(t)],
  ['kaiming_uniform_(t, a=math.sqrt(5))', [64, 32, 3, 3], (t) => kaimingUniform_(t, { a: Math.sqrt(5) })],
  [
    "kaiming_uniform_(t, mode='fan_out', nonlinearity='relu')",
    [5, 3, 3, 3],
    (t) => kaimingUniform_(t, { mode: 'fan_out', nonlinearity: 'relu' }),
  ],
  [
    "kaiming_normal_(t, mode='fan_out', nonlinearity='relu')",
    [16, 3, 3, 3],
    (t) => kaimingNormal_(t, { mode: 'fan_out', nonlinearity: 'relu' }),
  ],
  ["kaiming_normal_(t, a=0.2, nonlinearity='leaky_relu')", [16, 3], (t) => kaimingNormal_(t, { a: 0.2 })],
  ["kaiming_normal_(t, nonlinearity='selu')", [16, 3], (t) => kaimingNormal_(t, { nonlinearity: 'selu' })],
  ["kaiming_normal_(t, nonlinearity='linear')", [16, 3], (t) => kaimingNormal_(t, { nonlinearity: 'linear' })],
];

const { it: withPython } = needs(python, 'a Python that has torch');

withPython('every function draws the numbers that PyTorch draws, float32 and float64', () => {
  const theirs: { float32: TensorJson; float64: TensorJson }[] = runPython(
    `
    from torch.nn.init import *
    out = []
    for source, shape in input:
        values = {}
        for dtype in ('float32', 'float64'):
            torch.manual_seed(11)
            t = torch.empty(shape, dtype=getattr(torch, dtype))
            exec(source)
            values[dtype] = t
        out.append(values)
    emit(out)`,
    cases.map(([source, shape]) => [source, shape]),
  );
  for (const [i, [source, shape, fill]] of cases.entries()) {
    for (const dtype of ['float32', 'float64'] as const) {
      torch.manualSeed(11);
      expect([source, encode(fill(torch.empty(shape, { dtype })))]).toEqual([source, theirs[i]![dtype]]);
    }
  }
});

describe('first values', () => {
  it('are set in place on parameters, unrecorded, and returned', () => {
    const weight = new Parameter(torch.empty([3, 2]));
    expect(init.kaimingNormal_(weight)).toBe(weight);
    expect(weight.isLeaf).toBe(true);
    expect(init.zeros_(weight).tolist()).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  it("come from a generator of one's own where given, leaving the default one alone", () => {
    const state = torch.getRngState();
    const fill = (seed: number) =>
      kaimingUniform_(torch.empty([4, 4]), { generator: new torch.Generator().manualSeed(seed) }).tolist();
    expect(fill(1)).toEqual(fill(1));
    expect(fill(1)).not.toEqual(fill(2));
    expect(torch.getRngState().equal(state)).toBe(true);
  });

  it('lie within ±gain·√(3 / fan), for any sizes', () => {
    const size = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(
        size,
        size,
        size,
        fc.constantFrom('fan_in' as const, 'fan_out' as const),
        (out, inputs, kernel, mode) => {
          const weight = torch.empty([out, inputs, kernel]);
          kaimingUniform_(weight, { mode, nonlinearity: 'relu' });
          const fan = (mode === 'fan_in' ? inputs : out) * kernel;
          expect(weight.abs().max().item()).toBeLessThanOrEqual(Math.sqrt(6 / fan) * (1 + 1e-6));
          const { fanIn, fanOut } = init.calculateFans(weight);
          expect([fanIn, fanOut]).toEqual([inputs * kernel, out * kernel]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('refuse what has no fans, unknown words and no tensors; an empty tensor stays empty', () => {
    const code = (value: string) => expect.objectContaining({ code: value });
    expect(() => kaimingUniform_(torch.ones([3]))).toThrow(code('ERR_SHAPE'));
    expect(() => kaimingUniform_(torch.ones([3, 3]), { mode: 'fan' as never })).toThrow(code('ERR_ARGUMENT'));
    expect(() => kaimingUniform_(torch.ones([3, 3]), { nonlinearity: 'swish' as never })).toThrow(code('ERR_ARGUMENT'));
    expect(() => init.uniform_(5 as never)).toThrow(code('ERR_ARGUMENT'));
    expect(() => init.normal_(torch.ones([1]), Number.NaN)).toThrow(code('ERR_ARGUMENT'));
    expect(() => init.constant_(torch.ones([1]), '1' as never)).toThrow(code('ERR_ARGUMENT'));
    expect(kaimingUniform_(torch.ones([0, 3])).shape).toEqual([0, 3]);
  });
});
