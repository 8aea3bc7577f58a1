// capture(): a step written in TypeScript, recorded once for each form of its inputs, and replayed by the compute thread
// without JavaScript. The replay is the same sequence of operators, so its results are eager's to the bit.

import { expected, IsotorchError } from '../../errors.js';
import { native } from '../../native.js';
import { Tensor } from '../tensor.js';
import { inspectRecord } from './inspect.js';
import { makeRecord, type RecordSummary, type StepRecord, UNSETTLED } from './record.js';
import { dependsOn, isRecording, outside } from './recording.js';
import { type RepeatOptions, repeat } from './repeat.js';
import { type TensorTree, takeApart } from './tree.js';

export interface CaptureOptions {
  /** Shown by errors and `inspect()`. @default the function's own name */
  name?: string;
  /** How many forms of inputs to keep records for; the least recently used goes first. @default 8 */
  maxRecords?: number;
}

/** The arguments of one step: an array of them, or the one argument itself. */
export type StepArguments<Args extends readonly TensorTree[]> =
  | Args
  | (Args extends readonly [infer Only] ? Only : never);

export interface CapturedStep<Args extends readonly TensorTree[], Result extends TensorTree> {
  /**
   * Runs the step once, off this thread, after all steps that were called before. Resolves with detached results that are
   * the caller's: dispose of them, or leave them to the collector.
   */
  (...args: Args): Promise<Result>;

  /**
   * Runs the step for each of `steps`, many of them for each crossing to the compute thread, and resolves with their results
   * stacked: a scalar loss becomes a tensor of shape [steps].
   *
   * An item that is an array is the list of arguments, anything else the one argument. An iterator (not an iterable) that is
   * given stays open, so that the next `repeat` goes on where `count` ended this one.
   * @throws ERR_ABORTED when `signal` ended it, between two steps; `error.steps` is the number of steps done
   * @throws ERR_CAPTURE where results differ in shape from step to step; ERR_ARGUMENT where there was no step at all
   * @example const { loss } = await step.repeat(loader.picks({ epoch }));
   */
  repeat(
    steps: Iterable<StepArguments<Args>> | AsyncIterable<StepArguments<Args>>,
    options?: RepeatOptions,
  ): Promise<Result>;

  /** What is recorded, the most recently used first. */
  readonly records: readonly RecordSummary[];
  /** How often the function itself was run. */
  readonly recordings: number;
  /** The records in full: operators, lifetimes, bytes. */
  inspect(): string;
  /** Forgets all records, for when JavaScript state has changed that no record can know of. */
  reset(): void;
  dispose(): void;
  [Symbol.dispose](): void;
}

/** Calls in a row that all recorded anew before a warning tells of it. */
const SUSPICIOUS = 8;

const finalizers = new FinalizationRegistry<Map<number, StepRecord>>((records) => {
  for (const id of records.keys()) native.releaseRecord(id);
});

interface Found {
  record: StepRecord | undefined;
  inputs: Float64Array;
  key: string;
  signature: string;
  unsettled: boolean;
}

/** @internal One captured function: its records, and which of them serves a call. */
export class Engine {
  readonly records = new Map<number, StepRecord>();
  recordings = 0;
  #calls = 0;
  #streak = 0;
  #warned = false;

  constructor(
    readonly fn: (...args: never[]) => unknown,
    readonly name: string,
    readonly maxRecords: number,
  ) {}

  /**
   * The record for these arguments, with the inputs' handles; none if there is none that holds, and `unsettled` if whether one
   * holds shows only after the steps that are queued, the last of which is of the record `queued`.
   */
  find(args: readonly unknown[], queued = 0): Found {
    if (isRecording())
      throw new IsotorchError(
        'ERR_CAPTURE',
        `${this.name}: expected no captured step inside another while that is recorded; call the function itself there`,
      );
    const leaves: Tensor[] = [];
    let build = '';
    for (let i = 0; i < args.length; i++) {
      const argument = args[i];
      if (argument instanceof Tensor) {
        leaves.push(argument);
        build += '*';
      } else build += takeApart(argument, leaves, `argument ${i + 1} of ${this.name}`);
    }
    const inputs = new Float64Array(leaves.length);
    for (let i = 0; i < leaves.length; i++) inputs[i] = leaves[i]!.handle;
    const signature = native.signature(inputs, false);
    const key = build + signature;
    this.#calls++;
    let stale: string | undefined;
    for (const record of this.records.values()) {
      if (record.key !== key) continue;
      const why = record.staleness(queued);
      if (why === undefined) {
        record.lastUsed = this.#calls;
        this.#streak = 0;
        return { record, inputs, key, signature, unsettled: false };
      }
      if (why === UNSETTLED) return { record: undefined, inputs, key, signature, unsettled: true };
      stale = why;
    }
    this.#suspect(stale ?? 'the inputs’ shapes, dtypes or devices are new each time');
    return { record: undefined, inputs, key, signature, unsettled: false };
  }

  /** Runs the function on this thread and keeps its record, if it is one that a later call can use. */
  record(
    args: readonly unknown[],
    inputs: Float64Array,
    key: string,
    signature: string,
  ): { record: StepRecord; results: unknown } {
    this.recordings++;
    const made = makeRecord(this.fn, args, inputs, key, signature);
    made.record.lastUsed = this.#calls;
    if (made.record.staleness(0) !== undefined) {
      // It has changed what it depends on, as an optimizer's first step does: it was good for once.
      native.releaseRecord(made.record.id);
      return made;
    }
    // Records of this form whose tensors have gone will never hold again; those with other settings may.
    for (const record of this.records.values())
      if (record.key === key && native.recordFits(record.id, record.id) === 0) this.#drop(record.id);
    this.records.set(made.record.id, made.record);
    while (this.records.size > this.maxRecords) {
      const [oldest] = [...this.records.values()].sort((a, b) => a.lastUsed - b.lastUsed);
      this.#drop(oldest!.id);
    }
    return made;
  }

  async call(args: readonly unknown[]): Promise<unknown> {
    const { record, inputs, key, signature } = this.find(args);
    if (record === undefined) return this.record(args, inputs, key, signature).results;
    record.replays++;
    return record.results(await native.replay(record.id, inputs));
  }

  reset(): void {
    for (const id of [...this.records.keys()]) this.#drop(id);
  }

  #drop(id: number): void {
    this.records.delete(id);
    native.releaseRecord(id);
  }

  #suspect(reason: string): void {
    if (++this.#streak <= SUSPICIOUS || this.#warned) return;
    this.#warned = true;
    process.emitWarning(
      `${this.name} has been recorded ${SUSPICIOUS} times in a row, because ${reason}. It is right so, but no faster than eager code`,
      { code: 'ISOTORCH_CAPTURE' },
    );
  }
}

/**
 * Records a step, so that it runs natively. The first call for each form of its inputs (shapes, dtypes, devices) runs `fn`
 * here, as it stands, and writes down every operator, gradient and in-place update; later calls replay that on the compute
 * thread, bit for bit the same, and leave this thread free. Random operators draw fresh numbers each time.
 *
 * What JavaScript decides while recording is decided for good: numbers, branches, loops. Known to the record are training
 * modes and optimizers' settings, where a change records anew. Tensors from outside (parameters, buffers, data) are captured
 * by reference: changes of their values are seen.
 *
 * @param fn takes and gives tensors, also in arrays and plain objects; not async
 * @throws (rejects) ERR_CAPTURE when the step reads a value, keeps a tensor it made, awaits, or gives what is no tensor
 * @example
 * const step = capture((images: Tensor, labels: Tensor) => {
 *   const loss = criterion.forward(model.forward(images), labels);
 *   optimizer.zeroGrad();
 *   loss.backward();
 *   optimizer.step();
 *   return { loss };
 * });
 * for (const { images, labels } of train.batches(128)) await step(images, labels);
 */
export function capture<Args extends readonly TensorTree[], Result extends TensorTree>(
  fn: (...args: Args) => Result,
  options: CaptureOptions = {},
): CapturedStep<Args, Result> {
  if (typeof fn !== 'function') throw expected('a function', 'fn', fn);
  const { name = fn.name || 'the captured step', maxRecords = 8 } = options;
  if (!Number.isSafeInteger(maxRecords) || maxRecords < 1)
    throw expected('a positive integer', 'maxRecords', maxRecords);
  const engine = new Engine(fn as (...args: never[]) => unknown, name, maxRecords);
  const step = (...args: Args) => engine.call(args) as Promise<Result>;
  finalizers.register(step, engine.records);
  const summaries = (): RecordSummary[] =>
    [...engine.records.values()].sort((a, b) => b.lastUsed - a.lastUsed).map((record) => summaryOf(record));
  return Object.defineProperties(step, {
    name: { value: name },
    repeat: {
      value: (steps: Iterable<unknown>, repeatOptions?: RepeatOptions) => repeat(engine, steps, repeatOptions),
    },
    records: { get: summaries },
    recordings: { get: () => engine.recordings },
    inspect: { value: () => inspectCapture(engine) },
    reset: { value: () => engine.reset() },
    dispose: { value: () => engine.reset() },
    [Symbol.dispose]: { value: () => engine.reset() },
  }) as unknown as CapturedStep<Args, Result>;
}

/** @see outside */
capture.outside = outside;
/** @see dependsOn */
capture.dependsOn = dependsOn;
/** @see isRecording */
capture.isRecording = isRecording;

function summaryOf({ id, signature, replays }: StepRecord): RecordSummary {
  const { instructions, outside: captured, peakBytes, graph } = native.describeRecord(id);
  return { signature, instructions: instructions.length, outside: captured, peakBytes, replays, graph };
}

function inspectCapture({ name, records, recordings }: Engine): string {
  const list = [...records.values()].sort((a, b) => b.lastUsed - a.lastUsed);
  const count = list.length === 1 ? '1 record' : `${list.length} records`;
  return [`${name}: ${count}, recorded ${recordings} times`, ...list.map(inspectRecord)].join('\n\n');
}
