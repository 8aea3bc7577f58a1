// A classifier's output beside the true labels, checked once and in float64: what the metrics of classification and
// calibration (calibration.ts) and OSCR read. From logits or probabilities, as tensors or plain arrays.

import { expected, IsotorchError } from '../../errors.js';
import { Tensor, tidy } from '../../tensor/index.js';

/** A tensor of that shape, or its numbers row by row. */
export type Numbers = Tensor | ArrayLike<number>;

/** Logits [N, C], or probabilities [N, C] whose rows add up to 1 within 10⁻³, as float16 gives them. */
export type ClassifierOutput = { readonly logits: Numbers } | { readonly probabilities: Numbers };

export interface Predictions {
  /** [N, C], row by row. */
  readonly probabilities: Float64Array;
  /** ln of the true class's probability, [N]; from logits it is exact where the probability underflows to 0. */
  readonly logLikelihood: Float64Array;
  /** The largest probability of each row, [N]. */
  readonly confidence: Float64Array;
  /** 1 where the first of the largest probabilities is the label's, else 0; [N]. */
  readonly correct: Uint8Array;
  readonly labels: Int32Array;
  readonly n: number;
  readonly classes: number;
}

/**
 * @param labels [N], classes from 0
 * @throws ERR_DATA for NaN, infinite logits, rows that are no distribution or labels that are no class, with the first index;
 *   ERR_SHAPE when the sizes don't fit; ERR_ARGUMENT
 * @example
 * accuracy(predictions({ logits: [2, 1, 0, 3] }, [0, 1])); // 1: two images of two classes
 */
export function predictions(output: ClassifierOutput, labels: Numbers): Predictions {
  const name = 'logits' in output ? 'logits' : 'probabilities';
  const given: Numbers = 'logits' in output ? output.logits : output.probabilities;
  const values = doubles(given, name);
  const truth = doubles(labels, 'labels');
  const n = truth.length;
  const classes = values.length / n;
  const wrongShape = given instanceof Tensor && (given.ndim !== 2 || given.shape[0] !== n);
  if (n === 0 || classes < 1 || !Number.isInteger(classes) || wrongShape)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected ${name} [N, C] and labels [N], N and C at least 1, but received ` +
        `${given instanceof Tensor ? `[${given.shape.join(', ')}]` : `${values.length} numbers`} and ${n} labels`,
    );
  const result: Predictions = {
    probabilities: 'logits' in output ? new Float64Array(values.length) : values,
    logLikelihood: new Float64Array(n),
    confidence: new Float64Array(n),
    correct: new Uint8Array(n),
    labels: new Int32Array(n),
    n,
    classes,
  };
  for (let row = 0; row < n; row++) {
    const label = truth[row]!;
    if (!Number.isInteger(label) || label < 0 || label >= classes)
      throw wrong('labels', row, label, `classes from 0 to ${classes - 1}`);
    result.labels[row] = label;
    const start = row * classes;
    let best = 0;
    for (let c = 0; c < classes; c++) {
      const value = values[start + c]!;
      if (!Number.isFinite(value)) throw wrong(name, start + c, value, 'finite numbers');
      if (value > values[start + best]!) best = c;
    }
    result.correct[row] = best === label ? 1 : 0;
    if (name === 'logits') {
      const largest = values[start + best]!;
      let total = 0;
      for (let c = 0; c < classes; c++) {
        const exp = Math.exp(values[start + c]! - largest);
        result.probabilities[start + c] = exp;
        total += exp;
      }
      for (let c = 0; c < classes; c++) result.probabilities[start + c]! /= total;
      result.logLikelihood[row] = values[start + label]! - largest - Math.log(total);
    } else {
      let total = 0;
      for (let c = 0; c < classes; c++) {
        if (values[start + c]! < 0) throw wrong(name, start + c, values[start + c]!, 'no negative numbers');
        total += values[start + c]!;
      }
      if (Math.abs(total - 1) > 1e-3) throw wrong(name, start, total, 'rows that add up to 1', 'the sum of a row');
      result.logLikelihood[row] = Math.log(values[start + label]!);
    }
    result.confidence[row] = result.probabilities[start + best]!;
  }
  return result;
}

function doubles(values: Numbers, name: string): Float64Array {
  if (values instanceof Tensor)
    return tidy(() => values.detach().to({ device: 'cpu', dtype: 'float64' }).toArraySync() as Float64Array);
  if (typeof values !== 'object' || values === null || !Number.isSafeInteger(values.length))
    throw expected('a tensor or an array of numbers', name, values);
  for (let i = 0; i < values.length; i++)
    if (typeof values[i] !== 'number') throw expected('a number', `${name}[${i}]`, values[i]);
  return Float64Array.from(values);
}

function wrong(name: string, index: number, value: number, want: string, what = 'one'): IsotorchError {
  return new IsotorchError('ERR_DATA', `Expected ${want} in ${name} but ${what} at index ${index} is ${value}`);
}
