// The summary's numbers are those one gets by hand, and the model does not notice.
import { describe, expect, it } from 'vitest';
import * as nn from '../lib/nn/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import * as training from '../lib/training/index.js';

const addsOf = <I extends unknown[]>(model: nn.Module<unknown, I>, input: Tensor | I) =>
  training.summary(model, input).multiplyAdds;

describe('summary', () => {
  it('is a table of layers in the order of their calls', () => {
    const model = new nn.Sequential(
      new nn.Conv2d(3, 8, 3, { padding: 1, stride: 2 }),
      new nn.BatchNorm2d(8),
      new nn.ReLU(),
      new nn.Flatten(),
      new nn.Linear(8 * 4 * 4, 10),
    );
    [...model][1]!.eval();
    const before = model.stateDict().get('1.running_mean')!.tolist();
    const found = training.summary(model, torch.randn([2, 3, 8, 8]));
    expect(String(found)).toBe(
      [
        'layer          output        parameters  multiply-adds',
        '0 Conv2d       [2, 8, 4, 4]         224          6,912',
        '1 BatchNorm2d  [2, 8, 4, 4]          16              0',
        '2 ReLU         [2, 8, 4, 4]           0              0',
        '3 Flatten      [2, 128]               0              0',
        '4 Linear       [2, 10]            1,290          2,560',
        'total                             1,530          9,472',
      ].join('\n'),
    );
    expect(model.stateDict().get('1.running_mean')!.tolist()).toEqual(before);
    expect([...model].map(({ training: mode }) => mode)).toEqual([true, false, true, true, true]);
    expect(String(training.summary(model, torch.randn([2, 3, 8, 8])))).toBe(String(found)); // no hook is left
  });

  it('counts convolutions by group and kernel, transposed ones by input', () => {
    expect(addsOf(new nn.Conv1d(4, 8, 5, { groups: 2 }), torch.zeros([1, 4, 9]))).toBe(5 * 8 * 2 * 5);
    expect(addsOf(new nn.ConvTranspose2d(4, 6, 2, { stride: 2 }), torch.zeros([1, 4, 3, 3]))).toBe(9 * 4 * 6 * 4);
  });

  it('counts recurrent layers and cells step by step', () => {
    const lstm = new nn.LSTM(3, 5, { numLayers: 2, bidirectional: true });
    expect(addsOf(lstm, torch.zeros([7, 2, 3]))).toBe(14 * 2 * (20 * 3 + 20 * 5 + 20 * 10 + 20 * 5));
    const packed = nn.utils.rnn.packSequence([torch.zeros([4, 3]), torch.zeros([2, 3])]);
    expect(addsOf(new nn.GRU(3, 5), [packed])).toBe(6 * (15 * 3 + 15 * 5));
    expect(addsOf(new nn.GRUCell(3, 5), torch.zeros([2, 3]))).toBe(2 * (15 * 3 + 15 * 5));
  });

  it('counts attention as a whole, alone and in a transformer', () => {
    const attention = new nn.MultiheadAttention(8, 2, { batchFirst: true, kdim: 6, vdim: 4 });
    const [q, k, v] = [torch.zeros([3, 5, 8]), torch.zeros([3, 7, 6]), torch.zeros([3, 7, 4])];
    const found = training.summary(attention, [q, k, v]);
    expect(found.multiplyAdds).toBe(3 * (5 * 64 + 7 * 48 + 7 * 32 + 5 * 64 + 2 * 5 * 7 * 8));
    expect(found.layers.map(({ parameters }) => parameters)).toEqual([found.parameters]);
    const encoder = new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 16, batchFirst: true });
    const layer = training.summary(encoder, torch.zeros([3, 5, 8]));
    expect(layer.multiplyAdds).toBe(3 * (4 * 5 * 64 + 2 * 25 * 8 + 2 * 5 * 8 * 16));
    expect(layer.layers.reduce((sum, { parameters }) => sum + parameters, 0)).toBe(layer.parameters);
  });

  it('counts shared layers once, says what is frozen and what it does not know', () => {
    class Own extends nn.Module {
      shared = new nn.Linear(4, 4);
      table = new nn.Embedding(10, 4);
      scale = new nn.Parameter(torch.ones([4, 4]));
      forward(x: Tensor): Tensor {
        return this.shared.forward(this.shared.forward(this.table.forward(x))).matmul(this.scale);
      }
    }
    const model = new Own();
    model.table.weight.requiresGrad_(false);
    const found = training.summary(model, torch.zeros([3], { dtype: 'int64' }));
    expect(
      found.layers.map(({ name, type, parameters, multiplyAdds }) => [name, type, parameters, multiplyAdds]),
    ).toEqual([
      ['table', 'Embedding', 40, 0],
      ['shared', 'Linear', 20, 48],
      ['shared', 'Linear', 0, 48],
      ['', 'Own', 16, null],
    ]);
    expect([found.parameters, found.trainable]).toEqual([76, 36]);
    expect(String(found)).toMatch(/total \(36 trainable\) .* 76 .*≥ 96$/);
  });

  it('refuses what is no module, and lets the model complain', () => {
    expect(() => training.summary({} as never, torch.zeros([1]))).toThrow(/Expected a Module/);
    const model = new nn.Linear(3, 2);
    expect(() => training.summary(model, torch.zeros([1, 4]))).toThrow();
    expect(model.training).toBe(true);
  });
});
