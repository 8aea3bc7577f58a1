// Recipes: the papers' numbers to the letter, and changes that do what they say.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Recipe, recipes, resolveRecipe } from '../lib/training/recipes.js';

describe('recipes', () => {
  it('isomax-paper is the published one', () => {
    expect(resolveRecipe('isomax-paper')).toEqual({
      name: 'isomax-paper',
      epochs: 300,
      batchSize: 64,
      optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 },
      schedule: { name: 'multistep', milestones: [150, 200, 250], gamma: 0.1 },
    });
  });

  it('quickstart is four epochs down a cosine', () => {
    expect(recipes.quickstart).toMatchObject({ epochs: 4, batchSize: 128, schedule: { name: 'cosine', minLr: 0 } });
  });

  it('changes what is asked for and nothing else', () => {
    const changed = resolveRecipe('isomax-paper', { epochs: 30, lr: 0.05, batchSize: 8 });
    expect(changed).toEqual({
      ...recipes['isomax-paper'],
      epochs: 30,
      batchSize: 8,
      optimizer: { ...recipes['isomax-paper'].optimizer, lr: 0.05 },
      schedule: { name: 'multistep', milestones: [15, 20, 25], gamma: 0.1 },
    });
    expect(resolveRecipe('quickstart', { epochs: undefined, lr: undefined })).toEqual(recipes.quickstart);
  });

  it('keeps milestones in order and within the run for any number of epochs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), (epochs) => {
        const { schedule } = resolveRecipe('isomax-paper', { epochs });
        if (schedule.name !== 'multistep') throw new Error('another schedule');
        const { milestones } = schedule;
        expect(milestones).toEqual([...milestones].sort((a, b) => a - b));
        for (const [i, part] of [1 / 2, 2 / 3, 5 / 6].entries()) {
          expect(milestones[i]).toBeGreaterThanOrEqual(1);
          expect(Math.abs(milestones[i]! - epochs * part)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('takes a recipe of your own', () => {
    const mine: Recipe = { ...recipes.quickstart, name: 'mine', schedule: { name: 'constant' } };
    expect(resolveRecipe(mine, { epochs: 2 })).toEqual({ ...mine, epochs: 2 });
  });

  it.each([
    ['epochs', { epochs: 0 }],
    ['epochs', { epochs: Number.NaN }],
    ['batchSize', { batchSize: 2.5 }],
    ['lr', { lr: 0 }],
    ['lr', { lr: Number.POSITIVE_INFINITY }],
  ])('refuses a wrong %s: %o', (name, changes) => {
    const refusal = expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining(name) as string });
    expect(() => resolveRecipe('quickstart', changes)).toThrow(refusal);
  });

  it.each<[unknown, RegExp]>([
    ['papers', /isomax-paper, quickstart.*"papers"/],
    [undefined, /undefined/],
    [{ ...recipes.quickstart, optimizer: { name: 'adamm' } }, /SGD.*"adamm"/],
    [{ ...recipes.quickstart, schedule: { name: 'linear' } }, /multistep, cosine, constant.*"linear"/],
  ])('refuses %o as a recipe', (recipe, message) => {
    const refusal = expect.objectContaining({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(message) as string,
    });
    expect(() => resolveRecipe(recipe as Recipe)).toThrow(refusal);
  });
});
