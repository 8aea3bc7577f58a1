// PROVISIONAL: to be put together from the plain tables of lib/ood/detectors, once they hold every detector, with `needs` and
// `fitsOn` beside. Names, settings and defaults of all detectors; nothing here runs.

import type { DetectorSchema, DetectorSchemas, SettingSchemas } from './detectorSchemas.js';

const percentile = (value: number) => ({ kind: 'number', min: 0, max: 100, default: value }) as const;
const count = (value: number | null, min = 1) => ({ kind: 'number', integer: true, min, default: value }) as const;
const temperature = (value: number) => ({ kind: 'number', above: 0, default: value }) as const;
const step: SettingSchemas = {
  epsilon: { kind: 'number', min: 0, default: 0.0014 },
  std: { kind: 'numbers', item: { above: 0 }, default: [1] },
};

type Needs = DetectorSchema['needs'];
const fixed = (needs: Needs, settings: SettingSchemas = {}): DetectorSchema => ({ settings, needs, fitsOn: null });
const learnt = (needs: Needs, settings: SettingSchemas = {}): DetectorSchema => ({ settings, needs, fitsOn: 'train' });

export const provisionalDetectors: DetectorSchemas = {
  detectors: {
    mps: fixed(['logits']),
    es: fixed(['logits']),
    mds: fixed(['logits']),
    mmls: fixed(['logits']),
    mmles: fixed(['logits']),
    mmleps: fixed(['logits']),
    mls: fixed(['logits']),
    energy: fixed(['logits'], { temperature: temperature(1) }),
    gen: fixed(['logits'], { gamma: { kind: 'number', above: 0, max: 1, default: 0.1 }, top: count(100) }),
    'scaled-mps': fixed(['logits'], { temperature: temperature(1000) }),
    'temp-scale': { ...learnt(['logits', 'labels']), fitsOn: 'validation' },
    'kl-matching': { ...learnt(['logits']), fitsOn: 'validation' },
    openmax: learnt(['logits', 'labels'], { tail: count(20, 2), alpha: count(3) }),
    dice: learnt(['features', 'affine head'], { percentile: percentile(90) }),
    gradnorm: fixed(['features', 'logits', 'affine head']),
    mahalanobis: learnt(['features', 'labels']),
    rmds: learnt(['features', 'labels']),
    knn: learnt(['features'], { k: count(50) }),
    vim: learnt(['features', 'affine head'], { dimension: count(null) }),
    residual: learnt(['features', 'affine head'], { dimension: count(null) }),
    she: learnt(['features', 'logits', 'labels']),
    fdbd: learnt(['features', 'affine head'], {
      normalizer: { kind: 'choice', choices: ['deviation', 'feature'], default: 'deviation' },
    }),
    nnguide: learnt(['features', 'logits'], {
      k: count(100),
      fraction: { kind: 'number', above: 0, max: 1, default: 0.01 },
      seed: count(0, 0),
    }),
    relation: learnt(['features', 'logits'], {
      pow: { kind: 'number', above: 0, default: 1 },
      threshold: { kind: 'number', min: 0, default: 0.03 },
    }),
    nci: learnt(['features', 'affine head'], { alpha: { kind: 'number', min: 0, default: 1e-4 } }),
    odin: fixed(['network'], { temperature: temperature(1000), ...step }),
    'input-mahalanobis': learnt(['network', 'labels'], step),
    'mahalanobis-ensemble': learnt(['network', 'labels'], { C: { kind: 'number', above: 0, default: 1 }, ...step }),
    gram: learnt(['network', 'labels'], {
      powers: { kind: 'numbers', item: { integer: true, min: 1 }, default: [1, 2, 3, 4, 5] },
      validation: { kind: 'number', above: 0, below: 1, default: 0.1 },
    }),
    rankfeat: fixed(['network'], { iterations: count(0, 0) }),
    'gradnorm-autograd': fixed(['network']),
  },
  shapings: {
    react: { settings: { percentile: percentile(90) }, fitsOn: 'train' },
    vra: {
      settings: {
        low: percentile(10),
        high: percentile(90),
        below: { kind: 'choice', choices: ['clip', 'zero'], default: 'clip' },
      },
      fitsOn: 'train',
    },
    'ash-b': { settings: { percentile: percentile(90) }, fitsOn: null },
    'ash-p': { settings: { percentile: percentile(90) }, fitsOn: null },
    'ash-s': { settings: { percentile: percentile(90) }, fitsOn: null },
    scale: { settings: { percentile: percentile(85) }, fitsOn: null },
  },
  aside: {
    msp: 'The maximum softmax probability is called `mps` here.',
    'max-logit': 'The maximum logit is called `mls` here.',
    maxlogit: 'The maximum logit is called `mls` here.',
    ebo: 'The energy score is called `energy` here.',
    klm: 'KL matching is called `kl-matching` here.',
    entropy: 'The negative entropy is called `es` here.',
    'relative-mahalanobis': 'The relative Mahalanobis distance is called `rmds` here.',
    ash: 'ASH shapes activations for a detector: write `energy+ash-b` (or ash-p, ash-s).',
  },
};
