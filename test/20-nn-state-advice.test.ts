// State dicts that don't fit: what the error advises.

import { describe, expect, it } from 'vitest';
import { resnet18 } from '../lib/models/index.js';
import * as nn from '../lib/nn/index.js';
import { torch } from '../lib/tensor/index.js';

const network = () => new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU(), new nn.Linear(3, 1));

function refusal(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_STATE_DICT' });
    return (error as Error).message;
  }
  throw new Error('it was loaded');
}

describe('a whole training checkpoint', () => {
  it('names the key that holds the model', () => {
    const state = network().stateDict();
    const optimizer = new Map<string, unknown>([['state', new Map()]]);
    const checkpoint = new Map<string, unknown>([
      ['epoch', 3],
      ['optimizer', optimizer],
      ['some', new Map([['0.weight', torch.ones([3, 2])]])],
      ['model', state],
    ]);
    expect(refusal(() => network().loadStateDict(checkpoint))).toContain(
      'its "model" has 4 of the 4 keys: load dict.get("model"), or what checkpoint.weights(path) finds',
    );
    expect(refusal(() => network().loadStateDict({ epoch: 3, state_dict: Object.fromEntries(state) }))).toContain(
      'its "state_dict" has 4 of the 4 keys: load dict["state_dict"]',
    );
    const wrapped = new Map([...state].map(([key, tensor]) => [`module.${key}`, tensor]));
    expect(refusal(() => network().loadStateDict(new Map([['net', wrapped]])))).toContain(
      'its "net" has 4 of the 4 keys',
    );
  });

  it('is not suggested where keys fit, or nothing does', () => {
    const state = new Map<string, unknown>([...network().stateDict(), ['inner', network().stateDict()]]);
    expect(refusal(() => network().loadStateDict(state))).not.toContain('has 4 of');
    expect(refusal(() => network().loadStateDict(new Map([['epoch', 3]])))).not.toContain('keys: load');
  });
});

describe('a ResNet', () => {
  it('with another first layer names the stem', () => {
    const options = { width: 4, numClasses: 2 };
    const [small, large] = [resnet18(options), resnet18({ ...options, stem: 'large' })];
    expect(refusal(() => small.loadStateDict(large.stateDict()))).toContain(
      "7×7: make the network with { stem: 'large' }",
    );
    expect(refusal(() => large.loadStateDict(small.stateDict()))).toContain(
      "3×3: make the network with { stem: 'small' }",
    );
    expect(refusal(() => small.loadStateDict(new Map()))).not.toContain('stem');
    const inside = new nn.Sequential(small);
    const wrapped = new nn.Sequential(large).stateDict();
    expect(refusal(() => inside.loadStateDict(wrapped))).toContain("{ stem: 'large' }");
    small.loadStateDict(resnet18(options).stateDict());
  });
});
