// Many steps for each crossing: arguments are collected on this thread while the steps before them run on the compute thread,
// which stacks the results and hands them over once.

import { types } from 'node:util';
import { expected, IsotorchError } from '../../errors.js';
import { native } from '../../native.js';
import { Tensor } from '../tensor.js';
import { torch } from '../torch.js';
import type { Engine } from './capture.js';
import type { StepRecord } from './record.js';
import { takeApart } from './tree.js';

export interface RepeatOptions {
  /** At most so many steps. @default as many as come */
  count?: number;
  /** Ends the work after the step in hand. */
  signal?: AbortSignal | undefined;
}

/** Steps of one crossing, and crossings under way: enough that the compute thread never waits for this one. */
const CHUNK = 32;
const AHEAD = 2;
/** Bytes of inputs that are held for steps to come. */
const MOST_BYTES = 32e6;
/** Milliseconds for which this thread collects without a turn of the event loop. */
const TURN = 4;

/** What `addStep` gives for a run that eager code has sent off, for it would have met it. */
const SENT = -1;

interface Crossing {
  run: number;
  landed: Promise<Float64Array>;
}

/** Who has collected steps that are not sent. Where several repeat at a time, their steps too run in the order of their calls. */
let collecting: Repetition | undefined;

class Repetition {
  /** Steps whose results have come. */
  done = 0;
  #run: number | undefined;
  #inRun = 0;
  /** The record of the last step that has not landed; 0 for none. */
  #queued = 0;
  #bytes = 0;
  #turned = performance.now();
  readonly #flying: Crossing[] = [];
  /** Stacked results of each crossing, leaf by leaf. */
  readonly #parts: Tensor[][] = [];
  #first: StepRecord | undefined;

  constructor(
    readonly engine: Engine,
    readonly signal: AbortSignal | undefined,
  ) {}

  /** Adds a step; may wait for crossings that are under way. */
  async add(args: readonly unknown[]): Promise<void> {
    let found = this.engine.find(args, this.#queued);
    if (found.unsettled) {
      await this.drain();
      found = this.engine.find(args);
    }
    const { record, inputs, key, signature } = found;
    if (record === undefined) {
      await this.drain();
      if (this.signal?.aborted) return;
      const made = this.engine.record(args, inputs, key, signature);
      this.#sameBuild(made.record);
      const tensors = leavesOf(made.results);
      this.#parts.push(tensors.map((tensor) => tensor.unsqueeze(0)));
      for (const tensor of tensors) tensor.dispose();
      this.done++;
      return;
    }
    this.#sameBuild(record);
    record.replays++;
    if (collecting && collecting !== this) collecting.#send();
    collecting = this;
    let bytes = this.#run === undefined ? SENT : native.addStep(this.#run, record.id, inputs);
    if (bytes === SENT) {
      this.#send();
      this.#run = native.beginRun();
      bytes = native.addStep(this.#run, record.id, inputs);
    }
    this.#bytes += bytes;
    this.#queued = record.id;
    this.#inRun++;
    const slow = performance.now() - this.#turned > TURN;
    const full = this.#inRun >= CHUNK || this.#bytes > MOST_BYTES || slow;
    if (full) this.#send();
    if (full || this.#flying.length > AHEAD) {
      // Also where there is room: timers and input get their turn.
      if (this.#flying.length > AHEAD || slow) await (this.#flying.length > AHEAD ? this.#land() : turn());
      this.#turned = performance.now();
    }
  }

  #send(): void {
    if (this.#run === undefined) return;
    const landed = native.sendRun(this.#run);
    landed.catch(() => {}); // awaited later
    this.#flying.push({ run: this.#run, landed });
    this.#run = undefined;
    this.#inRun = this.#bytes = 0;
    if (collecting === this) collecting = undefined;
  }

  async #land(): Promise<void> {
    const { run, landed } = this.#flying.shift()!;
    try {
      const [done, ...handles] = await landed;
      this.done += done!;
      this.#parts.push(handles.map((handle) => new Tensor(handle)));
    } finally {
      if (!this.signal?.aborted) native.endRun(run, false);
    }
  }

  /** Returns when all steps so far are done, or cancelled. */
  async drain(): Promise<void> {
    this.#send();
    while (this.#flying.length > 0) await this.#land();
    this.#queued = 0;
  }

  /** Steps that have not begun are left out. */
  cancel(): void {
    for (const { run } of this.#flying) native.endRun(run, true);
  }

  /** After an error: nothing of this repetition runs or is held any more. */
  async abandon(): Promise<void> {
    if (!this.signal?.aborted) this.cancel();
    if (this.#run !== undefined) {
      const landed = native.endRun(this.#run, true);
      if (landed) this.#flying.push({ run: this.#run, landed });
      if (collecting === this) collecting = undefined;
    }
    for (const handles of await Promise.allSettled(this.#flying.map(({ landed }) => landed))) {
      if (handles.status !== 'fulfilled') continue;
      this.done += handles.value[0]!;
      for (const handle of handles.value.subarray(1)) native.release(handle);
    }
    for (const tensor of this.#parts.flat()) tensor.dispose();
  }

  results(): unknown {
    if (this.#first === undefined)
      throw new IsotorchError('ERR_ARGUMENT', `${this.engine.name}: repeat expected at least one step but none came`);
    const parts = this.#parts.filter((_, i) => i === 0 || this.#parts[i]!.length > 0);
    const handles = (parts[0] ?? []).map((first, leaf) => {
      const pieces = parts.map((part) => part[leaf]!);
      if (pieces.length === 1) return first.handle;
      const whole = torch.cat(pieces).keep();
      for (const piece of pieces) piece.dispose();
      return whole.handle;
    });
    return this.#first.results([0, ...handles]);
  }

  #sameBuild(record: StepRecord): void {
    this.#first ??= record;
    if (record.build === this.#first.build) return;
    throw new IsotorchError(
      'ERR_CAPTURE',
      `${this.engine.name}: repeat expected results of the same build in each step, ${this.#first.build}, but received ${record.build}`,
    );
  }
}

/** @internal See CapturedStep.repeat. */
export async function repeat(
  engine: Engine,
  steps: Iterable<unknown> | AsyncIterable<unknown>,
  { count = Number.POSITIVE_INFINITY, signal }: RepeatOptions = {},
): Promise<unknown> {
  if (count !== Number.POSITIVE_INFINITY && (!Number.isSafeInteger(count) || count < 1))
    throw expected('a positive integer', 'count', count);
  const iterator = iteratorOf(steps);
  const work = new Repetition(engine, signal);
  const cancel = () => work.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    for (let taken = 0; taken < count && !signal?.aborted; taken++) {
      const next = iterator.next();
      const { done, value } = types.isPromise(next) ? await next : next;
      if (done) break;
      await work.add(Array.isArray(value) ? value : [value]);
    }
    await work.drain();
    if (signal?.aborted)
      throw new IsotorchError('ERR_ABORTED', `${engine.name} was cancelled after ${work.done} steps`, {
        cause: signal.reason,
        steps: work.done,
      });
    return work.results();
  } catch (error) {
    await work.abandon();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
    // An iterator that was given is its owner's; one that was made here is closed.
    if ((iterator as unknown) !== steps) await iterator.return?.();
  }
}

function iteratorOf(steps: unknown): Iterator<unknown> | AsyncIterator<unknown> {
  const from = steps as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  const iterator = from?.[Symbol.asyncIterator]?.() ?? from?.[Symbol.iterator]?.();
  if (typeof iterator?.next !== 'function') throw expected('an iterable of arguments', 'steps', steps);
  return iterator;
}

function leavesOf(results: unknown): Tensor[] {
  const leaves: Tensor[] = [];
  takeApart(results, leaves, 'the result');
  return leaves;
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
