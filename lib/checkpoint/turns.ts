// Long work in turns: whoever parses a large file gives the event loop its turn every few milliseconds. Such a job is a generator that
// yields every few thousand steps; what it is run by decides whether that means anything.

import { setImmediate } from 'node:timers/promises';

/** Far below the 50 ms at which a server's answers begin to lag, far above what a turn costs. */
const turnMs = 10;

/** How many small steps a job may do before it yields: some hundred microseconds of them. */
export const stepsPerTurn = 2048;

/** Tells when the event loop should have its turn. */
export class Turns {
  private end = performance.now() + turnMs;

  /** Gives it, if it is time. */
  async pause(): Promise<void> {
    if (performance.now() < this.end) return;
    await setImmediate();
    this.end = performance.now() + turnMs;
  }
}

/** Runs a job to its end; in between the event loop goes on. */
export async function inTurns<T>(job: Generator<void, T>): Promise<T> {
  const turns = new Turns();
  for (let step = job.next(); ; step = job.next()) {
    if (step.done) return step.value;
    await turns.pause();
  }
}

/** Runs a job to its end at once. */
export function atOnce<T>(job: Generator<void, T>): T {
  for (let step = job.next(); ; step = job.next()) if (step.done) return step.value;
}

/** The items in order, as `toSorted` gives them; yields in between. Sorted pieces are merged, two by two. */
export function* sorted<T>(items: readonly T[], compare: (a: T, b: T) => number): Generator<void, readonly T[]> {
  if (items.every((item, i) => i === 0 || compare(items[i - 1]!, item) <= 0)) return items;
  let pieces: T[][] = [];
  for (let start = 0; start < items.length; start += stepsPerTurn) {
    pieces.push(items.slice(start, start + stepsPerTurn).sort(compare));
    yield;
  }
  while (pieces.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < pieces.length; i += 2)
      merged.push(yield* mergedPieces(pieces[i]!, pieces[i + 1] ?? [], compare));
    pieces = merged;
  }
  return pieces[0] ?? [];
}

function* mergedPieces<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (a: T, b: T) => number,
): Generator<void, T[]> {
  const merged: T[] = [];
  for (let i = 0, j = 0; i < left.length || j < right.length; ) {
    const takesLeft = j === right.length || (i < left.length && compare(left[i]!, right[j]!) <= 0);
    merged.push(takesLeft ? left[i++]! : right[j++]!);
    if (merged.length % stepsPerTurn === 0) yield;
  }
  return merged;
}
