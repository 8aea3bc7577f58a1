// PROVISIONAL: to be replaced by the table that lib/ood/detectors/registry exports, once it is there. Names, settings and
// defaults of all detectors, after their papers and OpenOOD 1.5; nothing here runs.

import type { DetectorSchema, DetectorSchemas, SettingSchema, SettingSchemas } from './detectorSchemas.js';

const percentile = (value: number) => ({ type: 'number', min: 0, max: 100, default: value }) as const;
const count = (value: number) => ({ type: 'integer', min: 1, default: value }) as const;
const temperature = (value: number) => ({ type: 'number', above: 0, default: value }) as const;
const epsilon = (value: number) => ({ type: 'number', min: 0, default: value }) as const;

/** Activation shaping, which changes the features before the head turns them into logits. */
const shape: SettingSchema = {
  type: 'variant',
  of: {
    react: { percentile: percentile(90) },
    'ash-b': { percentile: percentile(90) },
    'ash-p': { percentile: percentile(90) },
    'ash-s': { percentile: percentile(90) },
    scale: { percentile: percentile(85) },
    vra: { lower: percentile(10), upper: percentile(90) },
  },
  default: null,
  adds: ['features', 'head'],
  learns: ['react', 'vra'],
};

const ofLogits = (settings: SettingSchemas = {}): DetectorSchema => ({
  settings: { ...settings, shape },
  needs: ['logits'],
  learns: false,
});

const learnt = (needs: DetectorSchema['needs'], settings: SettingSchemas = {}): DetectorSchema => ({
  settings,
  needs,
  learns: true,
});

const fixed = (needs: DetectorSchema['needs'], settings: SettingSchemas = {}): DetectorSchema => ({
  ...learnt(needs, settings),
  learns: false,
});

export const provisionalDetectors: DetectorSchemas = {
  detectors: {
    mps: ofLogits({ temperature: temperature(1) }),
    es: ofLogits(),
    mds: ofLogits(),
    mmls: ofLogits(),
    mmles: ofLogits(),
    mmleps: ofLogits(),
    'max-logit': ofLogits(),
    energy: ofLogits({ temperature: temperature(1) }),
    gen: ofLogits({ gamma: { type: 'number', above: 0, default: 0.1 }, m: count(100) }),
    'temperature-scaled-mps': learnt(['logits', 'labels']),
    odin: fixed(['model'], { temperature: temperature(1000), epsilon: epsilon(0.0014) }),
    mahalanobis: learnt(['features', 'labels']),
    'mahalanobis-perturbed': learnt(['model', 'labels'], { epsilon: epsilon(0.002) }),
    'mahalanobis-ensemble': learnt(['model', 'labels'], { epsilon: epsilon(0) }),
    'relative-mahalanobis': learnt(['features', 'labels']),
    knn: learnt(['features'], { k: count(50), normalize: { type: 'boolean', default: true } }),
    'kl-matching': learnt(['logits']),
    vim: learnt(['features', 'logits', 'affine head'], { dimension: { type: 'integer', min: 1, default: null } }),
    residual: learnt(['features', 'affine head'], { dimension: { type: 'integer', min: 1, default: null } }),
    she: learnt(['features', 'logits', 'labels'], {
      metric: { type: 'choice', of: ['inner-product', 'euclidean', 'cosine'], default: 'inner-product' },
    }),
    fdbd: learnt(['features', 'logits', 'affine head'], {
      normalizer: { type: 'choice', of: ['mean', 'norm'], default: 'mean' },
    }),
    nnguide: learnt(['features', 'logits'], {
      k: count(100),
      share: { type: 'number', above: 0, max: 1, default: 0.01 },
    }),
    relation: learnt(['features', 'logits'], { power: { type: 'number', above: 0, default: 1 } }),
    nci: learnt(['features', 'logits', 'affine head'], { alpha: { type: 'number', min: 0, default: 1e-4 } }),
    gradnorm: fixed(['features', 'logits', 'affine head'], { autograd: { type: 'boolean', default: false } }),
    openmax: learnt(['logits', 'labels'], { tail: count(20), alpha: count(3) }),
    dice: learnt(['features', 'affine head'], { percentile: percentile(90) }),
    gram: learnt(['model', 'labels'], {
      powers: { type: 'numbers', default: [1, 2, 3, 4, 5], item: { integer: true, min: 1 } },
    }),
    rankfeat: fixed(['model'], { temperature: temperature(1) }),
  },
  aside: {
    msp: 'The maximum softmax probability is called `mps` here.',
    mls: 'The maximum logit is called `max-logit` here.',
    maxlogit: 'The maximum logit is called `max-logit` here.',
    ebo: 'The energy score is called `energy` here.',
    rmds: 'The relative Mahalanobis distance is called `relative-mahalanobis` here.',
    klm: 'KL matching is called `kl-matching` here.',
    entropy: 'The negative entropy is called `es` here.',
    tempscale: 'The maximum probability at a fitted temperature is called `temperature-scaled-mps` here.',
    react: 'ReAct shapes activations for a score: write `energy: { shape: react }`.',
    ash: 'ASH shapes activations for a score: write `energy: { shape: ash-b }` (or ash-p, ash-s).',
    scale: 'SCALE shapes activations for a score: write `energy: { shape: scale }`.',
    vra: 'VRA shapes activations for a score: write `energy: { shape: vra }`.',
  },
};
