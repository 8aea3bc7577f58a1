// Heads and criteria beside the authors' formulation in Python: distances by cdist without the matrix product, softmax and
// logarithm one after the other. Logits, loss and all gradients to 1e-6 relative in float32 and 1e-12 in float64.
//
// Distances of ours are rounded otherwise than cdist's. E_s = 10 multiplies what that makes of a logit in the last digit
// before the softmax takes the difference for a gradient: in float32 two right answers are up to 1e-5 apart. So gradients in
// float32 are measured against the authors' form in float64, from which ours may be no further than theirs are, twice.

import { expect } from 'vitest';
import * as losses from '../lib/losses/index.js';
import { type DType, type Tensor, torch } from '../lib/tensor/index.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

/** The authors of the IsoMax papers' own; the others are in 40-losses-relatives.test.ts and 40-losses-dismax.test.ts. */
const names = ['softmax', 'isomax', 'isomaxplus'] as const;

interface Sizes {
  n: number;
  d: number;
  c: number;
  /** Of the features. */
  scale: number;
}

const sizes: Sizes[] = [
  { n: 128, d: 64, c: 10, scale: 1 },
  { n: 7, d: 342, c: 100, scale: 0.3 },
  { n: 1, d: 1, c: 2, scale: 1 },
  { n: 33, d: 16, c: 3, scale: 5 },
];

/** Input as both sides get it; prototypes away from their first values, so that all are in general position. */
function make({ n, d, c, scale }: Sizes, dtype: DType) {
  torch.manualSeed(n + d + c);
  const options = { dtype } as const;
  return {
    features: torch.randn([n, d], options).mul(scale),
    prototypes: torch.randn([c, d], options),
    bias: torch.randn([c], options),
    distanceScale: torch.tensor([-1.7], options),
    labels: torch.randint(0, c, [n]),
  };
}

type Inputs = ReturnType<typeof make>;

/** Logits, loss and gradients of one head and criterion. */
function ours(name: (typeof names)[number], inputs: Inputs, options: { sequential?: boolean; temperature?: number }) {
  const { features, prototypes, bias, distanceScale, labels } = inputs;
  const [c, d] = prototypes.shape as [number, number];
  const family = losses.byName(name);
  const { temperature = 1, sequential = false } = options;
  const head = family.head(d, c, { dtype: features.dtype, temperature });
  const weights = {
    softmax: { weight: prototypes, bias },
    isomax: { prototypes },
    isomaxplus: { prototypes, distance_scale: distanceScale },
  };
  head.loadStateDict(weights[name]);
  const f = features.clone().requiresGrad_(true);
  const logits = head.forward(f);
  const loss = family.criterion({ sequential }).forward(logits, labels);
  loss.backward();
  const gradients = [...head.namedParameters()].map(([key, { grad }]) => [key, grad as Tensor] as const);
  return { logits, loss, features: f.grad as Tensor, ...Object.fromEntries(gradients) } as Record<string, Tensor>;
}

const program = `
import torch.nn.functional as F
def head(name, f, v, T):
    if name == 'softmax': return (f.matmul(v['prototypes'].t()) + v['bias']) / T
    exact = 'donot_use_mm_for_euclid_dist'
    if name == 'isomax': return -torch.cdist(f, v['prototypes'], p=2.0, compute_mode=exact) / T
    unit = torch.cdist(F.normalize(f), F.normalize(v['prototypes']), p=2.0, compute_mode=exact)
    return -(torch.abs(v['distanceScale']) * unit) / T

def criterion(name, z, y):
    if name == 'softmax': return F.cross_entropy(z, y)
    p = torch.softmax(10.0 * z, dim=1)
    return -torch.log(p[torch.arange(len(y)), y]).mean()

keys = {'softmax': {'weight': 'prototypes', 'bias': 'bias'}, 'isomax': {'prototypes': 'prototypes'},
        'isomaxplus': {'prototypes': 'prototypes', 'distance_scale': 'distanceScale'}}
def run(case, dtype):
    v = {key: T(value) for key, value in case['inputs'].items()}
    y = v.pop('labels')
    v = {key: value.to(dtype).requires_grad_() for key, value in v.items()}
    z = head(case['name'], v['features'], v, case['temperature'])
    z.retain_grad()
    loss = criterion(case['name'], z, y)
    loss.backward()
    values = {'logits': z, 'loss': loss, 'features': v['features'].grad}
    values.update({key: v[source].grad for key, source in keys[case['name']].items()})
    # what the gradient of the distance scale is the sum of, which cancels
    terms = (z.grad * z / v['distanceScale']).abs().sum().item()
    return values, terms

out = []
for case in input:
    values, terms = run(case, T(case['inputs']['features']).dtype)
    out.append({'values': values, 'exact': run(case, torch.float64)[0], 'terms': terms})

from torch import nn
torch.manual_seed(5)
weight = torch.empty(10, 64); nn.init.uniform_(weight, a=-math.sqrt(1.0 / 64), b=math.sqrt(1.0 / 64))
torch.manual_seed(5)
prototypes = torch.empty(10, 64); nn.init.normal_(prototypes, mean=0.0, std=1.0)
emit({'cases': out, 'weight': weight, 'prototypes': prototypes})
`;

/** Relative to the largest element, or to `scale`. */
const error = (mine: Tensor, theirs: Tensor, scale = theirs.abs().max().item()) => {
  return mine.sub(theirs).abs().max().item() / (scale === 0 ? 1 : scale);
};

const { it: withPython } = needs(python, 'a Python that has torch');

const cases = (['float32', 'float64'] as const).flatMap((dtype) =>
  sizes.flatMap((size) =>
    names.flatMap((name) => [1, 2.5].map((temperature) => ({ dtype, name, temperature, inputs: make(size, dtype) }))),
  ),
);

interface Reference {
  cases: { values: Record<string, TensorJson>; exact: Record<string, TensorJson>; terms: number }[];
  weight: TensorJson;
  prototypes: TensorJson;
}
const theirs: Reference | undefined = python
  ? runPython(
      program,
      cases.map(({ inputs, ...rest }) => ({
        ...rest,
        inputs: Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, encode(value)])),
      })),
    )
  : undefined;

withPython("losses equal the authors' formulation in PyTorch: logits, loss and every gradient", () => {
  const worst: Record<string, number> = {}; // by what is compared, in units of what is allowed
  for (const [i, { dtype, name, temperature, inputs }] of cases.entries()) {
    for (const sequential of [false, true]) {
      const values = ours(name, inputs, { sequential, temperature });
      const { values: reference, exact, terms } = theirs!.cases[i]!;
      expect(Object.keys(values).sort()).toEqual(Object.keys(reference).sort());
      for (const [key, value] of Object.entries(reference)) {
        const what = `${dtype} ${name} ${sequential ? 'sequential' : 'stable'} ${key}`;
        const scale = key === 'distance_scale' ? terms : undefined;
        const rounded = dtype === 'float32' && name !== 'softmax' && key !== 'logits' && key !== 'loss';
        const truth = decode(rounded ? exact[key]! : value);
        const limit = Math.max(
          dtype === 'float32' ? 1e-6 : 1e-12,
          rounded ? 2 * error(decode(value), truth, scale) : 0,
        );
        worst[what] = Math.max(worst[what] ?? 0, error(values[key]!, truth, scale) / limit);
      }
    }
  }
  expect(Object.keys(worst)).toHaveLength(2 * 2 * (5 + 4 + 5));
  expect(Object.entries(worst).filter(([, value]) => !(value <= 1))).toEqual([]);
});

withPython("heads start as the authors' do, from the same random numbers", () => {
  torch.manualSeed(5);
  const softmax = new losses.SoftMaxHead(64, 10).stateDict();
  expect([...softmax.keys()]).toEqual(['weight', 'bias']);
  expect(encode(softmax.get('weight')!)).toEqual(theirs!.weight);
  expect(softmax.get('bias')!.tolist()).toEqual(new Array(10).fill(0));
  torch.manualSeed(5);
  const plus = new losses.IsoMaxPlusHead(64, 10).stateDict();
  expect([...plus.keys()]).toEqual(['prototypes', 'distance_scale']);
  expect(encode(plus.get('prototypes')!)).toEqual(theirs!.prototypes);
  expect(plus.get('distance_scale')!.tolist()).toEqual([1]);
  const isomax = new losses.IsoMaxHead(64, 10).stateDict();
  expect([...isomax.keys()]).toEqual(['prototypes']);
  expect(isomax.get('prototypes')!.abs().max().item()).toBe(0);
});
