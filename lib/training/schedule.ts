// A recipe's optimizer and schedule, made of their names and settings.

import type { Module } from '../nn/index.js';
import { byName, cosine, multiStep, type Optimizer, type Schedule, scheduleByName } from '../optim/index.js';
import { type Recipe, scheduleSettings } from './recipes.js';

export function optimizerOf(
  { optimizer: { name, ...settings } }: Recipe,
  model: Pick<Module, 'parameters'>,
): Optimizer {
  return byName(name, model.parameters(), settings);
}

/** Undefined for a rate that stays. */
export function scheduleOf(recipe: Recipe, optimizer: Optimizer, stepsPerEpoch: number): Schedule | undefined {
  const { epochs, schedule } = recipe;
  if (schedule.name === 'constant') return undefined;
  if (schedule.name === 'cosine') return cosine(optimizer, { epochs, minLr: schedule.minLr });
  if (schedule.name === 'multistep')
    return multiStep(optimizer, { milestones: schedule.milestones, gamma: schedule.gamma });
  return scheduleByName(schedule.name, optimizer, scheduleSettings(recipe, stepsPerEpoch));
}
