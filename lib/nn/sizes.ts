// Sizes of windows and outputs along 1 to 3 directions.

export type Rank = 1 | 2 | 3;

/** One for each direction: [length], [height, width] or [depth, height, width]. */
export type Each<R extends Rank, T> = R extends 1 ? readonly [T] : R extends 2 ? readonly [T, T] : readonly [T, T, T];

/** One number for all directions, or one for each. */
export type Size<R extends Rank> = number | Each<R, number>;

/** A number of windows, or null for as many as the input has elements; for all directions, or for each. */
export type AdaptiveSize<R extends Rank> = number | null | Each<R, number | null>;

/** One number for both directions, or `[height, width]`. */
export type Pair = Size<2>;

/** `value` for each direction. */
export const each = <T>(value: T | readonly T[], rank: Rank): readonly T[] =>
  Array.isArray(value) ? value : Array<T>(rank).fill(value as T);
