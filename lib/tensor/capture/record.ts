// One record of a captured step: the native list of instructions, how to put its results together, and what must hold for it
// to be used.

import { types } from 'node:util';
import { IsotorchError } from '../../errors.js';
import { type Handle, native } from '../../native.js';
import { depth, tidy } from '../scope.js';
import { Tensor } from '../tensor.js';
import { type Dependency, hold, whileRecording } from './recording.js';
import { mould, putTogether, takeApart } from './tree.js';

/** What one can know of a record. */
export interface RecordSummary {
  /** dtypes, shapes and devices of the inputs. */
  readonly signature: string;
  readonly instructions: number;
  /** Tensors captured by reference: parameters, buffers, optimizer state, data. */
  readonly outside: number;
  /** The most bytes that the step held at once, while it was recorded. */
  readonly peakBytes: number;
  readonly replays: number;
  /** On an accelerator: `'one graph'`, `'warming up'`, or why it is replayed operator by operator. Empty elsewhere. */
  readonly graph: string;
}

export interface StepRecord {
  readonly id: number;
  readonly key: string;
  readonly signature: string;
  /** How the results are built, as text. */
  readonly build: string;
  replays: number;
  /** A count of the capture's calls. */
  lastUsed: number;
  /**
   * Why it can't be used; undefined if it can. `UNSETTLED` if that shows only after the steps that are queued, the last of
   * which is of the record with that id (0: none is).
   */
  staleness(queued: number): string | undefined;
  results(handles: ArrayLike<Handle>): unknown;
}

/** See `StepRecord.staleness`. */
export const UNSETTLED = 'unsettled';

export interface Recorded {
  record: StepRecord;
  /** Of this first run. */
  results: unknown;
}

/** Runs `fn` eagerly and records it. Its results are detached, as a replay's are. */
export function makeRecord(
  fn: (...args: never[]) => unknown,
  args: readonly unknown[],
  inputs: Float64Array,
  key: string,
  signature: string,
): Recorded {
  let known: ReadonlyMap<Dependency, unknown>;
  let build: string;
  let cast: unknown;
  let ended: Float64Array;
  try {
    const tensors: Tensor[] = [];
    const run = whileRecording(inputs, () =>
      tidy(() => {
        const result = fn(...(args as never[]));
        refuseAsync(result);
        const text = takeApart(result, tensors, 'the result');
        cast = mould(result);
        return { tensors, text };
      }),
    );
    known = run.known;
    build = run.result.text;
    ended = native.endRecording(Float64Array.from(tensors, ({ handle }) => handle));
  } catch (error) {
    native.abortRecording();
    throw error;
  }
  const id = ended[0]!;
  const record: StepRecord = {
    id,
    key,
    signature,
    build,
    replays: 0,
    lastUsed: 0,
    staleness: (queued) => {
      if (!hold(known)) return 'a setting that it depends on has changed (training mode, an optimizer’s momentum …)';
      const fits = native.recordFits(id, queued);
      if (fits === 1) return undefined;
      return fits < 0
        ? UNSETTLED
        : 'a tensor that it uses was disposed, moved, frozen, reshaped, or has another gradient';
    },
    results(handles) {
      let next = 1; // after the number of steps, or of the record
      return putTogether(cast, () => {
        const tensor = new Tensor(handles[next++]!);
        if (depth > 0) tensor.finalizeWithCollector(); // it belongs to no scope
        return tensor;
      });
    },
  };
  return { record, results: record.results(ended) };
}

function refuseAsync(result: unknown): void {
  if (!types.isPromise(result)) return;
  result.catch(() => {}); // reported here, once
  throw new IsotorchError(
    'ERR_CAPTURE',
    'Expected a step that returns its results but received an async function: a replay could not wait where it awaits. ' +
      'Await outside of the step',
  );
}
