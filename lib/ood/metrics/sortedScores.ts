// Scores sorted once, and their curve when each image counts as often as a resample has drawn it: one pass, in buffers that
// are used again.

import { type Roc, rocCurve } from './roc.js';
import { sorted } from './sort.js';

/** Which image stands where, ascending: image `id[k]` has the k-th lowest score. */
interface Order {
  readonly id: Uint32Array;
  readonly ood: Uint32Array;
}

export class SortedScores {
  /** With each image once. */
  readonly roc: Roc;
  readonly nId: number;
  readonly nOod: number;
  /** Null where images are called by the places of their scores. */
  readonly #order: Order | null;
  #buffers: [Float64Array, Float64Array, Float64Array] | null = null;

  private constructor(id: Float64Array, ood: Float64Array, order: Order | null) {
    this.roc = rocCurve(id, ood);
    this.nId = id.length;
    this.nOod = ood.length;
    this.#order = order;
  }

  /** Images are called by the places of their scores, ascending: as good as any order where images are drawn at random. */
  static of(id: Float64Array, ood: Float64Array): SortedScores {
    return new SortedScores(sorted(id), sorted(ood), null);
  }

  /** Images are called by their places in the given lists, so that several methods' scores can be drawn together. */
  static byImage(id: Float64Array, ood: Float64Array): SortedScores {
    const order = (scores: Float64Array): Uint32Array =>
      Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
    const orders = { id: order(id), ood: order(ood) };
    const ordered = (scores: Float64Array, by: Uint32Array): Float64Array => Float64Array.from(by, (i) => scores[i]!);
    return new SortedScores(ordered(id, orders.id), ordered(ood, orders.ood), orders);
  }

  /**
   * What the native AUROC of resamples reads: for each known image how many unknown ones have a lower score, and how many one
   * not above; and the unknown images from the lowest score up.
   */
  places(): { below: Int32Array; upTo: Int32Array; order: Int32Array } {
    const { idAccepted, oodAccepted } = this.roc;
    const [below, upTo] = [new Int32Array(this.nId), new Int32Array(this.nId)];
    for (let group = 1; group < idAccepted.length; group++)
      for (let k = this.nId - idAccepted[group]!; k < this.nId - idAccepted[group - 1]!; k++) {
        const image = this.#order === null ? k : this.#order.id[k]!;
        below[image] = this.nOod - oodAccepted[group]!;
        upTo[image] = this.nOod - oodAccepted[group - 1]!;
      }
    const order =
      this.#order === null ? Int32Array.from({ length: this.nOod }, (_, k) => k) : Int32Array.from(this.#order.ood);
    return { below, upTo, order };
  }

  /** The curve with each image as often as the counts say, which add up to the sizes; valid until the next. */
  resampled(idCounts: Uint8Array, oodCounts: Uint8Array): Roc {
    const { roc, nId, nOod } = this;
    const id = this.#order === null ? idCounts : gathered(idCounts, this.#order.id);
    const ood = this.#order === null ? oodCounts : gathered(oodCounts, this.#order.ood);
    const points = roc.thresholds.length;
    this.#buffers ??= [new Float64Array(points), new Float64Array(points), new Float64Array(points)];
    const [thresholds, idAccepted, oodAccepted] = this.#buffers;
    thresholds[0] = Number.POSITIVE_INFINITY;
    let [known, unknown, point] = [0, 0, 0];
    for (let i = nId, j = nOod, group = 1; group < points; group++) {
      for (const end = nId - roc.idAccepted[group]!; i > end; ) known += id[--i]!;
      for (const end = nOod - roc.oodAccepted[group]!; j > end; ) unknown += ood[--j]!;
      if (known === idAccepted[point] && unknown === oodAccepted[point]) continue; // nobody with this score was drawn
      point++;
      thresholds[point] = roc.thresholds[group]!;
      idAccepted[point] = known;
      oodAccepted[point] = unknown;
    }
    const used = (values: Float64Array): Float64Array => values.subarray(0, point + 1);
    return { thresholds: used(thresholds), idAccepted: used(idAccepted), oodAccepted: used(oodAccepted), nId, nOod };
  }
}

function gathered(counts: Uint8Array, order: Uint32Array): Uint8Array {
  const inOrder = new Uint8Array(counts.length);
  for (let k = 0; k < order.length; k++) inOrder[k] = counts[order[k]!]!;
  return inOrder;
}
