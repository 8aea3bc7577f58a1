// Features out of any network: which module is the last layer, what taps leave behind (nothing), stages by themselves, what
// extract gives with features, and evaluate with detectors that learn.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as losses from '../lib/losses/index.js';
import * as models from '../lib/models/index.js';
import * as nn from '../lib/nn/index.js';
import * as ood from '../lib/ood/index.js';
import { Rows } from '../lib/ood/network/rows.js';
import { whileTapped } from '../lib/ood/network/tap.js';
import { loadScript } from '../lib/script/index.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { golden, Pictures, tiny, transformOf } from './support/pictures.js';
import { needs } from './support/skip.js';

const transform = transformOf('float64');
const maxDifference = (a: Tensor, b: Tensor): number => tidy(() => a.sub(b).abs().amax().item());

/** A head that is none of ours, behind a classifier that is not the last layer. */
class Unusual extends nn.Module {
  classifier = new nn.Linear(6, 5);
  ownHead = new nn.Sequential(new nn.Linear(5, 4), new nn.Tanh());
  unused = new nn.Linear(5, 4);
  forward(x: Tensor): Tensor {
    return this.ownHead.forward(this.classifier.forward(x).relu()).mul(2);
  }
}

describe('the last layer', () => {
  const found: [string, () => nn.Module & { features?(x: Tensor): Tensor }, number[], string[]][] = [
    ['resnet20', () => models.resnet20(), [2, 3, 16, 16], ['layer1', 'layer2', 'layer3']],
    ['resnet18', () => models.resnet18({ width: 4 }), [2, 3, 16, 16], ['layer1', 'layer2', 'layer3', 'layer4']],
    ['convNet', () => models.convNet({ width: 2 }), [2, 1, 12, 12], [2, 5, 8, 11, 14].map((i) => `body.${i}`)],
    [
      'IsoMax+',
      () => models.convNet({ width: 2, head: losses.byName('isomaxplus').head }),
      [2, 1, 12, 12],
      [2, 5, 8, 11, 14].map((i) => `body.${i}`),
    ],
  ];
  it.each(found)('of %s is found, and the stages', (_, make, shape, stages) => {
    const model = make().eval();
    tidy(() => {
      const [network, x] = [new ood.Network(model), torch.randn(shape)];
      expect(() => network.head).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
      const { logits, features } = torch.noGrad(() => network.outputs(x));
      expect(features.equal(model.features!(x))).toBe(true);
      expect(network.head.forward(features).equal(logits)).toBe(true);
      expect(network.stagePaths(x)).toEqual(stages);
      const { stages: maps } = network.stages(x);
      expect(maps.map(({ ndim }) => ndim)).toEqual(stages.map(() => 4));
    });
    model.dispose();
  });

  it('of Sequential is its last linear layer, also inside another', () => {
    const model = new nn.Sequential(
      new nn.Linear(3, 4),
      new nn.ReLU({ inplace: true }),
      new nn.Sequential(new nn.Linear(4, 2)),
    );
    tidy(() => {
      const [network, x] = [new ood.Network(model), torch.randn([5, 3])];
      const { logits, features } = network.outputs(x);
      expect(features.equal(model.at(0)!.forward(x).relu())).toBe(true);
      expect([network.head.kind, network.head.forward(features).equal(logits)]).toEqual(['affine', true]);
    });
    model.dispose();
  });

  it('is named where it can’t be told: a path or the module', () => {
    const model = new Unusual();
    tidy(() => {
      const x = torch.randn([3, 6]);
      expect(() => new ood.Network(model).outputs(x)).toThrow(
        /comes from none of classifier, own_head\.0, unused\. Give head/,
      );
      const wanted = model.classifier.forward(x).relu();
      for (const head of ['own_head', model.ownHead]) {
        const network = new ood.Network(model, { head });
        expect(network.features(x).equal(wanted)).toBe(true);
        expect(network.head.kind).toBe('other');
      }
      expect(() => new ood.Network(model, { head: 'fc' })).toThrow(/classifier, own_head, own_head\.0/);
      expect(() => new ood.Network(model, { head: 'unused' }).outputs(x)).toThrow(/run the head unused but it did not/);
      expect(() => new ood.Network(model, { head: 3 as never })).toThrow(
        expect.objectContaining({ code: 'ERR_ARGUMENT' }),
      );
      expect(() => new ood.Network(model, { stages: [] })).toThrow(/for stages/);
      expect(() => new ood.Network(model, { stages: ['unused'] }).stages(x)).toThrow(/run the stage unused/);
      expect(() => new ood.Network(model).stagePaths(x)).toThrow(/name the modules to look at/);
    });
    model.dispose();
  });

  it('of what has only a forward: says what to do', async () => {
    const plain = {
      training: true,
      seen: [] as boolean[],
      train(mode = true): void {
        this.training = mode;
      },
      eval(): void {
        this.training = false;
      },
      forward(x: Tensor): Tensor {
        this.seen.push(this.training);
        return x.flatten(1);
      },
    };
    const test = new Pictures('test', golden.test);
    const logits = await ood.extract(plain, test);
    expect([logits.features, logits.head]).toEqual([null, null]);
    expect([plain.seen, plain.training]).toEqual([[false], true]);
    const error = await ood.extract(plain, test, { features: true }).catch((e) => e);
    expect(error).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/no nn\.Linear.*let it give features[\s\S]*on test/),
    });
    logits.logits.dispose();
    test.dispose();
  });
});

const script = join(process.env.ISOTORCH_TEST_DATA ?? '', 'checkpoints', 'torchscript-linrelu.pt');
needs(existsSync(script), 'the checkpoints of the test data').it(
  'a TorchScript gives logits, and features where a head stands behind it',
  async () => {
    const body = await loadScript(script); // 10 → 6
    const numbers: ood.EvaluatedDataset = {
      name: 'numbers',
      size: 4,
      batches: () => [0, 2].map((start) => ({ images: torch.ones([2, 10]).mul(start), labels: null })),
    };
    expect((await ood.extract(body, numbers)).logits.shape).toEqual([4, 6]);
    await expect(ood.extract(body, numbers, { features: true })).rejects.toThrow(/ScriptModule shows no nn\.Linear/);
    const model = new nn.Sequential(body, new nn.Linear(6, 3));
    const { features, logits, head } = await ood.extract(model, numbers, { features: true });
    tidy(() => {
      expect(features!.narrow(0, 2, 1).equal(torch.noGrad(() => body.forward(torch.ones([1, 10]).mul(2))))).toBe(true);
      expect(maxDifference(head!.forward(features!), logits)).toBeLessThan(1e-6);
    });
  },
);

describe('taps', () => {
  it('are gone afterwards, also after errors, and a forward of the instance itself is back', () => {
    const model = new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU());
    const [linear, relu] = [model.at(0)!, model.at(1)!];
    const own = relu.forward.bind(relu);
    relu.forward = own;
    tidy(() => {
      const x = torch.ones([1, 2]);
      const plain = model.forward(x);
      const doubled = (output: unknown) => (output as Tensor).mul(2);
      const taps = new Map([
        [linear, doubled],
        [relu, doubled],
      ]);
      expect(whileTapped(taps, () => model.forward(x)).equal(plain.mul(4))).toBe(true);
      expect(() => whileTapped(taps, () => whileTapped(taps, () => model.forward(torch.ones([3]))))).toThrow();
      expect(Object.hasOwn(linear, 'forward')).toBe(false);
      expect(relu.forward).toBe(own);
      expect(Object.keys(model.stateDict())).toEqual(Object.keys(new nn.Sequential(new nn.Linear(2, 2)).stateDict()));
      expect(model.forward(x).equal(plain)).toBe(true);
    });
    model.dispose();
  });

  it('give maps as they were before a later layer wrote into them', () => {
    const model = tiny();
    tidy(() => {
      const network = new ood.Network(model, { stages: ['block1.0', 'block1', 'block1.1'] });
      const x = torch.tensor(golden.test, { dtype: 'float64' });
      const [convolved, block, activated] = torch.noGrad(() => network.stages(x).stages) as [Tensor, Tensor, Tensor];
      expect(convolved.amin().item()).toBeLessThan(0);
      expect(block.equal(convolved.relu()) && activated.equal(block)).toBe(true);
      const changed = network.logitsWith(x, 'block1', (map) => map.zero_());
      expect(maxDifference(changed, network.logits(x))).toBeGreaterThan(0.01);
      const gradient = network.gradient(x, (at) => network.logits(at).narrow(1, 0, 1));
      expect(gradient.shape).toEqual(x.shape);
      expect(x.requiresGrad).toBe(false);
    });
    model.dispose();
  });
});

describe('rows', () => {
  it('may be more or fewer than expected', () => {
    for (const expected of [0, 1, 3, 5, 100, Number.NaN, Number.POSITIVE_INFINITY]) {
      const rows = new Rows('numbers', expected);
      tidy(() => {
        for (const part of [[1, 2], [3], [4, 5]]) rows.append(torch.tensor(part));
      });
      const all = rows.finish();
      expect(all.tolist()).toEqual([1, 2, 3, 4, 5]);
      expect(all.storage().nbytes).toBe(40);
      all.dispose();
    }
    const rows = new Rows('the logits of x', 9);
    tidy(() => {
      rows.append(torch.ones([2, 3]));
      expect(() => rows.append(torch.ones([2, 4]))).toThrow(/logits of x, received \[3\] and \[4\]/);
    });
    rows.dispose();
  });
});

describe('extract with features', () => {
  it('gives features, head and labels, captured as eager, and leaves nothing behind', async () => {
    const model = tiny();
    const train = new Pictures('train', golden.train.images, golden.train.labels);
    const run = async (options: ood.ExtractOptions) => {
      const { logits, features, labels, head } = await ood.extract(model, train, {
        features: true,
        transform,
        ...options,
      });
      const kinds = [logits.shape, features!.shape, labels!.tolist(), head!.kind];
      expect(kinds).toEqual([[60, 4], [60, 5], golden.train.labels, 'affine']);
      tidy(() => {
        expect(maxDifference(head!.forward(features!).detach(), logits)).toBeLessThan(1e-12);
      });
      const values = [...(features!.toArraySync() as Float64Array)];
      for (const tensor of [logits, features, labels]) tensor!.dispose();
      return values;
    };
    const eager = await run({ capture: false, batchSize: 16 });
    const before = memory();
    expect(await run({ batchSize: 16 })).toEqual(eager);
    expect(
      (await run({ batchSize: 7, head: 'fc' })).map((value, i) => Math.abs(value - eager[i]!) < 1e-12),
    ).not.toContain(false);
    const error = await ood.extract(model, train, { features: true, head: 'block2', transform }).catch((e) => e);
    expect(error).toMatchObject({ code: 'ERR_SHAPE', message: expect.stringMatching(/block2[\s\S]*on train/) });
    expect(memory().tensors).toBeLessThanOrEqual(before.tensors);
    expect(Object.hasOwn(model.at(-1)!, 'forward')).toBe(false);
    for (const each of [model, train]) each.dispose();
  });
});

/** Learns the mean of the features; the nearer the better. */
class Nearness implements ood.FittedDetector {
  readonly name = 'nearness';
  readonly settings = {};
  readonly needs = ['features'] as const;
  readonly learnsFrom = ['features', 'labels'] as const;
  mean: Tensor | undefined;
  fits = 0;
  get isFitted(): boolean {
    return this.mean !== undefined;
  }
  async fit(training: ood.TrainingArrays): Promise<void> {
    this.fits++;
    const { features } = ood.needed(training as ood.Arrays, this.learnsFrom, this.name);
    this.mean = tidy(() => features.mean([0])).keep();
  }
  score(arrays: ood.Arrays): Tensor {
    return ood.needed(arrays, this.needs, this.name).features.sub(this.mean!).pow(2).sum([1]).neg().to('float64');
  }
  state(): ood.State {
    return { mean: this.mean! };
  }
  load({ mean }: ood.State): void {
    this.mean = mean!.clone().keep();
  }
  dispose(): void {
    this.mean?.dispose();
  }
}

describe('evaluate', () => {
  const sets = () => ({
    train: new Pictures('train', golden.train.images, golden.train.labels),
    id: new Pictures('id', golden.test.slice(0, 4), [0, 1, 2, 3]),
    far: new Pictures('far', golden.test.slice(4)),
    validation: { known: new Pictures('known', golden.known), unknown: new Pictures('unknown', golden.unknown) },
  });

  it('fits what learns on train, and goes through each set once for all detectors', async () => {
    const run = async (): Promise<void> => {
      const { train, id, far, validation } = sets();
      const model = tiny().train();
      const scores = [
        new Nearness(),
        ood.odin({ epsilon: 0.0014, std: golden.std }),
        ood.inputMahalanobis({ epsilon: 0.01, std: golden.std }),
        ood.entropic(),
        ood.mahalanobisEnsemble({ epsilon: 0.01, std: golden.std }),
        ood.gram(),
      ];
      const options = { id, ood: { far }, scores, transform, batchSize: 3 };
      const progress: string[] = [];
      const onProgress = ({ dataset, done, total, overallDone, overallTotal }: ood.EvaluateProgress) =>
        progress.push(`${dataset} ${done}/${total} ${overallDone}/${overallTotal}`);
      const evaluation = await ood.evaluate(model, { ...options, train, validation, onProgress });
      expect(progress).toEqual(expect.arrayContaining(['train 60/60 0/9', 'id 4/4 4/9', 'far 5/5 9/9']));
      expect([id.passes, far.passes]).toEqual([1, 1]);
      expect(train.passes).toBe(1 + 1 + 1 + 2); // arrays; input-mahalanobis; ensemble; gram
      expect(Object.keys(evaluation.id.scores)).toEqual(scores.map(({ name }) => name));
      const both = (name: string) => [...evaluation.id.scores[name]!, ...evaluation.ood[0]!.scores[name]!];
      const wanted = {
        odin: golden.odin[0]!.scores,
        'input-mahalanobis': golden.mahalanobis[1]!.scores,
        'mahalanobis-ensemble': golden.ensemble[1]!.scores,
        gram: golden.gram[0]!.scores,
      };
      for (const [name, values] of Object.entries(wanted))
        for (const [i, score] of both(name).entries())
          expect(Math.abs(score - values[i]!)).toBeLessThan(1e-9 * Math.max(1, Math.abs(values[i]!)));
      expect([model.training, model.at(1)!.training]).toEqual([true, true]);
      // What was fitted stays so: no training set is needed again.
      const again = await ood.evaluate(model, options);
      expect(again.results).toEqual(evaluation.results);
      expect((scores[0] as Nearness).fits).toBe(1);
      for (const score of scores) if ('dispose' in score) (score as ood.FittedDetector).dispose();
      for (const each of [model, train, id, far, validation.known, validation.unknown]) each.dispose();
    };
    await run();
    const before = memory();
    await run();
    expect(memory()).toEqual(before);
  });

  it('extracts no features where no detector reads them, and needs no head then', async () => {
    const model = new Unusual();
    const numbers = (name: string) => ({
      name,
      size: 2,
      batches: () => [{ images: torch.ones([2, 6]), labels: null }],
    });
    const options = { id: numbers('id'), ood: { far: numbers('far') } };
    expect((await ood.evaluate(model, options)).results).toHaveLength(3);
    await expect(
      ood.evaluate(model, { ...options, scores: [new Nearness()], train: numbers('train') }),
    ).rejects.toThrow(/Give head[\s\S]*on train/);
    model.dispose();
  });

  it('says that training images are missing, and which detectors need them', async () => {
    const { train, id, far, validation } = sets();
    const model = tiny();
    const scores = [new Nearness(), ood.odin(), ood.gram()];
    const options = { id, ood: { far }, scores, transform };
    await expect(ood.evaluate(model, options)).rejects.toThrow(/nearness, gram must learn.*give train/);
    await expect(ood.evaluate(model, { ...options, train: [] as never })).rejects.toThrow(/for train/);
    const half = { ...validation, unknown: undefined as never };
    await expect(ood.evaluate(model, { ...options, train, validation: half })).rejects.toThrow(/validation\.unknown/);
    expect(id.passes + train.passes).toBe(0);
    for (const each of [model, train, id, far, validation.known, validation.unknown]) each.dispose();
  });

  it('an image detector that gives no number an image', async () => {
    const { id, far } = sets();
    const model = tiny();
    const bad: ood.ImageDetector = { name: 'bad', settings: {}, needs: ['network'], score: (images) => images.sum() };
    await expect(ood.evaluate(model, { id, ood: { far }, scores: [bad] })).rejects.toMatchObject({
      code: 'ERR_SHAPE',
      message: expect.stringMatching(/\[4\], from score bad[\s\S]*on id/),
    });
  });

  it('one that reads values is run batch by batch', async () => {
    const { id, far } = sets();
    const model = tiny();
    const reads: ood.ImageDetector = {
      name: 'reads',
      settings: {},
      needs: ['network'],
      score: (images, network) =>
        network
          .logits(images)
          .amax(1)
          .mul(images.sum().item() > 0 ? 1 : -1),
    };
    const { id: known } = await ood.evaluate(model, { id, ood: { far }, scores: [reads], transform });
    expect(known.scores.reads).toHaveLength(4);
  });
});
