// How far to go along a direction so that the strong Wolfe conditions hold (Nocedal & Wright 2006, algorithms 3.5 and 3.6): the
// loss has fallen enough, and its slope is nearly flat. Steps are tried by cubic interpolation, as `torch.optim.LBFGS` does it.

import type { Tensor } from '../tensor/index.js';

/** A step that was tried: how far, the loss and the gradient there, and the slope along the direction. */
export interface Trial {
  readonly t: number;
  readonly loss: number;
  readonly gradient: Tensor;
  readonly slope: number;
}

export interface Search {
  /** Tries a step. */
  readonly at: (t: number) => Trial;
  /** The first step to try. */
  readonly t: number;
  /** Where the search begins, at step 0. */
  readonly start: Trial;
  /** The direction's greatest element. */
  readonly reach: number;
  readonly toleranceChange: number;
  /** How many steps may be tried after the first. */
  readonly most: number;
  /** Rounds to the parameters' dtype, in which PyTorch computes. */
  readonly round: (x: number) => number;
}

/** Sufficient decrease, and flatness. */
const [C1, C2] = [1e-4, 0.9];

/** The best step found, and how many were tried. */
export function strongWolfe({ at, t, start, reach, toleranceChange, most, round }: Search): {
  best: Trial;
  tried: number;
} {
  const isTooHigh = ({ t, loss }: Trial) => loss > round(start.loss + round(round(C1 * t) * start.slope));
  const isFlat = ({ slope }: Trial) => Math.abs(slope) <= round(-C2 * start.slope);
  let trial = at(t);
  let tried = 1;

  // Go on until an interval is found that holds a good step.
  let bracket: [Trial, Trial] | undefined;
  let before = start;
  let iterations = 0;
  for (; iterations < most; iterations++) {
    const isPast = isTooHigh(trial) || (iterations > 1 && trial.loss >= before.loss);
    if (!isPast && isFlat(trial)) return { best: trial, tried };
    if (isPast || trial.slope >= 0) {
      bracket = [before, trial];
      break;
    }
    const next = interpolate(before, trial, round, [trial.t + 0.01 * (trial.t - before.t), trial.t * 10]);
    before = trial;
    trial = at(next);
    tried++;
  }
  bracket ??= [start, trial];

  // Narrow it down; `low` is the end with the lesser loss.
  let low: 0 | 1 = bracket[0].loss <= bracket[1].loss ? 0 : 1;
  let wasClose = false;
  for (let isDone = false; !isDone && iterations < most; iterations++) {
    const [left, right] = bracket;
    if (Math.abs(right.t - left.t) * reach < toleranceChange) break;
    let next: number = interpolate(left, right, round);
    const [least, greatest] = [Math.min(left.t, right.t), Math.max(left.t, right.t)];
    const margin = 0.1 * (greatest - least);
    const isClose = Math.min(greatest - next, next - least) < margin;
    const mustMove: boolean = isClose && (wasClose || next >= greatest || next <= least);
    if (mustMove) next = Math.abs(next - greatest) < Math.abs(next - least) ? greatest - margin : least + margin;
    wasClose = isClose && !mustMove;

    trial = at(next);
    tried++;
    const high = low === 0 ? 1 : 0;
    if (isTooHigh(trial) || trial.loss >= bracket[low].loss) {
      bracket[high] = trial;
      low = bracket[0].loss <= bracket[1].loss ? 0 : 1;
    } else {
      isDone = isFlat(trial);
      if (!isDone && trial.slope * (bracket[high].t - bracket[low].t) >= 0) bracket[high] = bracket[low];
      bracket[low] = trial;
    }
  }
  return { best: bracket[low], tried };
}

/** The least point of the cubic through both ends, within the bounds. */
function interpolate(a: Trial, b: Trial, round: (x: number) => number, bounds?: [number, number]): number {
  const [least, greatest] = bounds ?? (a.t <= b.t ? [a.t, b.t] : [b.t, a.t]);
  const chord = round((3 * (a.loss - b.loss)) / (a.t - b.t));
  const d1 = round(round(a.slope + b.slope) - chord);
  const square = round(round(d1 * d1) - round(a.slope * b.slope));
  if (!(square >= 0)) return (least + greatest) / 2;
  const d2 = round(Math.sqrt(square));
  const [left, right] = a.t <= b.t ? [a, b] : [b, a];
  const way = round(round(right.slope + d2) - d1) / round(round(right.slope - left.slope) + round(2 * d2));
  const t = round(right.t - round(round(right.t - left.t) * round(way)));
  return Math.min(Math.max(t, least), greatest);
}
