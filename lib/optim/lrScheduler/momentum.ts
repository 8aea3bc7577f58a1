// Momentum that goes against the rate, for the schedules that cycle it: an optimizer's `momentum`, or the first of its betas.
// A group that has a `baseMomentum` reads it as a tensor, so that a captured step follows.

import { IsotorchError } from '../../errors.js';
import type { ParamGroup } from '../paramGroup.js';
import type { Scheduled } from './lrScheduler.js';

export const usesBeta1 = ({ paramGroups }: Scheduled): boolean => paramGroups[0]?.betas !== undefined;

export function setMomentum(group: ParamGroup, value: number): void {
  if (group.betas === undefined) group.momentum = value;
  else group.betas = [value, group.betas[1]];
}

/** One value for each group. */
export function spread<T>(value: T | readonly T[], { paramGroups }: Scheduled, name: string): T[] {
  const values = Array.isArray(value) ? (value as T[]) : paramGroups.map(() => value as T);
  if (values.length === paramGroups.length) return [...values];
  const counts = `${paramGroups.length} values for ${name}, one for each group, but received ${values.length}`;
  throw new IsotorchError('ERR_ARGUMENT', `Expected ${counts}`);
}

/** Writes the bounds down in the groups, and begins at the greater. @throws ERR_ARGUMENT for optimizers without a momentum */
export function beginCycle({ paramGroups }: Scheduled, base: readonly number[], max: readonly number[]): void {
  for (const [i, group] of paramGroups.entries()) {
    if (group.momentum === undefined && group.betas === undefined)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        'Expected an optimizer with momentum or betas for cycleMomentum; with { cycleMomentum: false } the rate alone moves',
      );
    group.maxMomentum = max[i]!;
    group.baseMomentum = base[i]!;
    setMomentum(group, max[i]!);
  }
}
