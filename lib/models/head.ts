// The last layer comes from outside, so that any loss fits any network.

import { wholeNumber } from '../arguments.js';
import { expected } from '../errors.js';
import { Linear, Module } from '../nn/index.js';

/** Makes the last layer: features [N, numFeatures] → logits [N, numClasses]. */
export type MakeHead = (numFeatures: number, numClasses: number) => Module;

/** The head that `make` gives, `nn.Linear` without one. @throws ERR_ARGUMENT if it is no module */
export function headFrom(make: MakeHead | undefined, numFeatures: number, numClasses: number): Module {
  if (make === undefined) return new Linear(numFeatures, numClasses);
  if (typeof make !== 'function') throw expected('a function that makes the last layer', 'head', make);
  const head = make(numFeatures, numClasses);
  if (!(head instanceof Module)) throw expected('a Module', 'the result of head', head);
  return head;
}

/** @throws ERR_ARGUMENT unless each is a whole number of 1 or more. */
export function checkSizes(sizes: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(sizes)) wholeNumber(value, name);
}
