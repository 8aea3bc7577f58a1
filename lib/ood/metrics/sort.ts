// Sorts scores. From a few thousand on, radix sort on the upper half of the doubles' bits (sign, exponent, 20 bits of the
// fraction) beats the comparisons of TypedArray.sort three to four times; what it leaves, scores that differ only below, are
// short runs as a rule and sorted one by one. Where they are long, the sort is as fast as TypedArray.sort, never quadratic.

/** Below this the three sets of counters cost more than they save. */
const FEW = 4096;
/** Up to this long, a run is sorted by insertion. */
const SHORT = 16;
/** First bit of each digit of the upper word, least significant first; 11, 11 and 10 bits. */
const SHIFTS = [0, 11, 22] as const;
const DIGITS = 1 << 11;
/** Where the upper word of a double lies, of its two. */
const UPPER = new Uint32Array(Float64Array.of(-0).buffer)[1] === 0 ? 0 : 1;

/**
 * A sorted copy, ascending; -0 and 0 may come in either order.
 * @param scores without NaN
 */
export function sorted(scores: Float64Array): Float64Array {
  const size = scores.length;
  let from = scores.slice(); // of its own buffer, so that its words can be seen
  if (size < FEW) return from.sort();
  const words = new Uint32Array(from.buffer);
  const counts = SHIFTS.map(() => new Uint32Array(DIGITS)) as [Uint32Array, Uint32Array, Uint32Array];
  const [low, middle, high] = counts;
  for (let i = UPPER; i < words.length; i += 2) {
    const word = words[i]!;
    low[word & (DIGITS - 1)]!++;
    middle[(word >>> SHIFTS[1]) & (DIGITS - 1)]!++;
    high[word >>> SHIFTS[2]]!++;
  }
  let to = new Float64Array(size);
  SHIFTS.forEach((shift, digit) => {
    if (counts[digit]!.includes(size)) return; // all share it
    scatter(from, to, shift, counts[digit]!);
    [from, to] = [to, from];
  });
  const ordered = negativesFirst(from, to);
  sortRuns(ordered);
  return ordered;
}

/** One stable pass: each score goes to the next place of its digit. */
function scatter(from: Float64Array, to: Float64Array, shift: number, counts: Uint32Array): void {
  const words = new Uint32Array(from.buffer);
  const places = new Uint32Array(DIGITS);
  for (let digit = 1; digit < DIGITS; digit++) places[digit] = places[digit - 1]! + counts[digit - 1]!;
  for (let i = 0; i < from.length; i++) to[places[(words[2 * i + UPPER]! >>> shift) & (DIGITS - 1)]!++] = from[i]!;
}

/** As unsigned bits the negative scores come last, smallest magnitude first; they belong to the front, turned round. */
function negativesFirst(from: Float64Array, to: Float64Array): Float64Array {
  const size = from.length;
  let positive = size;
  while (positive > 0 && (from[positive - 1]! < 0 || Object.is(from[positive - 1], -0))) positive--;
  if (positive === size) return from;
  for (let i = positive; i < size; i++) to[size - 1 - i] = from[i]!;
  to.set(from.subarray(0, positive), size - positive);
  return to;
}

/** Sorts within each run of scores that share their upper words. */
function sortRuns(scores: Float64Array): void {
  const words = new Uint32Array(scores.buffer);
  for (let i = 1; i < scores.length; i++) {
    if (scores[i]! >= scores[i - 1]!) continue;
    // Out of order, so within a run: find its ends.
    const word = words[2 * i + UPPER];
    let start = i - 1;
    let end = i + 1;
    while (start > 0 && words[2 * start - 2 + UPPER] === word) start--;
    while (end < scores.length && words[2 * end + UPPER] === word) end++;
    if (end - start > SHORT) scores.subarray(start, end).sort();
    else insertionSort(scores, start, end);
    i = end;
  }
}

function insertionSort(scores: Float64Array, start: number, end: number): void {
  for (let i = start + 1; i < end; i++) {
    const score = scores[i]!;
    let j = i;
    for (; j > start && scores[j - 1]! > score; j--) scores[j] = scores[j - 1]!;
    scores[j] = score;
  }
}
