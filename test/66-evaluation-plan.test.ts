// Plans: what is done, in which order, and that a network is loaded once.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkManifest } from '../lib/evaluation/manifest/read.js';
import { type Job, jobsOfPlan, planManifest } from '../lib/evaluation/plan.js';
import { renderPlan } from '../lib/evaluation/planText.js';

const fixture = (name: string): string =>
  readFileSync(new URL(`./fixtures/manifests/${name}`, import.meta.url), 'utf8');
const planOf = (text: string) => planManifest(checkManifest(text).manifest!);
const good = planOf(fixture('good.yaml'));
const jobs = jobsOfPlan(good);

const small = `
name: small
checkpoints: [{ weights: "net-s{seed}.pt", seeds: [0, 1], model: convnet, loss: isomax }]
id: mnist
ood: { near: [kmnist], far: [uniform-noise, { npy: other.npy }] }
detectors: [knn, odin, mps]
`;

describe('the jobs of a plan', () => {
  it('are these for one small network', () => {
    const { networks } = planOf(small.replace('seeds: [0, 1]', 'seeds: [7]'));
    expect(networks[0]!.jobs.map(({ id, usesModel }) => `${id}${usesModel ? ' *' : ''}`)).toEqual([
      'extract/net-s7/mnist:train *',
      'extract/net-s7/mnist:test *',
      'extract/net-s7/kmnist *',
      'extract/net-s7/uniform-noise@mnist *',
      'extract/net-s7/other *',
      'score/net-s7/mnist/odin/mnist:test *',
      'score/net-s7/mnist/odin/kmnist *',
      'score/net-s7/mnist/odin/uniform-noise@mnist *',
      'score/net-s7/mnist/odin/other *',
      'fit/net-s7/mnist/knn',
      'score/net-s7/mnist/knn/mnist:test',
      'score/net-s7/mnist/knn/kmnist',
      'score/net-s7/mnist/knn/uniform-noise@mnist',
      'score/net-s7/mnist/knn/other',
      'measure/net-s7/mnist/knn/kmnist',
      'measure/net-s7/mnist/knn/uniform-noise@mnist',
      'measure/net-s7/mnist/knn/other',
      'measure/net-s7/mnist/odin/kmnist',
      'measure/net-s7/mnist/odin/uniform-noise@mnist',
      'measure/net-s7/mnist/odin/other',
      'score/net-s7/mnist/mps/mnist:test',
      'score/net-s7/mnist/mps/kmnist',
      'score/net-s7/mnist/mps/uniform-noise@mnist',
      'score/net-s7/mnist/mps/other',
      'measure/net-s7/mnist/mps/kmnist',
      'measure/net-s7/mnist/mps/uniform-noise@mnist',
      'measure/net-s7/mnist/mps/other',
    ]);
  });

  it('have ids of their own and need earlier ones of their network', () => {
    const done = new Map<string, Job>();
    for (const job of jobs) {
      expect(done.has(job.id), job.id).toBe(false);
      for (const need of job.needs) expect(done.get(need)?.network, `${job.id} needs ${need}`).toBe(job.network);
      done.set(job.id, job);
    }
    for (const job of jobs.filter(({ kind }) => kind === 'measure'))
      expect(job.needs.map((id) => done.get(id)!.kind)).toEqual(['extract', 'score', 'score']);
    for (const job of jobs.filter(({ kind }) => kind === 'score'))
      expect(job.needs.map((id) => done.get(id)!.kind)).toEqual(
        'detector' in job && job.detector.fitsOn !== null ? ['extract', 'fit'] : ['extract'],
      );
  });

  it('load each network once', () => {
    const loads = jobs.filter(({ usesModel }) => usesModel).map(({ network }) => network);
    const changes = loads.filter((network, i) => network !== loads[i - 1]);
    expect(changes).toHaveLength(new Set(loads).size);
    // Once the last job that runs it is done, it can go: nothing else stands between.
    for (const { jobs: own } of good.networks) {
      const uses = own.map(({ usesModel }) => usesModel);
      expect(uses).toEqual([...uses].sort((a, b) => Number(b) - Number(a)));
    }
  });

  it('pass over each set once, and over training images only if a detector learns', () => {
    const extracts = jobs.filter(({ kind }) => kind === 'extract').map(({ id }) => id);
    expect(new Set(extracts).size).toBe(extracts.length);
    // kmnist is unknown to both known sets.
    expect(extracts.filter((id) => id.startsWith('extract/wide-s3/'))).toHaveLength(12);
    const without = jobsOfPlan(planOf(small.replace('knn, odin, mps', 'mps'))).map(({ id }) => id);
    expect(without.filter((id) => id.endsWith('mnist:train'))).toEqual([]);
  });

  it('leave out what would run a head again that is kept nowhere', () => {
    const other =
      'checkpoints:\n  - { weights: a.pt, model: convnet, loss: softmax }\n  - { weights: g.pt, model: convnet, loss: godin }';
    const { skipped } = planOf(
      small.replace(/checkpoints:.*/, other).replace('[knn, odin, mps]', '[mps, energy+react]'),
    );
    expect(skipped).toEqual([
      {
        ...{ network: 'g', known: 'mnist', detector: 'energy+react' },
        reason: 'runs the last layer again, which is kept only where it is affine or one of distances',
      },
    ]);
  });

  it('fit on held-out images what wants them', () => {
    const text = small
      .replace(
        'id: mnist',
        'id: { train: mnist, validation: { set: mnist, split: test, rows: [0, 1000] }, test: { set: mnist, rows: [1000, 10000] } }',
      )
      .replace('knn, odin, mps', 'temp-scale, kl-matching');
    const { networks, skipped } = planOf(text);
    const own = networks[0]!.jobs;
    expect(own.filter(({ kind }) => kind === 'fit').map(({ id, needs }) => [id, ...needs])).toEqual([
      ['fit/net-s0/mnist/temp-scale', 'extract/net-s0/mnist:validation'],
      ['fit/net-s0/mnist/kl-matching', 'extract/net-s0/mnist:validation'],
    ]);
    // Nothing learns from the training images, so nothing passes over them.
    expect(
      own.filter(({ kind }) => kind === 'extract').map((job) => ('set' in job ? [job.set.id, job.set.images] : [])),
    ).toEqual([
      ['mnist:validation', 1000],
      ['mnist:test', 9000],
      ['kmnist', 10_000],
      ['uniform-noise@mnist', 9000],
      ['other', null],
    ]);
    expect(skipped).toEqual([]);
    const all = planOf(small.replace('[knn, odin, mps]', 'all'));
    expect(all.skipped.filter(({ detector }) => detector === 'temp-scale')[0]).toEqual({
      ...{ network: 'net-s0', known: 'mnist', detector: 'temp-scale' },
      reason: 'learns from known held-out images; there is no `validation`',
    });
  });

  it('keep their ids when the manifest grows', () => {
    const before = jobsOfPlan(planOf(small)).map(({ id }) => id);
    const after = jobsOfPlan(
      planOf(
        small
          .replace('seeds: [0, 1]', 'seeds: [5, 1, 0]')
          .replace('near: [kmnist]', 'near: [notmnist, kmnist]')
          .replace('[knn, odin', '[gram, knn, odin'),
      ),
    ).map(({ id }) => id);
    expect(before.filter((id) => !after.includes(id))).toEqual([]);
  });

  it('leave out what a network rules out, and say why', () => {
    const of = (detector: string) => good.skipped.filter((each) => each.detector.startsWith(detector));
    expect([...new Set(of('vim').map(({ network }) => network))]).toEqual(
      ['isomax', 'isomaxplus']
        .flatMap((loss) => [0, 1, 2].map((seed) => `convnet-${loss}-s${seed}`))
        .concat('wide-s3', 'wide-s4'),
    );
    expect(of('vim')[0]!.reason).toMatch(/distance head/);
    expect(of('odin')).toEqual([
      {
        network: 'mine',
        known: 'test',
        detector: 'odin(epsilon=0.002)',
        reason: 'runs the network; there are only arrays',
      },
    ]);
    for (const { network, detector } of good.skipped)
      expect(
        jobs.filter((job) => job.network === network && 'detector' in job && job.detector.label === detector),
      ).toEqual([]);
  });

  it('measure a network on its own known sets only', () => {
    const known = (network: string) =>
      good.networks.find((each) => each.network.id === network)!.known.map(({ name }) => name);
    expect(known('resnet20-s0')).toEqual(['fashion-mnist']);
    expect(known('older')).toEqual(['fashion-mnist', 'letters']);
    expect(known('mine')).toEqual(['test']);
  });

  it('are counted', () => {
    const { counts } = planOf(small);
    // Two networks; mnist:train, mnist:test, kmnist, noise as many as mnist:test, and a file.
    expect(counts).toEqual({
      train: 0,
      passes: 10,
      images: 2 * (60_000 + 10_000 + 10_000 + 10_000),
      unsized: 2,
      modelJobs: 2 * 4,
      fit: 2,
      score: 2 * 3 * 4,
      measure: 2 * 3 * 3,
    });
    const sized = planManifest(checkManifest(small).manifest!, () => 5);
    expect(sized.counts).toMatchObject({ images: 2 * 5 * 5, unsized: 0 });
  });
});

describe('the printed plan', () => {
  it('reads like this', async () => {
    await expect(`${renderPlan(good)}\n`).toMatchFileSnapshot('./fixtures/manifests/plan.txt');
  });

  it('is the same each time', () => {
    expect(JSON.stringify(planOf(fixture('good.yaml')))).toBe(JSON.stringify(good));
  });
});
