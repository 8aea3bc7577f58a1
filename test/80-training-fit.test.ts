// The trainer: it is PyTorch's five lines and nothing else, it can be stopped anywhere and go on to the same bits, and what
// it writes Python reads.
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTorch } from '../lib/checkpoint/index.js';
import * as data from '../lib/data/index.js';
import * as losses from '../lib/losses/index.js';
import * as models from '../lib/models/index.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import * as training from '../lib/training/index.js';
import { python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

let folder: string;
let train: data.ImageDataset<Tensor>;
let validation: data.ImageDataset<Tensor>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-training-'));
  const digits = await data.digits();
  train = digits.train.take(200);
  validation = digits.test.take(64);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Dropout draws from LibTorch's generator, batch norm keeps statistics: both must survive a stop. */
class Net extends nn.Module {
  body = new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Dropout(0.3),
  );
  classifier = new losses.IsoMaxPlusHead(256, 10);
  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.body.forward(x));
  }
}

function makeNet(): Net {
  torch.manualSeed(7);
  return new Net();
}

const common = () => ({
  criterion: new losses.IsoMaxPlusLoss(),
  train,
  validation,
  epochs: 3,
  batchSize: 32,
  lr: 0.05,
  seed: 5,
  augment: [data.randomCrop(8, 1)],
});

const bytesOf = (tensor: Tensor): string => {
  const array = tensor.toArraySync();
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');
};
const bits = (model: nn.Module): Record<string, string> =>
  Object.fromEntries([...model.stateDict()].map(([key, tensor]) => [key, bytesOf(tensor)]));

/** Everything of a record that does not depend on the clock. */
const figures = (records: readonly training.EpochRecord[]) =>
  records.map(({ epoch, loss, accuracy, validation: held, learningRate }) => ({
    epoch,
    loss,
    accuracy,
    held,
    learningRate,
  }));

describe('fit', () => {
  it('gives the weights of the loop written out by hand, bit for bit', async () => {
    const ours = makeNet();
    await training.fit({ ...common(), model: ours, epochs: 2 });

    const model = makeNet();
    const criterion = new losses.IsoMaxPlusLoss();
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 1e-4 });
    const schedule = optim.cosine(optimizer, { epochs: 2 });
    torch.manualSeed(5);
    const normalize = train.statistics;
    for (let epoch = 0; epoch < 2; epoch++) {
      for (const batch of train.batches(32, {
        shuffle: true,
        seed: 5,
        epoch,
        augment: [data.randomCrop(8, 1)],
        normalize,
      })) {
        tidy(() => {
          const loss = criterion.forward(model.forward(batch.images), batch.labels);
          optimizer.zeroGrad();
          loss.backward();
          optimizer.step();
        });
      }
      schedule.step();
    }
    expect(bits(ours)).toEqual(bits(model));
  });

  it('learns, and tells of each epoch what happened', async () => {
    const model = models.convNet({ width: 8, head: losses.byName('isomax').head });
    const { train: all, test } = await data.digits();
    const seen: training.EpochRecord[] = [];
    const result = await training.fit({
      model,
      criterion: new losses.IsoMaxLoss(),
      train: all,
      validation: test,
      epochs: 3,
      batchSize: 64,
      onEpoch: (record) => seen.push(record),
    });
    expect(result.stopped).toBe(false);
    expect(seen).toEqual(result.epochs);
    expect(seen.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(seen.map(({ learningRate }) => learningRate)).toEqual([
      0.1,
      expect.closeTo(0.075, 10),
      expect.closeTo(0.025, 10),
    ]);
    expect(seen[2]!.loss).toBeLessThan(seen[0]!.loss);
    expect(seen[2]!.validation!.accuracy).toBeGreaterThan(0.9);
    expect(seen[0]!.imagesPerSecond).toBeCloseTo(all.size / seen[0]!.seconds, 6);
    expect(model.training).toBe(false);

    // Accuracy and loss of the record are those of the network as it is now.
    const exact = tidy(() => {
      const images = data.normalize(test.images, all.statistics);
      const logits = torch.noGrad(() => model.forward(images));
      const loss = new losses.IsoMaxLoss().forward(logits, test.labels).item();
      return { loss, accuracy: logits.argmax(1).eq(test.labels).sum().item() / test.size };
    });
    expect(seen[2]!.validation!.accuracy).toBe(exact.accuracy);
    expect(seen[2]!.validation!.loss).toBeCloseTo(exact.loss, 5);
  });

  it('lets timers run between steps', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await training.fit({ ...common(), model: makeNet() });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });

  it('leaves no tensor behind but weights and momentum', async () => {
    const run = () => training.fit({ ...common(), model, out: join(folder, 'memory'), overwrite: true });
    const model = makeNet();
    await run();
    await run();
    globalThis.gc?.();
    const before = memory().tensors;
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
    await training.fit({ ...common(), model, optimizer, epochs: 1 });
    const buffers = model.parameters().length + 1; // a momentum for each parameter, and the rate
    const after = memory().tensors;
    await training.fit({ ...common(), model, optimizer, epochs: 3 });
    expect(memory().tensors).toBeLessThanOrEqual(after); // less: the collector may have found older ones
    expect(after - before).toBeLessThanOrEqual(buffers);
  });

  it('takes your optimizer and schedule', async () => {
    const model = makeNet();
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.02 });
    const schedule = optim.multiStep(optimizer, { milestones: [1], gamma: 0.5 });
    const { epochs } = await training.fit({ ...common(), model, optimizer, schedule, epochs: 2 });
    expect(epochs.map(({ learningRate }) => learningRate)).toEqual([0.02, 0.01]);
  });

  const byName: [string, training.Recipe['optimizer'], training.Recipe['schedule']][] = [
    ['AdamW and one cycle', { name: 'adamw', lr: 0.01 }, { name: 'OneCycleLR', maxLr: 0.02 }],
    [
      'RMSprop and a cosine',
      { name: 'RMSprop', lr: 0.003, momentum: 0.5 },
      { name: 'CosineAnnealingLR', etaMin: 1e-4 },
    ],
    ['Adafactor and plateaus', { name: 'adafactor' }, { name: 'ReduceLROnPlateau', patience: 0, threshold: 100 }],
    ['NAdam and a cycle', { name: 'NAdam' }, { name: 'cycliclr', baseLr: 1e-4, maxLr: 0.01, stepSizeUp: 3 }],
  ];
  it.each(byName)(
    'trains by name with %s, captured or not and stopped or not to the same bits',
    async (what, optimizer, schedule) => {
      const recipe: training.Recipe = { name: 'mine', epochs: 3, batchSize: 32, optimizer, schedule };
      const { lr: _, epochs: __, ...settings } = common();
      const rates: number[][] = [];
      const run = async (more: Partial<training.FitOptions>) => {
        const model = makeNet();
        const { epochs } = await training.fit({ ...settings, recipe, model, ...more });
        rates.push(epochs.map(({ learningRate }) => learningRate));
        return { end: bits(model), model };
      };
      const whole = await run({});
      expect((await run({ capture: false })).end).toEqual(whole.end);
      const out = join(folder, what.replaceAll(' ', '-'));
      const controller = new AbortController();
      const stopped = await run({ out, signal: controller.signal, onEpoch: () => controller.abort() });
      const { stopped: wasStopped } = await training.fit({
        ...settings,
        recipe,
        model: stopped.model,
        out,
        resume: true,
      });
      expect(wasStopped).toBe(false);
      expect(bits(stopped.model)).toEqual(whole.end);
      expect(new Set(rates[0]).size).toBeGreaterThan(1);
      expect(rates[1]).toEqual(rates[0]);
    },
  );

  it.each([true, false])(
    'says at which step the loss was no longer finite (captured: %s), saves nothing',
    async (capture) => {
      const model = makeNet();
      const steps = torch.zeros([1]);
      const criterion = {
        forward: (logits: Tensor, labels: Tensor) =>
          new losses.IsoMaxPlusLoss().forward(logits.div(steps.add_(1).ne(5).to('float32')), labels),
      };
      const out = join(folder, `diverged-${capture}`);
      const options = { ...common(), model, criterion, validation: undefined, out, capture };
      await expect(training.fit(options)).rejects.toMatchObject({
        code: 'ERR_DATA',
        message: expect.stringMatching(/became NaN at step 5 of epoch 1.*learning rate/s),
      });
      expect(readdirSync(join(out, 'checkpoints'))).toEqual([]);
      expect(existsSync(join(out, 'run.lock'))).toBe(false);
    },
  );

  it('captured or not, ends with the same bits', async () => {
    const ends: unknown[] = [];
    for (const capture of [true, false]) {
      const model = makeNet();
      const { epochs } = await training.fit({ ...common(), model, capture });
      ends.push([figures(epochs), bits(model)]);
    }
    expect(ends[0]).toEqual(ends[1]);
  });

  it('refuses to capture a model that reads values, and trains it otherwise', async () => {
    const model = makeNet();
    const criterion = {
      forward: (logits: Tensor, labels: Tensor) =>
        new losses.IsoMaxPlusLoss().forward(logits.mul(logits.detach().max().item() > 1e9 ? 0 : 1), labels),
    };
    await expect(training.fit({ ...common(), model, criterion, epochs: 1 })).rejects.toMatchObject({
      code: 'ERR_CAPTURE',
      message: expect.stringContaining('capture: false'),
    });
    expect((await training.fit({ ...common(), model, criterion, epochs: 1, capture: false })).epochs).toHaveLength(1);
  });

  it.each([
    [{ epochs: 0 }, /epochs/],
    [{ batchSize: 1.5 }, /batchSize/],
    [{ lr: -1 }, /lr/],
    [{ precision: 'float8' as 'float32' }, /bfloat16/],
    [{ recipe: 'fast' as 'quickstart' }, /isomax-paper, quickstart/],
    [{ resume: true }, /run directory/],
  ])('refuses %o', async (wrong, message) => {
    await expect(training.fit({ ...common(), model: makeNet(), ...wrong })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });
});

describe('the run directory of a training', () => {
  it('holds settings, surroundings, metrics and checkpoints', async () => {
    const out = join(folder, 'complete');
    const model = makeNet();
    const { epochs } = await training.fit({ ...common(), model, out, config: { note: 'hello' } });
    expect(readdirSync(out).sort()).toEqual(['checkpoints', 'config.json', 'environment.json', 'metrics.jsonl']);
    expect(readdirSync(join(out, 'checkpoints')).sort()).toEqual(['best.pt', 'last.pt', 'state.pt']);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toEqual({
      note: 'hello',
      training: {
        recipe: {
          name: 'quickstart',
          epochs: 3,
          batchSize: 32,
          optimizer: { name: 'sgd', lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 1e-4 },
          schedule: { name: 'cosine', minLr: 0 },
        },
        seed: 5,
        normalize: train.statistics,
        augmentations: 1,
        trainImages: 200,
        validationImages: 64,
      },
    });
    const environment = JSON.parse(readFileSync(join(out, 'environment.json'), 'utf8'));
    expect(environment).toMatchObject({ node: process.versions.node, libtorch: torch.version, device: 'cpu' });
    const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(epochs);
  });

  it('keeps the best weights by validation, not the last', async () => {
    const out = join(folder, 'best');
    const model = makeNet();
    let epoch = 0;
    // A criterion that leaves the weights alone after the first epoch and ruins them in the last.
    const result = await training.fit({
      ...common(),
      model,
      out,
      onEpoch: () => {
        epoch++;
        if (epoch === 2) torch.noGrad(() => model.classifier.prototypes.normal_());
      },
    });
    const accuracies = result.epochs.map((record) => record.validation!.accuracy);
    const best = accuracies.indexOf(Math.max(...accuracies));
    expect(best).toBeLessThan(2);
    const same = readFileSync(join(out, 'checkpoints', 'best.pt')).equals(
      readFileSync(join(out, 'checkpoints', 'last.pt')),
    );
    expect(same).toBe(false);
  });

  it('has no best weights without validation images', async () => {
    const out = join(folder, 'unvalidated');
    const { epochs } = await training.fit({ ...common(), validation: undefined, model: makeNet(), epochs: 1, out });
    expect(readdirSync(join(out, 'checkpoints')).sort()).toEqual(['last.pt', 'state.pt']);
    expect(epochs[0]).not.toHaveProperty('validation');
  });

  it('is not overwritten unless asked', async () => {
    const out = join(folder, 'taken');
    await training.fit({ ...common(), model: makeNet(), epochs: 1, out });
    const again = training.fit({ ...common(), model: makeNet(), epochs: 1, out });
    await expect(again).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(/holds a run already/),
    });
    const { epochs } = await training.fit({ ...common(), model: makeNet(), epochs: 2, out, overwrite: true });
    expect(epochs).toHaveLength(2);
  });

  it('refuses a second trainer while one is at work', async () => {
    const out = join(folder, 'busy');
    const first = training.fit({ ...common(), model: makeNet(), out });
    const second = training.fit({ ...common(), model: makeNet(), out, overwrite: true });
    await expect(second).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(new RegExp(`in use by process ${process.pid}`)),
    });
    expect((await first).epochs).toHaveLength(3);
  });
});

describe('going on after a stop', () => {
  /** Stops when `at` says so, then goes on in a new model, as another process would. */
  async function interrupted(
    out: string,
    at: (progress: training.Progress) => boolean,
    options: Partial<training.FitOptions> = {},
  ) {
    const controller = new AbortController();
    const stopped = await training.fit({
      ...common(),
      ...options,
      model: makeNet(),
      out,
      signal: controller.signal,
      progressInterval: 0,
      onProgress: (progress) => at(progress) && controller.abort(),
    });
    const model = makeNet();
    torch.manualSeed(12345); // whatever the new process did before
    const result = await training.fit({ ...common(), ...options, model, out, resume: true });
    return { stopped, result, model };
  }

  it.each<[string, (progress: training.Progress) => boolean, number]>([
    ['after the very first step', ({ epoch, step }) => epoch === 1 && step === 1, 0],
    ['in the middle of an epoch', ({ phase, epoch, step }) => phase === 'train' && epoch === 2 && step === 3, 1],
    ['after the last step of an epoch', ({ phase, epoch, step }) => phase === 'train' && epoch === 2 && step === 7, 1],
    ['while validating', ({ phase, epoch }) => phase === 'validate' && epoch === 2, 1],
    ['in the last epoch', ({ phase, epoch, step }) => phase === 'train' && epoch === 3 && step === 6, 2],
  ])('%s gives the bits of a run that was never stopped', async (name, at, done) => {
    const whole = makeNet();
    const expectedRun = await training.fit({ ...common(), model: whole, out: join(folder, 'whole'), overwrite: true });
    const out = join(folder, name.replaceAll(' ', '-'));
    const { stopped, result, model } = await interrupted(out, at);
    expect(stopped.stopped).toBe(true);
    expect(stopped.epochs).toHaveLength(done);
    expect(result.stopped).toBe(false);
    expect(bits(model)).toEqual(bits(whole));
    expect(figures(result.epochs)).toEqual(figures(expectedRun.epochs));
    const file = (run: string, checkpoint: string) => readFileSync(join(run, 'checkpoints', `${checkpoint}.pt`));
    for (const checkpoint of ['last', 'best'])
      expect(file(out, checkpoint).equals(file(join(folder, 'whole'), checkpoint))).toBe(true);
  });

  it('with mosaics too, whose order is drawn', async () => {
    const criterion = new losses.DisMaxLoss();
    const whole = makeNet();
    const { epochs } = await training.fit({ ...common(), model: whole, criterion });
    const middle = ({ phase, epoch, step }: training.Progress) => phase === 'train' && epoch === 2 && step === 3;
    const { result, model } = await interrupted(join(folder, 'mosaics'), middle, { criterion });
    expect(figures(result.epochs)).toEqual(figures(epochs));
    expect(bits(model)).toEqual(bits(whole));
  });

  it.each(['bfloat16', 'float16'] as const)('in %s too, with the state of its loss scaling', async (precision) => {
    const whole = makeNet();
    const { epochs } = await training.fit({ ...common(), model: whole, precision });
    const out = join(folder, precision);
    const middle = ({ phase, epoch, step }: training.Progress) => phase === 'train' && epoch === 2 && step === 3;
    const { result, model } = await interrupted(out, middle, { precision });
    expect(bits(model)).toEqual(bits(whole));
    expect(figures(result.epochs)).toEqual(figures(epochs));
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);

    const full = makeNet();
    await training.fit({ ...common(), model: full });
    expect(bits(full)).not.toEqual(bits(whole)); // it was not float32 all along
    const state = await loadTorch<Map<string, Map<string, number>>>(join(out, 'checkpoints', 'state.pt'));
    expect(state.get('scaler')!.get('scale')).toBe(precision === 'float16' ? 65536 : undefined);
    await expect(training.fit({ ...common(), model, out, resume: true })).rejects.toThrow(/training.precision/);
  });

  it('stops at once, before any step, when the signal has come already', async () => {
    const out = join(folder, 'early');
    const model = makeNet();
    const before = bits(model);
    const { stopped } = await training.fit({ ...common(), model, out, signal: AbortSignal.abort() });
    expect(stopped).toBe(true);
    expect(bits(model)).toEqual(before);
    await training.fit({ ...common(), model, out, resume: true });
    const whole = makeNet();
    await training.fit({ ...common(), model: whole });
    expect(bits(model)).toEqual(bits(whole));
  });

  it('begins again where the run ended before its first checkpoint', async () => {
    const out = join(folder, 'no-state');
    training.RunDirectory.create(out).close();
    const whole = makeNet();
    await training.fit({ ...common(), model: whole, out });
    rmSync(join(out, 'checkpoints'), { recursive: true });
    const model = makeNet();
    const { epochs } = await training.fit({ ...common(), model, out, resume: true });
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(bits(model)).toEqual(bits(whole));
  });

  it('has nothing to do where all is done', async () => {
    const out = join(folder, 'done');
    const model = makeNet();
    const first = await training.fit({ ...common(), model, out });
    const other = makeNet();
    expect(await training.fit({ ...common(), model: other, out, resume: true })).toEqual(first);
    expect(bits(other)).toEqual(bits(model));
  });

  it('refuses other settings and lists them', async () => {
    const out = join(folder, 'settings');
    await training.fit({ ...common(), model: makeNet(), out, epochs: 1 });
    const other = training.fit({ ...common(), model: makeNet(), out, resume: true, lr: 0.2, seed: 6, epochs: 1 });
    await expect(other).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(
        /training\.recipe\.optimizer\.lr: 0\.05 then, 0\.2 now\n.*training\.seed: 5 then, 6 now/s,
      ),
    });
  });

  it('refuses where there is no run, a damaged state, or another network', async () => {
    const nowhere = training.fit({ ...common(), model: makeNet(), out: join(folder, 'nowhere'), resume: true });
    await expect(nowhere).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringMatching(/found none/) });
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);

    const out = join(folder, 'other-network');
    await training.fit({ ...common(), model: makeNet(), out, epochs: 1 });
    const other = models.convNet({ width: 4, head: losses.byName('isomax').head });
    const wrong = training.fit({ ...common(), model: other, out, resume: true, epochs: 1 });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_STATE_DICT' });
    const lastAsState = join(out, 'checkpoints', 'state.pt');
    const another = join(folder, 'another-seed');
    await training.fit({ ...common(), model: makeNet(), out: another, epochs: 1, seed: 77 });
    copyFileSync(join(another, 'checkpoints', 'state.pt'), lastAsState);
    const copied = training.fit({ ...common(), model: makeNet(), out, resume: true, epochs: 1 });
    await expect(copied).rejects.toMatchObject({
      code: 'ERR_STATE_DICT',
      message: expect.stringMatching(/other settings \(config hash/),
    });
    rmSync(lastAsState);
    copyFileSync(join(out, 'checkpoints', 'last.pt'), lastAsState);
    const notAState = training.fit({ ...common(), model: makeNet(), out, resume: true, epochs: 1 });
    await expect(notAState).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });
});

const withPython = needs(python, 'a Python that has torch');
withPython.describe('what a run writes', () => {
  withPython.it('torch.load reads with weights_only=True, and torch.optim.SGD goes on from it', async () => {
    const out = join(folder, 'python');
    const model = makeNet();
    await training.fit({ ...common(), model, out });
    const found = runPython(
      `
import torch
load = lambda name: torch.load(f"{input}/checkpoints/{name}.pt", weights_only=True)
last, best, state = load("last"), load("best"), load("state")
params = [torch.nn.Parameter(v.clone()) for k, v in last.items() if "running" not in k and "num_batches" not in k]
optimizer = torch.optim.SGD(params, lr=1.0, momentum=0.9)
optimizer.load_state_dict(state["optimizer"])
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1)
schedule.load_state_dict(state["schedule"])
emit({
    "keys": list(last), "type": type(last).__name__, "best": list(best) == list(last),
    "same": all(torch.equal(last[k], state["model"][k]) for k in last),
    "epoch": state["epoch"], "step": state["step"], "rng": state["rng"].numel() == torch.get_rng_state().numel(),
    "momentum": optimizer.param_groups[0]["momentum"], "tmax": schedule.T_max, "last_epoch": schedule.last_epoch,
    "prototypes": last["classifier.prototypes"].tolist(),
})`,
      out,
    ) as Record<string, unknown>;
    expect(found).toMatchObject({
      keys: [...model.stateDict().keys()],
      type: 'OrderedDict',
      best: true,
      same: true,
      epoch: 3,
      step: 0,
      rng: true,
      momentum: 0.9,
      tmax: 3,
      last_epoch: 3,
      prototypes: model.classifier.prototypes.tolist(),
    });
  });
});
