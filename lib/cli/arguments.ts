// Reads numbers and lists from the command line, with errors that name the option.

import { InvalidArgumentError } from 'commander';
import { IsotorchError } from '../errors.js';
import { parseDetector } from '../known/parseDetector.js';

/** For options that take a whole number of at least `least`. */
export function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`Expected a whole number of ${least} or more.`);
    return value;
  };
}

/** For options that take a number above 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && Number.isFinite(value)))
    throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

/** For options that take a share: 0 or more, below 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value < 1))
    throw new InvalidArgumentError('Expected a fraction from 0 to below 1, such as 0.05.');
  return value;
}

/** For options that take a detector's name, such as `es` or `energy+react`. */
export function detector(text: string): string {
  try {
    parseDetector(text);
  } catch (error) {
    throw error instanceof IsotorchError ? new InvalidArgumentError(`${error.message}.`) : error;
  }
  return text;
}

/** For options that take one or more of them. */
export const detectors = (text: string, before: readonly string[] = []): string[] => [...before, detector(text)];

/** For options that take classes: `0,1,2`, `0-6` or both. */
export function classList(text: string): number[] {
  const classes = text.split(',').flatMap((part) => {
    const match = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (!match || last < first) throw new InvalidArgumentError('Expected classes such as 0,1,2 or 0-6.');
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return [...new Set(classes)];
}
