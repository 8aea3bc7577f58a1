// Habits from Python that were once taken in silence, and did something else.

import { expect, it } from 'vitest';
import { nn, optim, type Tensor, torch } from '../lib/index.js';

const code = (pattern: RegExp) =>
  expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(pattern) });
const thrown = (fn: () => unknown): unknown => {
  try {
    fn();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

it('a rate by position is refused: it was passed over, and the default took its place', () => {
  const { weight } = new nn.Linear(2, 1);
  // @ts-expect-error
  expect(thrown(() => new optim.SGD([weight], 0.1))).toEqual(code(/\{ lr: 0\.1 \}.*received .*0\.1/));
  // @ts-expect-error
  expect(thrown(() => new optim.AdamW([weight], null))).toEqual(code(/\{ lr: 0\.1 \}/));
});

it('recurrent layers and attention refuse options by position, and those that they do not have', () => {
  for (const Layer of [nn.RNN, nn.GRU, nn.LSTM]) {
    // @ts-expect-error
    expect(thrown(() => new Layer(3, 4, 2))).toEqual(code(/\{ numLayers: … \}.*received .*2/));
    // @ts-expect-error
    expect(thrown(() => new Layer(3, 4, { num_layers: 2 }))).toEqual(
      code(/no option num_layers.*Did you mean `numLayers`/),
    );
  }
  for (const Cell of [nn.RNNCell, nn.GRUCell, nn.LSTMCell]) {
    // @ts-expect-error
    expect(thrown(() => new Cell(3, 4, false))).toEqual(code(/\{ bias: … \}.*received .*false/));
  }
  // @ts-expect-error
  expect(thrown(() => new nn.GRU(3, 4, { projSize: 2 }))).toEqual(code(/GRU has no option projSize/));
  // @ts-expect-error
  expect(thrown(() => new nn.MultiheadAttention(8, 2, 0.1))).toEqual(code(/\{ dropout: … \}.*received .*0\.1/));
  expect(new nn.RNN(3, 4, { nonlinearity: 'relu' }).nonlinearity).toBe('relu');
  expect(new nn.LSTM(3, 4, { projSize: 2 }).projSize).toBe(2);
});

it('autograd.grad takes a tensor where it takes a list of one', () => {
  const x = torch.tensor([1, 2], { dtype: 'float32', requiresGrad: true });
  const y = x.pow(2);
  const [one] = torch.autograd.grad(y, x, { gradOutputs: torch.tensor([1, 10], { dtype: 'float32' }) });
  expect(one!.tolist<number[]>()).toEqual([2, 40]);
  // @ts-expect-error
  expect(thrown(() => torch.autograd.grad(y, 3))).toEqual(code(/a Tensor or an array of Tensors for inputs/));
});

it('a forward hook has the type of what its module gives', () => {
  const layer = new nn.Linear(2, 3);
  const seen: Tensor[] = [];
  using _handle = layer.registerForwardHook((_module, _inputs, output) => {
    seen.push(output);
  });
  layer.forward(torch.ones(1, 2));
  expect(seen[0]!.shape).toEqual([1, 3]);
});
