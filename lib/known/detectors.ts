// Every detector and activation shaping that can be asked for by name, with what it reads, what it learns from and its
// settings. Defaults are those of the papers and OpenOOD. A detector is one row here, its formula in a file of lib/ood, and one
// line in lib/ood/detectors/registry.ts, which the compiler asks for.

import { type SettingSpecs, type SettingsOf, settled } from './detectorSettings.js';
import { namesOf } from './table.js';

/** The numbers of a network that a detector may read. `affine head`: a last layer with weight and bias, of an `nn.Linear`. */
export type Need = 'logits' | 'features' | 'labels' | 'head' | 'affine head';

/** `network`: the detector runs the network itself, for its gradients or inner layers. */
export type DetectorNeed = Need | 'network';

/** The known images that a detector is fitted on: those of training, or others of their kind. */
export type FitsOn = 'train' | 'validation';

/** An activation shaping, which changes the features before the last layer turns them into logits. */
export interface ShapingEntry {
  /** null if it learns nothing. */
  readonly fitsOn: FitsOn | null;
  readonly settings: SettingSpecs;
}

export interface DetectorEntry extends ShapingEntry {
  /** In words, where the name is an abbreviation: `entropic score`. */
  readonly title?: string;
  /** A clause that says what its values mean. */
  readonly meaning?: string;
  /** What `score` and `fit` read. */
  readonly needs: readonly DetectorNeed[];
}

const temperature = { kind: 'number', above: 0, about: 'T, which divides the logits' } as const;
const percentile = { kind: 'number', min: 0, max: 100 } as const;
const pruned = {
  ...percentile,
  default: 90,
  about: 'How many per cent of an image’s activations are pruned, the smallest ones',
} as const;
const count = { kind: 'number', integer: true } as const;
const dimension = { ...count, default: null, min: 1 } as const;
const epsilon = {
  kind: 'number',
  default: 0.0014,
  min: 0,
  about: 'ε, how far the input is moved, for pixels from 0 to 1; 0 takes no step',
} as const;
const std = {
  kind: 'numbers',
  default: [1],
  item: { above: 0 },
  about: 'What the channels were divided by, so that ε means the same in each: one number a channel, or one for all',
} as const;

export const detectorSpecs = {
  mps: {
    title: 'maximum probability',
    meaning: 'the probability of the most likely class: 1 says “certain”, 1 divided by the number of classes “no idea”',
    needs: ['logits'],
    fitsOn: null,
    settings: {},
  },
  es: {
    title: 'entropic score',
    meaning:
      'the negative entropy of the class probabilities: 0 says “certain”, −ln(number of classes), which is −2.3 for ten, “no idea”',
    needs: ['logits'],
    fitsOn: null,
    settings: {},
  },
  mds: {
    title: 'minimum distance',
    meaning:
      'the largest logit, which with IsoMax losses is minus the distance to the nearest class prototype: the lower, the farther from every class',
    needs: ['logits'],
    fitsOn: null,
    settings: {},
  },
  mmls: {
    title: 'maximum and mean logit score',
    meaning: 'the largest logit and the mean of all, added',
    needs: ['logits'],
    fitsOn: null,
    settings: {},
  },
  mmles: {
    title: 'maximum and mean logit and entropic score',
    meaning: 'the largest logit, the mean of all and the entropic score, added: DisMax’s own',
    needs: ['logits'],
    fitsOn: null,
    settings: {},
  },
  mmleps: {
    title: 'maximum and mean logit, entropic and probability score',
    meaning: 'mmles and the largest probability, added',
    needs: ['logits'],
    fitsOn: null,
    settings: {},
  },
  mls: { needs: ['logits'], fitsOn: null, settings: {} },
  energy: {
    meaning: 'ln Σ exp(logit), minus the free energy',
    needs: ['logits'],
    fitsOn: null,
    settings: { temperature: { ...temperature, default: 1 } },
  },
  gen: {
    title: 'generalised entropy score',
    meaning: 'the negative generalised entropy of the class probabilities',
    needs: ['logits'],
    fitsOn: null,
    settings: {
      gamma: {
        kind: 'number',
        default: 0.1,
        above: 0,
        max: 1,
        about: 'γ, the exponent; small values look at the tail',
      },
      top: { ...count, default: 100, min: 1, about: 'M, how many of the largest probabilities count' },
    },
  },
  'scaled-mps': { needs: ['logits'], fitsOn: null, settings: { temperature: { ...temperature, default: 1000 } } },
  'temp-scale': { needs: ['logits', 'labels'], fitsOn: 'validation', settings: {} },
  'kl-matching': { needs: ['logits'], fitsOn: 'validation', settings: {} },
  openmax: {
    needs: ['logits', 'labels'],
    fitsOn: 'train',
    settings: {
      tail: { ...count, default: 20, min: 2, about: 'How many of a class’s largest distances are fitted' },
      alpha: { ...count, default: 3, min: 1, about: 'α, how many of the largest logits are revised' },
    },
  },
  dice: {
    needs: ['features', 'affine head'],
    fitsOn: 'train',
    settings: {
      percentile: { ...percentile, default: 90, about: 'How many per cent of the head’s contributions are left out' },
    },
  },
  gradnorm: { needs: ['features', 'logits', 'affine head'], fitsOn: null, settings: {} },
  mahalanobis: { needs: ['features', 'labels'], fitsOn: 'train', settings: {} },
  rmds: { needs: ['features', 'labels'], fitsOn: 'train', settings: {} },
  knn: {
    needs: ['features'],
    fitsOn: 'train',
    settings: {
      k: { ...count, default: 50, min: 1, about: 'Which neighbour; OpenOOD sweeps 50, 100, 200, 500, 1000' },
    },
  },
  vim: {
    needs: ['features', 'affine head'],
    fitsOn: 'train',
    settings: {
      dimension: {
        ...dimension,
        about: 'Of the principal space, below the features’ D; null: 256, and at most half of D',
      },
    },
  },
  residual: {
    needs: ['features', 'affine head'],
    fitsOn: 'train',
    settings: {
      dimension: {
        ...dimension,
        about: 'Of the principal space, below the features’ D; null: 512, and at most half of D',
      },
    },
  },
  she: { needs: ['features', 'logits', 'labels'], fitsOn: 'train', settings: {} },
  fdbd: {
    needs: ['features', 'affine head'],
    fitsOn: 'train',
    settings: {
      normalizer: {
        kind: 'choice',
        default: 'deviation',
        choices: ['deviation', 'feature'],
        about: 'What distances are divided by: ‖f − μ‖, as in the paper, or ‖f‖',
      },
    },
  },
  nnguide: {
    needs: ['features', 'logits'],
    fitsOn: 'train',
    settings: {
      k: { ...count, default: 100, min: 1, about: 'Neighbours averaged over' },
      fraction: {
        kind: 'number',
        default: 0.01,
        above: 0,
        max: 1,
        about: 'Share of the training images that the bank keeps',
      },
      seed: { ...count, default: 0, min: 0, about: 'Of the choice of those images' },
    },
  },
  relation: {
    needs: ['features', 'logits'],
    fitsOn: 'train',
    settings: {
      pow: { kind: 'number', default: 1, min: 0, about: 'Power of a relation; OpenOOD sweeps 1, 2, 4, 6, 8' },
      threshold: { kind: 'number', default: 0.03, min: 0, max: 1, about: 'Relations up to this count as none' },
    },
  },
  nci: {
    needs: ['features', 'affine head'],
    fitsOn: 'train',
    settings: {
      alpha: { kind: 'number', default: 1e-4, min: 0, about: 'α, weight of ‖f‖₁; OpenOOD sweeps up to 0.1' },
    },
  },
  odin: {
    needs: ['network'],
    fitsOn: null,
    settings: { temperature: { ...temperature, default: 1000 }, epsilon, std },
  },
  'input-mahalanobis': {
    needs: ['network', 'labels'],
    fitsOn: 'train',
    settings: {
      layer: { kind: 'path', default: null, about: 'Of the module whose result is taken; null: the features' },
      epsilon,
      std,
    },
  },
  'mahalanobis-ensemble': {
    needs: ['network', 'labels'],
    fitsOn: 'train',
    settings: {
      C: {
        kind: 'number',
        default: 1,
        above: 0,
        about: 'Of the logistic regression: how little its weights are held back',
      },
      epsilon,
      std,
    },
  },
  gram: {
    needs: ['network'],
    fitsOn: 'train',
    settings: {
      powers: {
        kind: 'numbers',
        default: [1, 2, 3, 4, 5],
        item: { integer: true, min: 1 },
        about: 'Orders p of the Gram matrices',
      },
      validation: {
        kind: 'number',
        default: 0.1,
        above: 0,
        max: 0.5,
        about: 'The part of the training images that normalises the stages',
      },
    },
  },
  rankfeat: {
    needs: ['network'],
    fitsOn: null,
    settings: {
      stages: {
        kind: 'paths',
        default: null,
        about: 'Of the modules over which logits are averaged; null: the network’s last two stages',
      },
      iterations: { ...count, default: 0, min: 0, about: 'Of the power method; 0: the exact decomposition, slower' },
    },
  },
  'gradnorm-autograd': { needs: ['network'], fitsOn: null, settings: {} },
} as const satisfies Record<string, DetectorEntry>;

export const shapingSpecs = {
  react: {
    fitsOn: 'train',
    settings: {
      percentile: {
        ...percentile,
        default: 90,
        about: 'Of all training activations: what lies above is cut down to it',
      },
    },
  },
  vra: {
    fitsOn: 'train',
    settings: {
      low: {
        ...percentile,
        default: 10,
        about: 'Percentile of all training activations up to which they count as small',
      },
      high: {
        ...percentile,
        default: 90,
        about: 'Percentile of all training activations to which larger ones are cut',
      },
      below: {
        kind: 'choice',
        default: 'clip',
        choices: ['clip', 'zero'],
        about: 'What becomes of small ones: raised to the low percentile, as in OpenOOD, or zero, as in the paper',
      },
    },
  },
  'ash-b': { fitsOn: null, settings: { percentile: pruned } },
  'ash-p': { fitsOn: null, settings: { percentile: pruned } },
  'ash-s': { fitsOn: null, settings: { percentile: pruned } },
  scale: {
    fitsOn: null,
    settings: {
      percentile: {
        ...percentile,
        default: 85,
        about: 'How many per cent of an image’s activations are not in the sum s2',
      },
    },
  },
} as const satisfies Record<string, ShapingEntry>;

/** Hints for words that people know from elsewhere. */
export const namesElsewhere: Readonly<Record<string, string>> = {
  msp: 'The maximum softmax probability is called `mps` here.',
  'max-logit': 'The maximum logit is called `mls` here.',
  maxlogit: 'The maximum logit is called `mls` here.',
  ebo: 'The energy score is called `energy` here.',
  klm: 'KL matching is called `kl-matching` here.',
  entropy: 'The negative entropy is called `es` here.',
  'relative-mahalanobis': 'The relative Mahalanobis distance is called `rmds` here.',
  ash: 'ASH shapes activations for a detector: write `energy+ash-b` (or ash-p, ash-s).',
};

export type DetectorName = keyof typeof detectorSpecs;
export type ShapingName = keyof typeof shapingSpecs;

/** What a maker of detectors takes: any of its settings. */
export type DetectorSettings<N extends DetectorName> = Partial<SettingsOf<(typeof detectorSpecs)[N]['settings']>>;
export type ShapingSettings<N extends ShapingName> = Partial<SettingsOf<(typeof shapingSpecs)[N]['settings']>>;

export const detectorNames = namesOf(detectorSpecs);
export const shapingNames = namesOf(shapingSpecs);

/** All settings of a detector: those that are given, checked, and the defaults. @throws ERR_ARGUMENT */
export const detectorSettings = <N extends DetectorName>(name: N, given: unknown) =>
  settled(name, detectorSpecs[name].settings as (typeof detectorSpecs)[N]['settings'], given);
export const shapingSettings = <N extends ShapingName>(name: N, given: unknown) =>
  settled(name, shapingSpecs[name].settings as (typeof shapingSpecs)[N]['settings'], given);
