// How weights are averaged over the steps: all alike (Izmailov et al. 2018), or the last ones more (exponential moving average).

import { inRange } from '../../known/optimSettings.js';
import { isFloating, type Tensor, torch } from '../../tensor/index.js';

/**
 * The new average of one tensor.
 * @param numAveraged how many were averaged so far: int64, a scalar on its device
 */
export type AvgFn = (averaged: Tensor, current: Tensor, numAveraged: Tensor) => Tensor;

/** Averages tensors of one device and dtype, in place. */
export type MultiAvgFn = (averaged: readonly Tensor[], current: readonly Tensor[], numAveraged: Tensor) => void;

/** average ← decay·average + (1 − decay)·present. @throws ERR_ARGUMENT unless `decay` is from 0 to 1 */
export function getEmaAvgFn(decay = 0.999): AvgFn {
  inRange(decay, 'decay', { min: 0, max: 1 });
  return (averaged, current) => averaged.mul(decay).add(current.mul(1 - decay));
}

/** The same for many tensors in one call. @throws ERR_ARGUMENT unless `decay` is from 0 to 1 */
export function getEmaMultiAvgFn(decay = 0.999): MultiAvgFn {
  const one = getEmaAvgFn(decay);
  return (averaged, current, numAveraged) => {
    const { dtype } = averaged[0]!;
    if (isFloating(dtype) || dtype.startsWith('complex')) torch._foreachLerp_(averaged, current, 1 - decay);
    else for (const [i, average] of averaged.entries()) average.copy_(one(average, current[i]!, numAveraged));
  };
}

/** average ← average + (present − average) / (numAveraged + 1): the mean of all. */
export function getSwaAvgFn(): AvgFn {
  return (averaged, current, numAveraged) => averaged.add(current.sub(averaged).div(numAveraged.add(1)));
}

/** The same for many tensors. */
export function getSwaMultiAvgFn(): MultiAvgFn {
  const one = getSwaAvgFn();
  return (averaged, current, numAveraged) => {
    for (const [i, average] of averaged.entries()) average.copy_(one(average, current[i]!, numAveraged));
  };
}
