// Detectors that need the network itself, held to test/fixtures/make_image_detectors.py: every score image by image in Python,
// float64, from the papers' formulas. Then the rules of the contract: modes, memory, capture, state, edge cases.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as losses from '../lib/losses/index.js';
import * as nn from '../lib/nn/index.js';
import * as ood from '../lib/ood/index.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { numericalGradient } from './support/gradients.js';
import { golden, Pictures, tiny, transformOf } from './support/pictures.js';

const { std } = golden;
const transform = transformOf('float64');

let model: nn.Sequential;
let network: ood.Network;
let train: Pictures;
let test: Pictures;
let validation: { known: Pictures; unknown: Pictures };
beforeAll(() => {
  model = tiny();
  network = new ood.Network(model, { transform });
  train = new Pictures('train', golden.train.images, golden.train.labels);
  test = new Pictures('test', golden.test);
  validation = { known: new Pictures('known', golden.known), unknown: new Pictures('unknown', golden.unknown) };
});
afterAll(() => {
  for (const each of [model, train, test, validation.known, validation.unknown]) each.dispose();
});

/** Each within `bound` of the wanted, relative to its size. */
function close(found: ArrayLike<number>, wanted: readonly number[], bound = 1e-10): void {
  expect(found.length).toBe(wanted.length);
  const worst = wanted.map((value, i) => Math.abs(found[i]! - value) / Math.max(1, Math.abs(value)));
  expect(Math.max(...worst)).toBeLessThanOrEqual(bound);
}

const named = (detector: ood.ImageDetector) => `${detector.name} ${JSON.stringify(detector.settings)}`;

/** Every golden case: the detector and its scores of the test images. */
const cases: { detector: ood.ImageDetector; wanted: number[] }[] = [
  ...golden.odin.map(({ scores, ...settings }) => ({ detector: ood.odin({ ...settings, std }), wanted: scores })),
  ...golden.mahalanobis.map(({ scores, ...settings }) => ({
    detector: ood.inputMahalanobis({ ...settings, std }),
    wanted: scores,
  })),
  ...golden.ensemble.map(({ scores, epsilon }) => ({
    detector: ood.mahalanobisEnsemble({ epsilon, std }),
    wanted: scores,
  })),
  ...golden.gram.map(({ scores, powers, validation }) => ({
    detector: ood.gram({ powers, validation }),
    wanted: scores,
  })),
  ...golden.rankfeat.map(({ stages, scores }) => ({ detector: ood.rankFeat({ stages }), wanted: scores })),
  ...golden.rankfeat.map(({ stages, scores }) => ({
    detector: ood.rankFeat({ stages, iterations: 400 }),
    wanted: scores,
  })),
  { detector: ood.autogradNorm(), wanted: golden.gradnorm },
];

describe('equal to Python', () => {
  it('the network itself', () => {
    tidy(() => {
      const { logits, features } = network.outputs(network.input(torch.tensor(golden.test, { dtype: 'float64' })));
      close(logits.flatten().toArraySync() as Float64Array, golden.logits.flat());
      close(features.flatten().toArraySync() as Float64Array, golden.features.flat());
    });
  });

  it.each(cases.map((each) => [named(each.detector), each] as const))(
    '%s, in batches, captured and not',
    async (_, each) => {
      const { detector, wanted } = each;
      if ('fit' in detector)
        await (detector as ood.FittedImageDetector).fit(network, train, { validation, batchSize: 7 });
      close(await ood.scoreImages(detector, network, test, { batchSize: 4 }), wanted);
      close(await ood.scoreImages(detector, network, test, { capture: false }), wanted);
      if ('fit' in detector) (detector as ood.FittedImageDetector).dispose();
    },
  );
});

describe('exact', () => {
  it('float32 networks to 1e-6 of the largest score, as their own features are no better', async () => {
    const [small, single] = [tiny('float32'), new Pictures('test', golden.test, null, 'float32')];
    const inSingle = new ood.Network(small, { transform: transformOf('float32') });
    for (const { detector, wanted } of cases) {
      const learner = 'fit' in detector ? (detector as ood.FittedImageDetector) : null;
      await learner?.fit(network, train, { validation }); // what is learnt is float64 anyway
      const size = Math.max(1, ...wanted.map(Math.abs));
      const scaled = (await ood.scoreImages(detector, inSingle, single)).map((score) => score / size);
      close(
        scaled,
        wanted.map((score) => score / size),
        1e-6,
      );
      learner?.dispose();
    }
    small.dispose();
    single.dispose();
  });

  it.each(golden.regression.map((each, i) => [i, each] as const))(
    'logistic regression %i',
    (_, { x, y, C, weights, bias }) => {
      tidy(() => {
        const [features, positive] = [torch.tensor(x, { dtype: 'float64' }), torch.tensor(y, { dtype: 'float64' })];
        const found = ood.logisticRegression(features, positive, C);
        close(found.weights.toArraySync() as Float64Array, weights, 1e-8);
        close(found.bias.toArraySync() as Float64Array, [bias], 1e-8);
      });
    },
  );

  it.each(golden.ensemble)(
    'weights of the ensemble, ε = $epsilon, and equal ones',
    async ({ epsilon, weights, bias, equal }) => {
      const detector = ood.mahalanobisEnsemble({ epsilon, std });
      await detector.fit(network, train, { validation });
      close(detector.state().weights!.toArraySync() as Float64Array, weights, 1e-8);
      close(detector.state().bias!.toArraySync() as Float64Array, [bias], 1e-8);
      await detector.fit(network, train);
      close(await ood.scoreImages(detector, network, test), equal);
      detector.dispose();
    },
  );

  it.each(golden.gram)('normalisers of gram, powers $powers', async ({ powers, validation: share, normalisers }) => {
    const detector = ood.gram({ powers, validation: share });
    await detector.fit(network, train, { batchSize: 9 });
    close(detector.state().normalisers!.toArraySync() as Float64Array, normalisers);
    detector.dispose();
  });

  it('the step of ODIN raises the predicted class, that of Mahalanobis shortens the distance', () => {
    // Two classes with logits x and −x: at x = 0.3 the first is predicted, and a larger x makes it likelier.
    const line = new nn.Linear(1, 2, { bias: false, dtype: 'float64' });
    tidy(() => {
      line.loadStateDict({ weight: torch.tensor([[1], [-1]], { dtype: 'float64' }) });
      const along = new ood.Network(line);
      const at = torch.tensor([[0.3], [-0.3], [0]], { dtype: 'float64' });
      const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
      const scores = ood.odin({ temperature: 1, epsilon: 0.1 }).score(at, along).tolist() as number[];
      close(scores, [sigmoid(0.8), sigmoid(0.8), sigmoid(0.2)]);
      const halved = ood
        .odin({ temperature: 2, epsilon: 0.1, std: [0.5] })
        .score(at, along)
        .tolist() as number[];
      close(halved, [sigmoid(0.5), sigmoid(0.5), sigmoid(0.2)]);
      const near = ood.inputMahalanobis({ epsilon: 0.1 });
      const float64 = (values: number[] | number[][]): Tensor => torch.tensor(values, { dtype: 'float64' });
      near.load({ whitening: float64([[2]]), means: float64([[1], [-10]]) });
      close(
        near.score(at, along).tolist() as number[],
        [0.6, 1.2, 0.9].map((distance) => -2 * distance ** 2),
      );
      near.dispose();
    });
    line.dispose();
  });

  it('GradNorm by autograd is the closed form, and on a distance head the numerical gradient', () => {
    tidy(() => {
      const images = torch.tensor(golden.test, { dtype: 'float64' });
      const { logits, features } = network.outputs(network.input(images));
      const closed = features
        .abs()
        .sum([1])
        .mul(logits.softmax(1).mul(4).sub(1).abs().sum([1]));
      close(ood.autogradNorm().score(images, network).toArraySync() as Float64Array, closed.tolist() as number[]);

      const head = new losses.IsoMaxHead(5, 3, { dtype: 'float64' });
      head.loadStateDict({ prototypes: torch.linspace(-1, 1, 15, { dtype: 'float64' }).view([3, 5]) });
      const [norm] = ood
        .autogradNorm()
        .score(features.narrow(0, 1, 1), new ood.Network(head))
        .tolist() as number[];
      const loss = (prototypes: Tensor): Tensor =>
        torch
          .cdist(features.narrow(0, 1, 1).detach(), prototypes)
          .neg()
          .logSoftmax(1)
          .sum()
          .neg();
      expect(norm).toBeCloseTo(numericalGradient(loss, head.prototypes).abs().sum().item(), 6);
      head.dispose();
    });
  });
});

/** Fitted, to be disposed of. */
async function fitted(): Promise<ood.ImageDetector[]> {
  const detectors = [
    ood.odin({ std, epsilon: 0.01 }),
    ood.inputMahalanobis({ std, epsilon: 0.01 }),
    ood.mahalanobisEnsemble({ std, epsilon: 0.01 }),
    ood.gram(),
    ood.rankFeat(),
    ood.rankFeat({ iterations: 20 }),
    ood.autogradNorm(),
  ];
  for (const detector of detectors)
    if ('fit' in detector) await (detector as ood.FittedImageDetector).fit(network, train, { validation });
  return detectors;
}

const dispose = (detectors: readonly ood.ImageDetector[]): void => {
  for (const detector of detectors) if ('dispose' in detector) (detector as ood.FittedImageDetector).dispose();
};

describe('the contract', () => {
  it('captured is eager to the bit, and runs the model for the first batch of a size only', async () => {
    const detectors = await fitted();
    for (const detector of detectors) {
      const eager = await ood.scoreImages(detector, network, test, { batchSize: 3, capture: false });
      let forwards = 0;
      const forward = model.forward.bind(model);
      Object.defineProperty(model, 'forward', {
        configurable: true,
        value: (x: Tensor) => {
          forwards++;
          return forward(x);
        },
      });
      try {
        const captured = await ood.scoreImages(detector, network, test, { batchSize: 3 });
        expect([detector.name, ...captured]).toEqual([detector.name, ...eager]);
        const once = forwards;
        const scorerOfAll = await ood.scoreImages(detector, network, test, { batchSize: 9 });
        expect(forwards).toBe(2 * once);
        close(scorerOfAll, [...eager], 1e-12);
      } finally {
        Reflect.deleteProperty(model, 'forward');
      }
    }
    dispose(detectors);
  });

  it('an image’s score depends on that image alone', async () => {
    const detectors = await fitted();
    tidy(() => {
      const images = torch.tensor(golden.test, { dtype: 'float64' });
      for (const detector of detectors) {
        const together = detector.score(images, network).tolist() as number[];
        const alone = together.map((_, i) => detector.score(images.narrow(0, i, 1), network).item());
        close(alone, together, 1e-12);
      }
    });
    dispose(detectors);
  });

  it('frees everything and leaves modes and modules as they were, also on errors', async () => {
    const all = async (): Promise<void> => {
      const detectors = await fitted();
      for (const detector of detectors) {
        await ood.scoreImages(detector, network, test);
        await ood.scoreImages(detector, network, test, { capture: false });
        const aborted = async (run: (options: ood.FitOptions) => Promise<unknown>): Promise<void> => {
          const stop = new AbortController();
          const running = run({ batchSize: 2, signal: stop.signal, onProgress: () => stop.abort() });
          await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED' });
        };
        await aborted((options) => ood.scoreImages(detector, network, test, options));
        if ('fit' in detector)
          await aborted((options) => (detector as ood.FittedImageDetector).fit(network, train, options));
        const wrong = new ood.Network(model, { transform: (images) => images.narrow(1, 0, 1) });
        await expect(ood.scoreImages(detector, wrong, test)).rejects.toMatchObject({
          code: expect.stringMatching(/^ERR_(LIBTORCH|SHAPE)$/),
        });
      }
      dispose(detectors);
    };
    model.train();
    model.at(1)!.eval();
    const modes = model.modules().map((module) => module.training);
    await all();
    const before = memory();
    await all();
    expect(memory()).toEqual(before);
    expect(model.modules().map((module) => module.training)).toEqual(modes);
    for (const module of model.modules()) expect(Object.hasOwn(module, 'forward')).toBe(false);
    model.eval();
  });

  it('what was learnt goes from one detector to another, as copies', async () => {
    for (const make of [ood.inputMahalanobis, ood.mahalanobisEnsemble, ood.gram]) {
      const [one, other] = [make(), make()];
      expect(() => one.state()).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
      expect(() => one.score(torch.tensor(golden.test), network)).toThrow(/has learnt nothing yet/);
      await one.fit(network, train, { validation });
      const wanted = await ood.scoreImages(one, network, test);
      other.load(one.state());
      other.load(other.state());
      one.dispose();
      expect([one.isFitted, other.isFitted]).toEqual([false, true]);
      expect(await ood.scoreImages(other, network, test)).toEqual(wanted);
      const state = other.state();
      const [name] = Object.keys(state) as [string];
      const { [name]: _, ...less } = state;
      for (const bad of [less, { ...state, more: state[name]! }, { ...state, [name]: torch.zeros([2, 2, 2]) }])
        expect(() => other.load(bad)).toThrow(expect.objectContaining({ code: 'ERR_STATE_DICT' }));
      expect(await ood.scoreImages(other, network, test)).toEqual(wanted);
      other.dispose();
    }
  });
});

describe('edges', () => {
  const { images } = golden.train;
  const fit = async (detector: ood.FittedImageDetector, set: Pictures, options: ood.FitOptions = {}) => {
    try {
      await detector.fit(network, set, options);
      return [...(await ood.scoreImages(detector, network, test))];
    } finally {
      detector.dispose();
      set.dispose();
    }
  };

  it('one class, one image a class, equal images: finite scores', async () => {
    const sets = () => [
      new Pictures('one class', images.slice(0, 20), Array(20).fill(2)),
      new Pictures('one each', images.slice(0, 3), [0, 1, 2]),
      new Pictures('equal', Array(12).fill(images[0]), Array(12).fill(1)),
      new Pictures('one image', images.slice(0, 1), [3]),
    ];
    for (const make of [ood.inputMahalanobis, ood.mahalanobisEnsemble])
      for (const set of sets()) expect((await fit(make({ std }), set)).every(Number.isFinite)).toBe(true);
    const equal = await fit(ood.gram({ validation: 0.5 }), new Pictures('equal', Array(12).fill(images[0])));
    expect(equal.every(Number.isFinite)).toBe(true);
  });

  it('maps without a direction have none removed', () => {
    tidy(() => {
      const flat = torch.zeros([2, 3, 4, 4]);
      const same = new nn.Sequential(
        new nn.Sequential(new nn.Identity()),
        new nn.AdaptiveAvgPool2d(1),
        new nn.Flatten(),
      );
      for (const iterations of [0, 20])
        close(
          ood.rankFeat({ iterations }).score(flat, new ood.Network(same)).tolist() as number[],
          [3, 3].map(Math.log),
          1e-6,
        );
    });
  });

  it.each([
    ['no labels', () => ood.inputMahalanobis(), { labels: null }, 'ERR_DATA', /learns from labelled images/],
    ['a label that is no class', () => ood.mahalanobisEnsemble(), { labels: Array(60).fill(4) }, 'ERR_DATA', /0 to 3/],
    ['too few images', () => ood.gram(), { count: 9 }, 'ERR_DATA', /every 10th training image/],
    ['a pixel that is NaN', () => ood.inputMahalanobis(), { spoilt: true }, 'ERR_DATA', /finite/],
    ['a pixel that is NaN, for gram', () => ood.gram(), { spoilt: true }, 'ERR_DATA', /finite/],
    ['one std too many', () => ood.inputMahalanobis({ std: [1, 1, 1] }), {}, 'ERR_SHAPE', /2 channels/],
  ])(
    '%s',
    async (_, make, {
      labels,
      count = 60,
      spoilt,
    }: { labels?: number[] | null; count?: number; spoilt?: boolean }, code, message) => {
      const pictures = spoilt
        ? images.map((image, i) =>
            i === 3 ? [[[Number.NaN, ...image[0]![0]!.slice(1)], ...image[0]!.slice(1)], image[1]!] : image,
          )
        : images;
      const set = new Pictures(
        'bad',
        pictures.slice(0, count),
        labels === undefined ? golden.train.labels.slice(0, count) : labels,
      );
      const before = memory().tensors;
      const error = await fit(make(), set).catch((e) => e);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(memory().tensors).toBeLessThanOrEqual(before);
    },
  );

  it('validation images of one kind alone, and arguments of other types', async () => {
    const none = { known: validation.known, unknown: new Pictures('none', []) };
    await expect(ood.mahalanobisEnsemble().fit(network, train, { validation: none })).rejects.toMatchObject({
      code: 'ERR_DATA',
    });
    const wrong = [
      () => ood.odin({ temperature: 0 }),
      () => ood.odin({ epsilon: -1 }),
      () => ood.odin({ std: [1, 0] }),
      () => ood.inputMahalanobis({ layer: 3 as never }),
      () => ood.mahalanobisEnsemble({ C: 0 }),
      () => ood.gram({ powers: [] }),
      () => ood.gram({ validation: 1 }),
      () => ood.rankFeat({ iterations: 0.5 }),
      () => ood.rankFeat({ stages: [] }),
    ];
    for (const make of wrong) expect(make).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });

  it('heads that GradNorm is not defined for, and raw pixels', () => {
    tidy(() => {
      const x = torch.tensor(golden.test, { dtype: 'float64' });
      model.requiresGrad_(false);
      expect(() => ood.autogradNorm().score(x, network)).toThrow(/frozen/);
      model.requiresGrad_(true);
      const other = new ood.Network(model, { transform, head: 'flatten' });
      expect(() => ood.autogradNorm().score(x, other)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
      expect(() => ood.odin().score(x.to('uint8'), new ood.Network(model))).toThrow(/normalises images/);
    });
  });
});
