// The trainer for other jobs than classes of images: each option is held against the loop written out by hand, captured and not,
// stopped and not.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTorch } from '../lib/checkpoint/index.js';
import * as data from '../lib/data/index.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import { type Tensor, tidy, torch } from '../lib/tensor/index.js';
import * as training from '../lib/training/index.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-jobs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** y = x·w, with noise. */
function line(count: number, seed = 1): data.TensorDataset<Tensor> {
  torch.manualSeed(seed);
  return tidy(() => {
    const inputs = torch.randn([count, 4]);
    const labels = inputs.matmul(torch.tensor([[1], [-2], [0.5], [3]])).add(torch.randn([count, 1]).mul(0.1));
    return new data.TensorDataset({ inputs, labels, labelsAre: 'values' });
  });
}

function makeNet(): nn.Sequential {
  torch.manualSeed(3);
  return new nn.Sequential(
    new nn.Linear(4, 8),
    new nn.BatchNorm1d(8),
    new nn.Tanh(),
    new nn.Dropout(0.2),
    new nn.Linear(8, 1),
  );
}

const recipe: training.Recipe = {
  name: 'mine',
  epochs: 4,
  batchSize: 8,
  optimizer: { name: 'sgd', lr: 0.05, momentum: 0.9 },
  schedule: { name: 'constant' },
};
const mse = new nn.MSELoss();
const absolute = (outputs: Tensor, targets: Tensor) => outputs.sub(targets).abs().mean();
const common = () => ({
  criterion: mse,
  train: line(70),
  validation: line(30, 2),
  recipe,
  seed: 5,
  metrics: { mae: absolute },
});

const values = (model: nn.Module) =>
  Object.fromEntries([...model.stateDict()].map(([key, tensor]) => [key, tensor.tolist()]));
const figures = (records: readonly training.EpochRecord[]) =>
  records.map(({ seconds: _, imagesPerSecond: __, ...record }) => record);

/** The steps of `common` by hand. */
function byHand(
  model: nn.Module,
  step: (batch: { inputs: Tensor; labels: Tensor }, optimizer: optim.SGD, number: number) => void,
  { batchSize = 8, epochs = 4, epochEnded = (_epoch: number): void => {} } = {},
): void {
  const { train } = common();
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
  torch.manualSeed(5);
  for (let epoch = 0; epoch < epochs; epoch++) {
    model.train();
    let number = 0;
    for (const batch of train.batches(batchSize, { shuffle: true, seed: 5, epoch }))
      tidy(() => step(batch, optimizer, number++));
    epochEnded(epoch);
  }
  model.eval();
}

describe('a regression', () => {
  it('follows its metrics, over all examples alike', async () => {
    const model = makeNet();
    const { epochs } = await training.fit({ ...common(), model });
    const { validation } = common();
    const exact = tidy(() =>
      absolute(
        torch.noGrad(() => model.forward(validation.inputs)),
        validation.labels,
      ).item(),
    );
    expect(epochs.at(-1)!.validation!.metrics!.mae).toBeCloseTo(exact, 6);
    expect(epochs.at(-1)!.metrics!.mae).toBeLessThan(epochs[0]!.metrics!.mae!);
    expect(epochs[0]!.accuracy).toBeNaN();
  });

  it('keeps the weights of the least loss, and NaN stays NaN in a run that goes on', async () => {
    const out = join(folder, 'regression');
    const model = makeNet();
    const saved: unknown[] = [];
    const { epochs } = await training.fit({ ...common(), model, out, onEpoch: () => saved.push(values(model)) });
    const losses = epochs.map(({ validation }) => validation!.loss);
    const best = await loadTorch<Map<string, Tensor>>(join(out, 'checkpoints', 'best.pt'));
    const found = Object.fromEntries([...best].map(([key, tensor]) => [key, tensor.tolist()]));
    expect(found).toEqual(saved[losses.indexOf(Math.min(...losses))]);
    const again = await training.fit({ ...common(), model: makeNet(), out, resume: true });
    expect(again.epochs).toEqual(epochs);
  });

  it('without labels has its inputs for targets', async () => {
    const { train } = common();
    const inputs = new data.TensorDataset({ inputs: train.inputs.clone(), labels: null });
    const model = new nn.Linear(4, 4);
    const { epochs } = await training.fit({ model, criterion: mse, train: inputs, recipe, epochs: 5 });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.1 * epochs[0]!.loss);
  });
});

describe('gradients', () => {
  it.each([
    ['clipGradNorm', { clipGradNorm: 0.5 }, (m: nn.Module): void => void nn.utils.clipGradNorm_(m.parameters(), 0.5)],
    ['clipGradValue', { clipGradValue: 0.05 }, (m: nn.Module): void => nn.utils.clipGradValue_(m.parameters(), 0.05)],
  ])('are cut by %s as by hand', async (_, options, clip) => {
    const hand = makeNet();
    byHand(hand, ({ inputs, labels }, optimizer): void => {
      optimizer.zeroGrad();
      mse.forward(hand.forward(inputs), labels).backward();
      clip(hand);
      optimizer.step();
    });
    const ours = makeNet();
    await training.fit({ ...common(), model: ours, ...options });
    expect(values(ours)).toEqual(values(hand));
    const plain = makeNet();
    await training.fit({ ...common(), model: plain });
    expect(values(ours)).not.toEqual(values(plain));
  });

  it('are summed over batches, and a last step of fewer', async () => {
    const hand = makeNet();
    byHand(
      hand,
      ({ inputs, labels }, optimizer) => {
        optimizer.zeroGrad();
        const total = inputs.shape[0]!;
        for (let from = 0; from < total; from += 8) {
          const count = Math.min(8, total - from);
          const [x, y] = [inputs.narrow(0, from, count), labels.narrow(0, from, count)];
          mse
            .forward(hand.forward(x), y)
            .mul(count / total)
            .backward();
        }
        optimizer.step();
      },
      { batchSize: 24 },
    );
    const ours = makeNet();
    await training.fit({ ...common(), model: ours, accumulate: 3 });
    expect(values(ours)).toEqual(values(hand));
  });

  it('of accumulated batches are those of the whole where examples do not see each other', async () => {
    const ends: unknown[] = [];
    for (const options of [{ batchSize: 24 }, { batchSize: 8, accumulate: 3 }]) {
      torch.manualSeed(3);
      const model = new nn.Linear(4, 1);
      const { epochs } = await training.fit({ ...common(), model, ...options });
      ends.push([[...model.weight.toArraySync()].map(Number), epochs.map(({ loss }) => loss)]);
    }
    const [whole, parts] = ends as [number[][], number[][]];
    for (const [i, list] of parts.entries())
      for (const [j, value] of list.entries()) expect(value).toBeCloseTo(whole[i]![j]!, 4);
  });
});

describe('averaged weights', () => {
  const step =
    (model: nn.Module) =>
    ({ inputs, labels }: { inputs: Tensor; labels: Tensor }, optimizer: optim.SGD) => {
      optimizer.zeroGrad();
      mse.forward(model.forward(inputs), labels).backward();
      optimizer.step();
    };

  it.each(['ema', 'swa'] as const)('of kind %s are validated, saved and left in the model', async (kind) => {
    const hand = makeNet();
    const { getEmaMultiAvgFn, getSwaMultiAvgFn, AveragedModel } = optim.swaUtils;
    const multiAvgFn = kind === 'ema' ? getEmaMultiAvgFn(0.9) : getSwaMultiAvgFn();
    const averaged = new AveragedModel(hand, { multiAvgFn, useBuffers: true });
    const losses: number[] = [];
    const { validation } = common();
    const learn = step(hand);
    byHand(
      hand,
      (batch, optimizer) => {
        learn(batch, optimizer);
        if (kind === 'ema') averaged.updateParameters();
      },
      {
        epochEnded: (epoch: number): void => {
          if (kind === 'swa' && epoch >= 1) averaged.updateParameters();
          hand.eval();
          averaged.eval();
          const judged = kind === 'swa' && epoch < 1 ? hand : averaged;
          losses.push(
            tidy(() =>
              mse
                .forward(
                  torch.noGrad(() => judged.forward(validation.inputs)),
                  validation.labels,
                )
                .item(),
            ),
          );
        },
      },
    );
    const out = join(folder, `averaged-${kind}`);
    const ours = makeNet();
    const settings = kind === 'ema' ? ({ kind, decay: 0.9 } as const) : ({ kind, from: 2 } as const);
    const { epochs } = await training.fit({ ...common(), model: ours, averaged: settings, out });
    expect(values(ours)).toEqual(averaged.during(() => values(hand)));
    expect(epochs).toHaveLength(losses.length);
    for (const [i, { validation: held }] of epochs.entries()) expect(held!.loss).toBeCloseTo(losses[i]!, 6);
    const last = await loadTorch<Map<string, Tensor>>(join(out, 'checkpoints', 'last.pt'));
    expect(Object.fromEntries([...last].map(([key, tensor]) => [key, tensor.tolist()]))).toEqual(values(ours));
  });
});

describe('epochs', () => {
  it('end when the metric gets no better, and stay ended', async () => {
    const out = join(folder, 'early');
    let mae = [5, 4, 4.5, 4.2, 4.1, 1];
    const options = () => ({
      ...common(),
      epochs: 6,
      validation: undefined,
      capture: false,
      metrics: { told: (outputs: Tensor) => outputs.sum().mul(0).add(mae[seen]!) },
      earlyStopping: { metric: 'told', mode: 'min', patience: 3 } as const,
    });
    let seen = 0;
    const { epochs, stopped } = await training.fit({ ...options(), model: makeNet(), out, onEpoch: () => seen++ });
    expect(stopped).toBe(false);
    expect(epochs.map(({ metrics }) => metrics!.told!.toFixed(1))).toEqual(['5.0', '4.0', '4.5', '4.2', '4.1']);
    mae = [0];
    const again = await training.fit({ ...options(), model: makeNet(), out, resume: true });
    expect(again.epochs).toEqual(epochs);
  });

  it('are best by the metric that is asked for, in training where nothing is held out', async () => {
    const out = join(folder, 'keep');
    const model = makeNet();
    const saved: unknown[] = [];
    let seen = 0;
    await training.fit({
      ...common(),
      model,
      out,
      validation: undefined,
      capture: false,
      metrics: { told: (outputs: Tensor) => outputs.sum().mul(0).add([1, 3, 2, Number.NaN][seen]!) },
      keepBest: { metric: 'told' },
      onEpoch: () => {
        saved.push(values(model));
        seen++;
      },
    });
    const best = await loadTorch<Map<string, Tensor>>(join(out, 'checkpoints', 'best.pt'));
    expect(Object.fromEntries([...best].map(([key, tensor]) => [key, tensor.tolist()]))).toEqual(saved[1]);
  });

  it('tell of every so many steps, and wait for who listens', async () => {
    const seen: training.StepRecord[] = [];
    let listening = false;
    await training.fit({
      ...common(),
      model: makeNet(),
      epochs: 2,
      stepInterval: 4,
      onStep: async (record) => {
        expect(listening).toBe(false);
        listening = true;
        await new Promise((done) => setTimeout(done, 5));
        listening = false;
        seen.push(record);
      },
    });
    expect(seen.map(({ epoch, step }) => [epoch, step])).toEqual([
      [1, 4],
      [1, 8],
      [2, 4],
      [2, 8],
    ]);
    expect(seen[1]!.metrics!.mae).toBeGreaterThan(0);
  });
});

/** Sequences of 1 to 9 numbers; which sum is told. */
const sequences = (size: number, label = (tokens: number[]) => tokens.length % 2): data.ExampleSet<data.Pair> => ({
  size,
  device: 'cpu',
  get: (i) => {
    const tokens = Array.from({ length: 1 + ((i * 7) % 9) }, (_, t) => (i * 31 + t * 17) % 11);
    return [torch.tensor(tokens, { dtype: 'int64' }), label(tokens)];
  },
});

class Bag extends nn.Module<Tensor, [Tensor, Tensor]> {
  embedding = new nn.Embedding(11, 8);
  drop = new nn.Dropout(0.1);
  out = new nn.Linear(8, 2);
  forward(tokens: Tensor, lengths: Tensor): Tensor {
    const mask = torch.arange(tokens.shape[1]!).lt(lengths.unsqueeze(1)).unsqueeze(2);
    return this.out.forward(this.drop.forward(this.embedding.forward(tokens).mul(mask).sum(1)));
  }
}

describe('a data set of three members', () => {
  const options = () => ({
    criterion: new nn.CrossEntropyLoss(),
    train: sequences(60),
    validation: sequences(20),
    collate: data.padCollate({ multipleOf: 4 }),
    recipe,
    seed: 2,
  });
  const bag = () => {
    torch.manualSeed(1);
    return new Bag();
  };

  it('trains captured as not, with several inputs and accumulated batches', async () => {
    const ends: unknown[] = [];
    for (const capture of [true, false]) {
      const model = bag();
      const { epochs } = await training.fit({ ...options(), model, capture, accumulate: 2 });
      ends.push([values(model), figures(epochs)]);
    }
    expect(ends[0]).toEqual(ends[1]);
    const records = (ends[0] as [unknown, training.EpochRecord[]])[1];
    expect(records.at(-1)!.loss).toBeLessThan(records[0]!.loss);
    expect(records[0]!.accuracy).toBeGreaterThan(0);
  });

  it('trains as one of tensors does, in the same order', async () => {
    const { train } = common();
    const rows: data.ExampleSet<[Tensor, Tensor]> = {
      size: train.size,
      device: 'cpu',
      get: (i) => [train.inputs.select(0, i), train.labels.select(0, i)],
    };
    const [ours, other] = [makeNet(), makeNet()];
    await training.fit({ ...common(), model: ours });
    await training.fit({ ...common(), model: other, train: rows });
    expect(values(other)).toEqual(values(ours));
  });

  it('is refused what its own functions do', async () => {
    const refused = training.fit({ ...options(), model: bag(), augment: [(x) => x] });
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/augment is for data sets of tensors/),
    });
    const other = training.fit({ ...common(), model: makeNet(), collate: data.padCollate() });
    await expect(other).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/collate is for/),
    });
  });
});

describe('a run with everything', () => {
  const all = () => ({
    ...common(),
    accumulate: 2,
    clipGradNorm: 1,
    averaged: { kind: 'ema', decay: 0.8 } as training.AveragedSettings,
    earlyStopping: { metric: 'mae', mode: 'min', patience: 2 } as training.EarlyStopping,
    keepBest: { metric: 'mae', mode: 'min' } as training.Goal,
  });

  it.each<[string, (progress: training.Progress) => boolean, training.AveragedSettings]>([
    ['after the first step', ({ epoch, step }) => epoch === 1 && step === 1, { kind: 'ema', decay: 0.8 }],
    ['in the middle', ({ phase, epoch, step }) => phase === 'train' && epoch === 3 && step === 2, { kind: 'ema' }],
    ['while validating', ({ phase, epoch }) => phase === 'validate' && epoch === 3, { kind: 'swa', from: 2 }],
  ])('that stops %s and goes on ends with the same bits', async (name, at, averaged) => {
    const out = join(folder, name.replaceAll(' ', '-'));
    const whole = makeNet();
    const { epochs } = await training.fit({ ...all(), averaged, model: whole, out: `${out}-whole` });
    const controller = new AbortController();
    const { stopped } = await training.fit({
      ...all(),
      averaged,
      model: makeNet(),
      out,
      signal: controller.signal,
      progressInterval: 0,
      onProgress: (progress) => at(progress) && controller.abort(),
    });
    expect(stopped).toBe(true);
    torch.manualSeed(999);
    const model = makeNet();
    const result = await training.fit({ ...all(), averaged, model, out, resume: true });
    expect(values(model)).toEqual(values(whole));
    expect(figures(result.epochs)).toEqual(figures(epochs));
    for (const file of ['last', 'best'])
      expect(readFileSync(join(out, 'checkpoints', `${file}.pt`))).toEqual(
        readFileSync(join(`${out}-whole`, 'checkpoints', `${file}.pt`)),
      );
  });

  it('does not go on with other options', async () => {
    const out = join(folder, 'others');
    await training.fit({ ...all(), model: makeNet(), out, epochs: 1 });
    const other = training.fit({
      ...all(),
      model: makeNet(),
      out,
      epochs: 1,
      clipGradNorm: 2,
      accumulate: 1,
      resume: true,
    });
    await expect(other).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(
        /clipGradNorm: 1 then, 2 now[\s\S]*accumulate: 2 then, not set now|accumulate: 2 then, not set now[\s\S]*clipGradNorm: 1 then, 2 now/,
      ),
    });
  });

  it.each([
    [{ accumulate: 0 }, /accumulate/],
    [{ clipGradNorm: -1 }, /clipGradNorm/],
    [{ clipGradValue: Number.NaN }, /clipGradValue/],
    [{ metrics: { loss: absolute } }, /loss and accuracy/],
    [{ earlyStopping: { metric: 'f1', patience: 1 } }, /one of loss, accuracy/],
    [{ earlyStopping: { patience: 0 } }, /patience/],
    [{ keepBest: { mode: 'most' as 'max' } }, /keepBest.mode/],
    [{ averaged: { kind: 'ema', decay: 2 } as const }, /averaged.decay/],
    [{ averaged: { kind: 'swa', from: 99 } as const }, /averaged.from/],
    [{ stepInterval: 0 }, /stepInterval/],
  ])('refuses %o', async (wrong, message) => {
    await expect(training.fit({ ...common(), model: makeNet(), ...wrong } as never)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });
});
