// Recurrent layers, attention and transformers beside Python's where `npm run parity` does not reach: dropout from one seed,
// sizes of keys and values, packed and padded sequences; captured steps beside eager ones, bit for bit; and what is refused.

import { describe, expect, it } from 'vitest';
import * as nn from '../lib/nn/index.js';
import { capture, type Tensor, torch } from '../lib/tensor/index.js';
import { excess, type ModuleCase, modulesInPython, runCase } from './support/modules.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const { rnn } = nn.utils;
const code = (value: string) => expect.objectContaining({ code: value });
const { describe: withPython } = needs(python, 'a Python that has torch');

const generate = `
def generate(dtype, training):
    x = torch.randn(5, 3, 4, dtype=dtype, requires_grad=True)
    mem = torch.randn(6, 3, 4, dtype=dtype, requires_grad=True)
    yield 'LSTM', 'dropout', lambda: nn.LSTM(4, 5, 3, dropout=0.4, bidirectional=True, dtype=dtype), (x,), {}
    yield 'LSTM', 'packed', lambda: nn.LSTM(4, 5, 2, proj_size=3, dtype=dtype), (pack_padded_sequence(x, [5, 4, 1]),), {}
    yield 'GRU', 'batch first', lambda: nn.GRU(4, 5, batch_first=True, dtype=dtype), (x,), {}
    yield 'RNN', 'relu', lambda: nn.RNN(4, 5, nonlinearity='relu', bias=False, dtype=dtype), (x,), {}
    yield 'RNNCell', 'batch', lambda: nn.RNNCell(4, 5, nonlinearity='relu', bias=False, dtype=dtype), (x[0].detach().requires_grad_(),), {}
    yield 'LSTMCell', 'batch', lambda: nn.LSTMCell(4, 5, dtype=dtype), (x[0].detach().requires_grad_(),), {}
    k, v = torch.randn(6, 3, 2, dtype=dtype), torch.randn(6, 3, 3, dtype=dtype)
    yield 'MultiheadAttention', 'other sizes', lambda: nn.MultiheadAttention(4, 2, kdim=2, vdim=3, add_bias_kv=True, add_zero_attn=True, dtype=dtype), (x, k, v), {'average_attn_weights': False}
    yield 'MultiheadAttention', 'self, dropout', lambda: nn.MultiheadAttention(4, 2, dropout=0.3, dtype=dtype), (x, x, x), {}
    yield 'MultiheadAttention', 'memory', lambda: nn.MultiheadAttention(4, 2, batch_first=True, dtype=dtype), (x, mem[:5], mem[:5]), {'need_weights': False}
    causal = nn.Transformer.generate_square_subsequent_mask(5, dtype=dtype)
    layer = lambda **k: nn.TransformerDecoderLayer(4, 2, 8, dtype=dtype, **k)
    yield 'TransformerDecoder', 'causal', lambda: nn.TransformerDecoder(layer(norm_first=True), 2, nn.LayerNorm(4, dtype=dtype)), (x, mem), {'tgt_mask': causal, 'tgt_is_causal': True}
    yield 'Transformer', 'dropout', lambda: nn.Transformer(4, 2, 1, 1, 8, activation='gelu', dtype=dtype), (mem, x), {'tgt_mask': causal}
    # A decoder's copies forget a module in PyTorch and use ReLU (its __setstate__ looks for a function): ours don't.
    yield 'TransformerEncoder', 'a module as activation', lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.25, activation=nn.GELU('tanh'), dtype=dtype), 2), (x,), {}
`;

withPython('sequence modules equal PyTorch', () => {
  const cases: ModuleCase[] = python ? modulesInPython(generate) : [];
  for (const one of cases) {
    const { module, about, dtype, training } = one;
    it(`${module}, ${about}, ${dtype}, ${training ? 'training' : 'evaluation'}`, () => {
      const { repr, first, outputs, gradients } = runCase(one);
      expect(repr).toBe(one.repr);
      expect(Object.keys(first)).toEqual(Object.keys(one.first));
      for (const [key, tensor] of Object.entries(one.first)) expect([key, encode(first[key]!)]).toEqual([key, tensor]);
      const allowed = dtype === 'float32' ? 1e-6 : 1e-12;
      expect(outputs.length).toBe(one.outputs.length);
      for (const [i, output] of outputs.entries())
        expect(excess(output, decode(one.outputs[i]!), allowed)).toBeLessThanOrEqual(1);
      expect(Object.keys(gradients).sort()).toEqual(Object.keys(one.gradients).sort());
      for (const [key, gradient] of Object.entries(gradients))
        expect([key, Math.min(excess(gradient, decode(one.gradients[key]!), allowed), 1)]).not.toEqual([key, 1]);
    });
  }

  it('packing and padding', () => {
    const sequences = [torch.randn([3, 2]), torch.randn([5, 2]), torch.randn([1, 2])];
    const theirs = runPython(
      `
      from torch.nn.utils import rnn
      sequences = [T(x) for x in input]
      packed = rnn.pack_sequence(sequences, enforce_sorted=False)
      padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1., total_length=7)
      emit({'packed': list(packed), 'padded': padded, 'lengths': lengths,
            'left': rnn.pad_sequence(sequences, padding_side='left'), 'unpacked': rnn.unpack_sequence(packed),
            'masks': torch.nn.Transformer.generate_square_subsequent_mask(4)})`,
      sequences.map(encode),
    ) as Record<string, TensorJson & TensorJson[]>;
    const packed = rnn.packSequence(sequences, { enforceSorted: false });
    const { data, batchSizes, sortedIndices, unsortedIndices } = packed;
    expect([data, batchSizes, sortedIndices!, unsortedIndices!].map(encode)).toEqual(theirs.packed);
    expect(packed.length).toBe(3);
    const [padded, lengths] = rnn.padPackedSequence(packed, { batchFirst: true, paddingValue: -1, totalLength: 7 });
    expect([padded, lengths].map(encode)).toEqual([theirs.padded, theirs.lengths]);
    expect(encode(rnn.padSequence(sequences, { paddingSide: 'left' }))).toEqual(theirs.left);
    expect(rnn.unpackSequence(packed).map(encode)).toEqual(theirs.unpacked);
    expect(encode(nn.Transformer.generateSquareSubsequentMask(4))).toEqual(theirs.masks);
  });
});

/** Steps of training from one seed: losses and parameters. */
async function train(model: nn.AnyModule, loss: (x: Tensor) => Tensor, captured: boolean): Promise<TensorJson[]> {
  const step = (x: Tensor) => {
    model.zeroGrad();
    const value = loss(x);
    value.backward();
    torch.noGrad(() => {
      for (const parameter of model.parameters()) if (parameter.grad) parameter.sub_(parameter.grad, { alpha: 0.1 });
    });
    return value;
  };
  const run = captured ? capture(step) : step;
  torch.manualSeed(5);
  const losses: TensorJson[] = [];
  for (let i = 0; i < 4; i++) losses.push(encode(await run(torch.randn([6, 3, 8]))));
  return [...losses, ...model.parameters().map(encode)];
}

describe('captured steps equal eager ones', () => {
  const models: Record<string, () => [nn.AnyModule, (x: Tensor) => Tensor]> = {
    LSTM: () => {
      const lstm = new nn.LSTM(8, 8, { numLayers: 2, dropout: 0.2, bidirectional: true });
      return [lstm, (x) => lstm.forward(x)[0].square().mean()];
    },
    'LSTM, packed': () => {
      const lstm = new nn.LSTM(8, 8);
      const pack = (x: Tensor) => rnn.packPaddedSequence(x, [2, 6, 4], { enforceSorted: false });
      return [
        lstm,
        (x) =>
          rnn
            .padPackedSequence(lstm.forward(pack(x))[0])[0]
            .square()
            .mean(),
      ];
    },
    GRU: () => {
      const gru = new nn.GRU(8, 8);
      return [gru, (x) => gru.forward(x)[1].square().mean()];
    },
    LSTMCell: () => {
      const cell = new nn.LSTMCell(8, 8);
      return [
        cell,
        (x) =>
          x
            .unbind(0)
            .reduce((state, row) => cell.forward(row, state), cell.forward(x.select(0, 0)))[0]
            .square()
            .mean(),
      ];
    },
    MultiheadAttention: () => {
      const attention = new nn.MultiheadAttention(8, 2, { dropout: 0.1 });
      return [attention, (x) => attention.forward(x, x, x)[0].square().mean()];
    },
    'TransformerEncoder, causal': () => {
      const encoder = new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 16 }), 2);
      const mask = nn.Transformer.generateSquareSubsequentMask(6);
      return [encoder, (x) => encoder.forward(x, { mask }).sin().mean()];
    },
    Transformer: () => {
      const model = new nn.Transformer({
        dModel: 8,
        nhead: 2,
        numEncoderLayers: 1,
        numDecoderLayers: 1,
        dimFeedforward: 8,
      });
      return [
        model,
        (x) =>
          model
            .forward(x, x.flip([0]))
            .sin()
            .mean(),
      ];
    },
  };
  for (const [name, make] of Object.entries(models)) {
    it(name, async () => {
      torch.manualSeed(0);
      const eager = await train(...make(), false);
      torch.manualSeed(0);
      expect(await train(...make(), true)).toEqual(eager);
    });
  }
});

describe('sequences', () => {
  it('a causal mask is one by its making, and the hint changes no more than rounding', () => {
    const layer = new nn.TransformerEncoderLayer(8, 2, { dropout: 0 });
    const encoder = new nn.TransformerEncoder(layer, 2);
    const mask = nn.Transformer.generateSquareSubsequentMask(5);
    const x = torch.randn([5, 2, 8]);
    const hinted = encoder.forward(x, { mask });
    const plain = encoder.forward(x, { mask: mask.clone() });
    expect(hinted.sub(plain).abs().max().item()).toBeLessThan(1e-5);
    const changed = x.clone();
    changed.select(0, 4).fill_(9);
    const later = encoder.forward(changed, { mask }).narrow(0, 0, 4);
    expect(torch.equal(later, hinted.narrow(0, 0, 4))).toBe(true); // nobody saw the last position
  });

  it('copies of a layer have its values and parameters of their own, and draw no random numbers', () => {
    const layer = new nn.TransformerEncoderLayer(8, 2, { dtype: 'float64' });
    torch.manualSeed(3);
    const encoder = new nn.TransformerEncoder(layer, 2);
    const next = torch.randn([1]);
    torch.manualSeed(3);
    expect(encode(next)).toEqual(encode(torch.randn([1])));
    const [first, second] = [...encoder.layers];
    expect(encode(first!.getParameter('linear1.weight'))).toEqual(encode(layer.linear1.weight));
    expect(first!.getParameter('linear1.weight')).not.toBe(second!.getParameter('linear1.weight'));
  });

  const lstm = new nn.LSTM(4, 5);
  const attention = new nn.MultiheadAttention(4, 2);
  const x = torch.ones([3, 2, 4]);
  const wrong: Record<string, [() => unknown, string]> = {
    'other features': [() => lstm.forward(torch.ones([3, 2, 5])), 'ERR_SHAPE'],
    'four dimensions': [() => lstm.forward(torch.ones([3, 2, 5, 4])), 'ERR_SHAPE'],
    'a state of another batch': [() => lstm.forward(x, [torch.ones([1, 3, 5]), torch.ones([1, 3, 5])]), 'ERR_SHAPE'],
    'half a state': [() => lstm.forward(x, [torch.ones([1, 2, 5])] as never), 'ERR_ARGUMENT'],
    'a projection as wide as the state': [() => new nn.LSTM(4, 5, { projSize: 5 }), 'ERR_ARGUMENT'],
    'an unknown nonlinearity': [() => new nn.RNN(4, 5, { nonlinearity: 'gelu' as never }), 'ERR_ARGUMENT'],
    'a cell with three dimensions': [() => new nn.GRUCell(4, 5).forward(x), 'ERR_SHAPE'],
    'heads that do not divide': [() => new nn.MultiheadAttention(4, 3), 'ERR_ARGUMENT'],
    'a mask of integers': [
      () => attention.forward(x, x, x, { attnMask: torch.ones([3, 3], { dtype: 'int64' }) }),
      'ERR_DTYPE',
    ],
    'a mask of other sizes': [() => attention.forward(x, x, x, { attnMask: torch.ones([3, 2]) }), 'ERR_SHAPE'],
    'causal without a mask': [() => attention.forward(x, x, x, { isCausal: true }), 'ERR_ARGUMENT'],
    'keys of two dimensions': [() => attention.forward(x, torch.ones([3, 4]), x), 'ERR_SHAPE'],
    'an activation that is none': [
      () => new nn.TransformerEncoderLayer(4, 2, { activation: 'tan' as never }),
      'ERR_ARGUMENT',
    ],
    'a batch of another size': [
      () => new nn.Transformer({ dModel: 4, nhead: 2 }).forward(x, torch.ones([3, 1, 4])),
      'ERR_SHAPE',
    ],
    'lengths of 0': [() => rnn.packPaddedSequence(x, [3, 0]), 'ERR_ARGUMENT'],
    'lengths out of order': [() => rnn.packPaddedSequence(x, [1, 3]), 'ERR_LIBTORCH'],
    'a total length too small': [
      () => rnn.padPackedSequence(rnn.packPaddedSequence(x, [3, 1]), { totalLength: 2 }),
      'ERR_SHAPE',
    ],
  };
  for (const [what, [fn, error]] of Object.entries(wrong)) it(`refuse ${what}`, () => expect(fn).toThrow(code(error)));
});
