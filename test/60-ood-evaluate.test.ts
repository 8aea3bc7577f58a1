// Extract, score, measure: what comes out, in which mode the model runs, that nothing stays behind, and the errors.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ImageDataset } from '../lib/data/imageDataset.js';
import { normalize } from '../lib/data/transforms.js';
import { arrays } from '../lib/ood/arrays/arrays.js';
import { Evaluation } from '../lib/ood/comparisons.js';
import { entropic, logitDetector, maxProbability, minDistance } from '../lib/ood/detectors/logitScores.js';
import { evaluate, scoreAll } from '../lib/ood/evaluate.js';
import { histogram, sharedEdges } from '../lib/ood/metrics/histogram.js';
import { measure } from '../lib/ood/metrics/metrics.js';
import { type EvaluatedDataset, extract } from '../lib/ood/network/extract.js';
import type { EvaluatedModel } from '../lib/ood/network/forward.js';
import { parseResults } from '../lib/report/json.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';

const directory = mkdtempSync(join(tmpdir(), 'isotorch-evaluate-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Logits are minus the distance of an image's first pixels to the corners of a square: a tiny IsoMax network. */
class Corners implements EvaluatedModel {
  training = true;
  seen: { training: boolean; rows: number; recording: boolean }[] = [];
  readonly inner = { training: false };
  readonly corners = torch
    .tensor(
      [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ],
      { dtype: 'float32' },
    )
    .keep();

  forward(images: Tensor): Tensor {
    this.seen.push({ training: this.training, rows: images.shape[0]!, recording: torch.isGradEnabled() });
    return torch.cdist(images.flatten(1).narrow(1, 0, 2), this.corners).neg();
  }

  train(mode = true): this {
    this.training = mode;
    this.inner.training = mode;
    return this;
  }

  eval(): this {
    return this.train(false);
  }
}

/** Images of 1×1×2 pixels, 0 … 255. */
const pixels = (
  name: string,
  points: readonly (readonly [number, number])[],
  labels: number[] | null = null,
): ImageDataset =>
  ImageDataset.fromArrays({
    images: points.map((point) => [[...point]]),
    labels,
    name,
    ...(labels ? { classes: ['a', 'b', 'c', 'd'] } : {}),
  });

// Known images lie at the corners (one with a wrong label), unknown ones in the middle.
const test = pixels(
  'corners',
  [
    [0, 0],
    [0, 255],
    [255, 0],
    [255, 255],
    [10, 0],
  ],
  [0, 1, 2, 3, 3],
);
const middle = pixels('middle', [
  [128, 128],
  [120, 130],
  [140, 127],
]);
const near = pixels('near', [
  [20, 0],
  [128, 128],
]);
const unit = { mean: [0], std: [1] };
const transform = (images: Tensor): Tensor => normalize(images, unit);
const options = { id: test, ood: { middle, near }, transform, batchSize: 2 };

describe('evaluate', () => {
  it('gives accuracy, metrics, curves, histograms and raw scores', async () => {
    const model = new Corners();
    const evaluation = await evaluate(model, { ...options, run: { loss: 'isomax', seed: 7 } });
    expect(evaluation.accuracy).toBe(0.8);
    expect(evaluation.id.scores.mds).toBeInstanceOf(Float64Array);
    expect([...evaluation.id.scores.mds!]).toEqual([-0, -0, -0, -0, expect.closeTo(-10 / 255, 6)]);
    expect(evaluation.comparisons.map(({ ood, score }) => `${ood} ${score}`)).toEqual(
      ['middle', 'near'].flatMap((ood) => ['mps', 'es', 'mds'].map((score) => `${ood} ${score}`)),
    );
    for (const { ood, score, metrics, roc, histogram: bins, threshold } of evaluation.comparisons) {
      const [known, unknown] = [
        evaluation.id.scores[score]!,
        evaluation.ood.find(({ name }) => name === ood)!.scores[score]!,
      ];
      expect(metrics).toEqual(measure(known, unknown));
      expect([roc.fpr[0], roc.tpr[0], roc.fpr.at(-1), roc.tpr.at(-1)]).toEqual([0, 0, 1, 1]);
      expect(bins.id.reduce((a, b) => a + b)).toBe(5);
      expect(bins.ood.reduce((a, b) => a + b)).toBe(unknown.length);
      expect(known.filter((s) => s >= threshold).length / 5).toBeGreaterThanOrEqual(0.95);
    }
    const at = (ood: string, score: string) => evaluation.results.find((row) => row.ood === ood && row.score === score);
    expect(at('middle', 'mds')).toMatchObject({
      loss: 'isomax',
      model: 'Corners',
      seed: 7,
      id: 'corners',
      accuracy: 0.8,
      auroc: 1,
      tnrAtTpr95: 1,
      nId: 5,
      nOod: 3,
    });
    expect(at('near', 'mds')!.auroc).toBe(1);
  });

  it('runs in evaluation mode without recording, and leaves every module as it was', async () => {
    const model = new Corners();
    const withModules = Object.assign(model, { modules: () => [model, model.inner] });
    model.inner.training = false; // frozen inside a model in training
    await evaluate(withModules, options);
    expect(model.seen.map(({ rows }) => rows)).toEqual([2, 2, 1, 2, 1, 2]);
    for (const { training, recording } of model.seen) expect([training, recording]).toEqual([false, false]);
    expect([model.training, model.inner.training]).toEqual([true, false]);
    await evaluate(model.eval(), options);
    expect(model.training).toBe(false);
    expect(torch.isGradEnabled()).toBe(true);
  });

  it('does not depend on the batch size', async () => {
    const [one, many] = await Promise.all(
      [1, 1000].map((batchSize) => evaluate(new Corners(), { ...options, batchSize })),
    );
    expect(one!.results).toEqual(many!.results);
  });

  it('frees everything, also when it fails or is aborted', async () => {
    await evaluate(new Corners(), options);
    const before = memory();
    const model = new Corners();
    await evaluate(model, options);
    const stop = new AbortController();
    const stopped = evaluate(model, { ...options, signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const broken = Object.assign(new Corners(), { forward: (images: Tensor) => images.mul(2) });
    await expect(evaluate(broken, options)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    model.corners.dispose();
    broken.corners.dispose();
    expect(memory()).toEqual(before);
  });

  it('gives the event loop turns and tells its progress', async () => {
    const seen: string[] = [];
    let turns = 0;
    const timer = setImmediate(function again() {
      turns++;
      if (turns < 100) setImmediate(again);
    });
    await evaluate(new Corners(), {
      ...options,
      onProgress: ({ dataset, done, total, overallDone, overallTotal }) =>
        seen.push(`${dataset} ${done}/${total} ${overallDone}/${overallTotal}`),
    });
    clearImmediate(timer);
    expect(turns).toBeGreaterThanOrEqual(5);
    expect(seen).toEqual([
      'corners 2/5 2/10',
      'corners 4/5 4/10',
      'corners 5/5 5/10',
      'middle 2/3 7/10',
      'middle 3/3 8/10',
      'near 2/2 10/10',
    ]);
  });

  it('does without labels, and takes data sets that are not ours', async () => {
    const batch = {
      images: torch.tensor(
        [
          [0.1, 0],
          [0.5, 0.5],
        ],
        { dtype: 'float32' },
      ),
      labels: null,
    };
    const plain: EvaluatedDataset = { name: 'plain', size: 2, batches: () => [batch] };
    const evaluation = await evaluate(new Corners(), { id: plain, ood: { plain }, scores: [entropic()] });
    expect(evaluation.accuracy).toBeNull();
    expect(evaluation.results).toEqual([
      expect.objectContaining({ score: 'es', auroc: 0.5, loss: 'unnamed', seed: null }),
    ]);
    expect(batch.images.isDisposed).toBe(false);
  });

  it('prints a table and saves what can be read again', async () => {
    const evaluation = await evaluate(new Corners(), { ...options, run: { loss: 'isomax' } });
    expect(evaluation.toString()).toMatch(/Unknown: middle.*3 images\n.*IsoMax\s+mps\s+80\.0\s+100\.0/);
    const paths = await evaluation.save(directory, { environment: { device: 'cpu' } });
    expect(parseResults(readFileSync(paths.json, 'utf8'))).toEqual({
      environment: { device: 'cpu' },
      results: evaluation.results,
    });
    expect(readFileSync(paths.html, 'utf8')).toContain('<path class="curve s1"');
  });
});

describe('errors', () => {
  const wrong = async (change: object, model: EvaluatedModel = new Corners()) =>
    evaluate(model, { ...options, ...change }).then(
      () => 'no error',
      (error) => ({ code: error.code, message: error.message }),
    );

  it.each([
    ['no model', {}, /model/, {}],
    ['no known set', { id: undefined }, /for id/, undefined],
    ['an array of unknown sets', { ood: { x: [1, 2] } }, /ood\["x"\]/, undefined],
    ['no unknown set', { ood: {} }, /ood/, undefined],
    ['no scores', { scores: [] }, /scores/, undefined],
    ['a score by name', { scores: ['es'] }, /scores\[0\]/, undefined],
    ['a score twice', { scores: [entropic(), entropic()] }, /es comes twice/, undefined],
    ['a batch size of 0', { batchSize: 0 }, /batchSize/, undefined],
    ['a transform that is none', { transform: 3 }, /transform/, undefined],
  ])('%s', async (_, change, message, model) => {
    expect(await wrong(change, model as never)).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });

  it('an aborted signal stops it before anything runs', async () => {
    const model = new Corners();
    const reason = new Error('enough');
    const error = await evaluate(model, { ...options, signal: AbortSignal.abort(reason) }).catch((e) => e);
    expect([error.code, error.cause, model.seen]).toEqual(['ERR_ABORTED', reason, []]);
  });

  it('raw pixels without a transform: says what is missing', async () => {
    expect(await wrong({ transform: undefined })).toMatchObject({
      message: expect.stringMatching(
        /while evaluating the model on corners\n.*uint8.*transform: \(images\) => data\.normalize/,
      ),
    });
  });

  it('names the unknown set that does not fit the model', async () => {
    const single = ImageDataset.fromArrays({ images: [[[1]]], name: 'single' });
    expect(await wrong({ ood: { 'one pixel': single } })).toMatchObject({
      message: expect.stringMatching(/while evaluating the model on one pixel/),
    });
  });

  it('a network that diverged: names score, set, count and index', async () => {
    const model = new Corners();
    model.forward = (images) => torch.full([images.shape[0]!, 4], Number.NaN);
    expect(await wrong({ scores: [minDistance()] }, model)).toEqual({
      code: 'ERR_DATA',
      message: expect.stringMatching(/the mds scores of corners but 5 of 5 are not, the first at index 0 \(NaN\)/),
    });
  });

  it('labels that are no class of the model', async () => {
    const model = new Corners();
    model.forward = (images) => torch.zeros([images.shape[0]!, 3]);
    expect(await wrong({}, model)).toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/corners.*0 to 2.*from 0 to 3/),
    });
  });

  it('an empty set', async () => {
    expect(await wrong({ ood: { none: test.take(0) } })).toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/none/),
    });
  });

  it('a score that gives no number an image', async () => {
    const bad = logitDetector('bad', (logits) => logits.sum());
    expect(await wrong({ scores: [bad] })).toMatchObject({
      code: 'ERR_SHAPE',
      message: expect.stringMatching(/score bad on corners/),
    });
  });
});

describe('stages alone', () => {
  it('extract gives logits and labels in order, as ordinary tensors', async () => {
    const { logits, labels } = await extract(new Corners(), test, { transform, batchSize: 3 });
    expect([logits.shape, logits.dtype, labels!.tolist()]).toEqual([[5, 4], 'float32', [0, 1, 2, 3, 3]]);
    tidy(() => expect(logits.mul(1).argmax(1).tolist()).toEqual([0, 1, 2, 3, 0]));
    logits.dispose();
    labels!.dispose();
  });

  it('Evaluation measures scores from elsewhere', () => {
    const es = Float64Array.of(3, 2, 2, 1);
    const evaluation = new Evaluation({
      id: { name: 'mine', scores: { es } },
      ood: [{ name: 'theirs', scores: { es: Float64Array.of(2, 0) } }],
    });
    expect(evaluation.results).toMatchObject([{ auroc: 0.75, model: 'unnamed', accuracy: null }]);
    expect(
      () => new Evaluation({ id: { name: 'a', scores: { es } }, ood: [{ name: 'b', scores: { mps: es } }] }),
    ).toThrow(/Expected the scores es for b/);
  });

  it('histograms count everything, outliers in the end bins', () => {
    const scores = Float64Array.from({ length: 5000 }, (_, i) => (i === 0 ? -1e9 : i / 5000));
    const edges = sharedEdges([scores, [0.5]], 10);
    expect([edges.length, edges[0]! >= 0, edges.at(-1)! <= 1]).toEqual([11, true, true]);
    expect(histogram(scores, edges).reduce((a, b) => a + b)).toBe(5000);
    const constant = sharedEdges([[7, 7], [7]], 4);
    expect([...histogram([7, 7], constant)]).toEqual([0, 0, 2, 0]);
    expect(constant.every((edge, i) => i === 0 || edge > constant[i - 1]!)).toBe(true);
    const huge = sharedEdges([[-Number.MAX_VALUE, Number.MAX_VALUE]], 3);
    expect(huge.every(Number.isFinite)).toBe(true);
    expect(() => sharedEdges([[1]], 0)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => sharedEdges([])).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });

  it('the constructors fit the defaults', async () => {
    const scores = [maxProbability(), entropic(), minDistance()];
    const [given, byDefault] = [
      await evaluate(new Corners(), { ...options, scores }),
      await evaluate(new Corners(), options),
    ];
    expect(given.results).toEqual(byDefault.results);
  });
});

it('a detector says how many rows it takes at a time', async () => {
  const sizes: number[] = [];
  const detector = {
    ...logitDetector('few', (logits) => {
      sizes.push(logits.shape[0]!);
      return logits.amax(1).to('float64');
    }),
    rows: 3,
  };
  using logits = torch.arange(16).to('float32').view([8, 2]);
  const { few } = await scoreAll([detector], arrays({ logits }));
  expect(sizes).toEqual([3, 3, 2]);
  expect([...few!]).toEqual([1, 3, 5, 7, 9, 11, 13, 15]);
});
