// Everything asynchronous against everything that writes, in a random order from a seed: arrays, files, hashes, feeds, captured
// steps and scripts are begun, and while they are under way the tensors that they read are written to, resized, given other
// memory, disposed of. Beside LibTorch's memory a plain copy in JavaScript is kept, of whole numbers, so that nothing is
// rounded; what comes out must be what that copy held at the call.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  capture,
  checkpoint,
  data,
  Feed,
  nn,
  ood,
  optim,
  type ScriptModule,
  type Tensor,
  torch,
} from '../../lib/rooms.js';
import type { CapturedStep } from '../../lib/tensor/index.js';

const ROWS = 32;

/** What a storage should hold. */
interface Memory {
  values: Float32Array;
}

/** A tensor and the elements of a memory that it shows, row by row. */
interface Subject {
  readonly name: string;
  tensor: Tensor;
  memory: Memory;
  /** Undefined: all, in order. */
  index: Int32Array | undefined;
}

const shown = ({ memory, index }: Subject): Float32Array =>
  index === undefined ? memory.values.slice() : Float32Array.from(index, (at) => memory.values[at]!);

function write({ memory, index }: Subject, value: (old: number, i: number) => number): void {
  const { values } = memory;
  if (index === undefined) for (let i = 0; i < values.length; i++) values[i] = value(values[i]!, i);
  else for (let i = 0; i < index.length; i++) values[index[i]!] = value(values[index[i]!]!, i);
}

function expectSame(what: string, got: ArrayLike<number | bigint>, wanted: ArrayLike<number>): void {
  if (got.length !== wanted.length) throw new Error(`${what}: ${got.length} values instead of ${wanted.length}`);
  for (let i = 0; i < wanted.length; i++)
    if (Number(got[i]) !== wanted[i]) throw new Error(`${what}: value ${i} is ${got[i]} instead of ${wanted[i]}`);
}

/** One run: a few tensors, and a dozen of actions on them. */
class Interleaving {
  readonly random: data.SeededRandom;
  readonly columns: number;
  readonly subjects: Subject[] = [];
  readonly promises: Promise<unknown>[] = [];
  readonly told: string[] = [];
  readonly layer: nn.Linear;
  readonly optimizer: optim.SGD;
  readonly weight: Subject;
  readonly total: Subject;
  readonly input: Subject;
  readonly images: { tensor: Tensor; values: Uint8Array };
  readonly step: CapturedStep<[Tensor], Tensor>;
  readonly bump: CapturedStep<[Tensor], Tensor>;
  readonly scripted: CapturedStep<[Tensor], Tensor> | undefined;
  gradient: number | undefined; // all elements of the weight's
  files = 0;

  constructor(
    readonly seed: number,
    readonly folder: string,
    readonly script: ScriptModule | undefined,
  ) {
    this.random = new data.SeededRandom('interleaving', seed);
    this.columns = this.pick([8, 256, 2048]); // 1, 32 and 256 KiB: copied, and written straight from memory
    const fresh = (name: string, tensor: Tensor): Subject => {
      const values = new Float32Array(ROWS * this.columns);
      const subject = { name, tensor, memory: { values }, index: undefined };
      this.subjects.push(subject);
      return subject;
    };
    this.layer = new nn.Linear(this.columns, ROWS, { bias: false });
    torch.noGrad(() => this.layer.weight.zero_());
    this.optimizer = new optim.SGD([this.layer.weight], { lr: 1 });
    this.weight = fresh('weight', this.layer.weight);
    this.total = fresh('total', torch.zeros([ROWS, this.columns]));
    this.input = fresh('input', torch.zeros([ROWS, this.columns]));
    const x = fresh('x', torch.zeros([ROWS, this.columns]));
    fresh('y', torch.zeros([ROWS, this.columns]));
    this.addViews(x);
    this.addViews(this.weight);
    this.images = { tensor: torch.zeros([64, 1, 16, 16], { dtype: 'uint8' }), values: new Uint8Array(64 * 256) };
    const { total, weight } = this;
    this.step = capture((input: Tensor) =>
      torch.noGrad(() => {
        total.tensor.neg_().add_(input).add_(weight.tensor);
        return total.tensor.clone();
      }),
    );
    this.bump = capture((input: Tensor) => input.add_(1).clone());
    if (script) {
      const state = script.namedBuffers().get('total')!;
      state.set_(torch.zeros([ROWS, this.columns]));
      const held = fresh('script', state);
      this.scripted = capture((input: Tensor) => torch.noGrad(() => script.forward(input) as Tensor));
      this.scriptState = held;
    }
  }

  readonly scriptState: Subject | undefined;

  pick<T>(of: readonly T[]): T {
    return of[this.random.below(of.length)]!;
  }

  addViews(of: Subject): void {
    const { columns } = this;
    const whole = Int32Array.from({ length: ROWS * columns }, (_, i) => i);
    const base = of.tensor.detach();
    const view = (name: string, tensor: Tensor, index: Int32Array) =>
      this.subjects.push({ name: `${of.name}.${name}`, tensor, memory: of.memory, index });
    view(
      't',
      base.t(),
      whole.map((i) => (i % ROWS) * columns + Math.floor(i / ROWS)),
    );
    view('rows', base.narrow(0, ROWS / 2, ROWS / 2), whole.slice((ROWS / 2) * columns));
    const half = columns / 2;
    view(
      'columns',
      base.narrow(1, half, half),
      whole.slice(0, ROWS * half).map((i) => Math.floor(i / half) * columns + half + (i % half)),
    );
  }

  alive(): Subject[] {
    return this.subjects.filter(({ tensor }) => !tensor.isDisposed);
  }

  any(): Subject {
    return this.pick(this.alive());
  }

  /** A new path, and what reads it back. */
  path(ending: string): string {
    return join(this.folder, `${this.seed}-${this.files++}.${ending}`);
  }

  async: Record<string, () => Promise<void>> = {
    toArray: async () => {
      const subject = this.any();
      const [read, wanted] = [subject.tensor.detach().toArray(), shown(subject)];
      expectSame(`toArray of ${subject.name}`, (await read) as Float32Array, wanted);
    },
    saveTorch: async () => {
      const path = this.path('pt');
      const chosen = [this.any(), this.any()];
      const saved = checkpoint.saveTorch(path, {
        a: chosen[0]!.tensor,
        deep: [chosen[1]!.tensor, this.images.tensor],
      });
      const wanted = chosen.map(shown);
      const images = this.images.values.slice();
      await saved;
      const loaded = await checkpoint.loadTorch<Map<string, Tensor & Tensor[]>>(path);
      const [second, pixels] = loaded.get('deep') as Tensor[];
      const first = loaded.get('a') as Tensor; // the second too where that was chosen twice
      expectSame(`saveTorch of ${chosen[0]!.name}`, (await first.toArray()) as Float32Array, wanted[0]!);
      expectSame(`saveTorch of ${chosen[1]!.name}`, await readAndFree(second!), wanted[1]!);
      expectSame('saveTorch of images', await readAndFree(pixels!), images);
      first.dispose();
      rmSync(path);
    },
    saveSafetensors: async () => {
      const path = this.path('safetensors');
      const chosen = [this.any(), this.any()];
      const saved = checkpoint.saveSafetensors(
        path,
        { a: chosen[0]!.tensor, b: chosen[1]!.tensor },
        { shared: 'copy' },
      );
      const wanted = chosen.map(shown);
      await saved;
      const loaded = await checkpoint.loadSafetensors(path);
      for (const [i, key] of ['a', 'b'].entries())
        expectSame(`saveSafetensors of ${chosen[i]!.name}`, await readAndFree(loaded.get(key)!), wanted[i]!);
      rmSync(path);
    },
    saveNumpy: async () => {
      const single = this.random.below(2) === 0;
      const path = this.path(single ? 'npy' : 'npz');
      const subject = this.any();
      const saved = single
        ? checkpoint.saveNpy(path, subject.tensor)
        : checkpoint.saveNpz(path, { a: this.images.tensor, b: subject.tensor });
      const wanted = shown(subject);
      await saved;
      const loaded = single ? await checkpoint.loadNpy(path) : (await checkpoint.loadNpz(path)).get('b')!;
      expectSame(`saveNumpy of ${subject.name}`, await readAndFree(loaded), wanted);
      rmSync(path);
    },
    hash: async () => {
      const chosen = [this.any(), this.any()];
      const hashed = ood.hashTensors({ a: chosen[0]!.tensor, b: chosen[1]!.tensor });
      const shapes = chosen.map(({ tensor }) => tensor.shape);
      const wanted = chosen.map(shown);
      const got = await hashed;
      const [a, b] = wanted.map((values, i) => torch.fromBuffer(values, { dtype: 'float32', shape: shapes[i]! }));
      const right = await ood.hashTensors({ a: a!, b: b! });
      for (const tensor of [a!, b!]) tensor.dispose();
      if (got !== right) throw new Error(`hash of ${chosen.map(({ name }) => name)}`);
    },
    hashContent: async () => {
      const set = new data.ImageDataset({ images: this.images.tensor, labels: null, classes: ['one'], name: 'set' });
      const hashed = set.hashContent();
      const images = torch.fromBuffer(this.images.values.slice(), { dtype: 'uint8', shape: [64, 1, 16, 16] });
      const right = new data.ImageDataset({ images, labels: null, classes: ['one'], name: 'set' }).contentHash;
      if ((await hashed) !== right) throw new Error('hashContent');
      images.dispose();
    },
    feed: async () => {
      const subject = this.pick(this.alive().filter(({ tensor }) => tensor.isContiguous()));
      const values = shown(subject);
      const [rows, width] = subject.tensor.shape as [number, number];
      const order = Int32Array.from({ length: 3 * rows }, () => this.random.below(rows));
      const plan = torch.fromBuffer(order, { dtype: 'int32', shape: [1, order.length] }).to('int64');
      const feed = new Feed([subject.tensor.detach()], plan, {
        batch: 8,
        from: 0,
        count: Math.ceil(order.length / 8),
        ahead: 1 + this.random.below(2),
        device: 'cpu',
      });
      if (this.random.below(2) === 0) plan.zero_(); // the order is that of the call, too
      const pause = this.random.below(3);
      for (let at = 0; ; at += 8) {
        const batch = await feed.next();
        if (!batch) break;
        const wanted = new Float32Array(batch[0]!.numel());
        for (let k = 0; k < batch[0]!.shape[0]!; k++)
          wanted.set(values.subarray(order[at + k]! * width, (order[at + k]! + 1) * width), k * width);
        expectSame(`feed of ${subject.name}`, batch[0]!.toArraySync() as Float32Array, wanted);
        for (const tensor of batch) tensor.dispose();
        if (pause === 0) await sleep(1);
      }
      feed.end();
      plan.dispose();
    },
    stream: async () => {
      const set = new data.ImageDataset({ images: this.images.tensor, labels: null, classes: ['one'], name: 'set' });
      const wanted = this.images.values.slice();
      const batches = set.batches(20).stream();
      let next = batches.next();
      for (let at = 0; ; at += 20 * 256) {
        const { value, done } = await next;
        if (done || !value) break;
        const got = value.images.toArraySync() as Uint8Array;
        expectSame('stream', got, wanted.subarray(at, at + got.length));
        next = batches.next();
      }
    },
    step: async () => {
      const called = this.step(this.input.tensor);
      this.stepped(this.input);
      const wanted = shown(this.total);
      expectSame('step', await readAndFree(await called), wanted);
    },
    bump: async () => {
      const called = this.bump(this.input.tensor);
      write(this.input, (old) => old + 1);
      const wanted = shown(this.input);
      expectSame('bump', await readAndFree(await called), wanted);
    },
    repeat: async () => {
      const { input, random, total } = this;
      const refill = random.below(2) === 0;
      const own: Subject = { ...input, tensor: input.tensor.clone(), memory: { values: shown(input) } };
      const wanted: Float32Array[] = [];
      const steps = function* (this: Interleaving) {
        for (let i = 0; i < 3; i++) {
          if (refill) {
            own.tensor.fill_(i);
            write(own, () => i);
          }
          this.stepped(own);
          wanted.push(shown(total));
          yield own.tensor;
        }
      }.call(this);
      const stacked = await this.step.repeat(steps);
      const got = await readAndFree(stacked);
      for (const [i, one] of wanted.entries())
        expectSame(`repeat, step ${i}`, got.subarray(i * one.length, (i + 1) * one.length), one);
      own.tensor.dispose();
    },
    script: async () => {
      if (!this.scripted || !this.scriptState) return;
      const state = this.scriptState;
      const called =
        this.random.below(2) === 0
          ? this.scripted(this.input.tensor)
          : torch.noGrad(() => this.script!.forward(this.input.tensor) as Tensor);
      const added = shown(this.input);
      write(state, (old, i) => old + added[i]!);
      const wanted = shown(state);
      expectSame('script', await readAndFree(await called), wanted);
    },
  };

  stepped(input: Subject): void {
    const [added, weight] = [shown(input), shown(this.weight)];
    write(this.total, (old, i) => -old + added[i]! + weight[i]!);
  }

  sync: Record<string, () => void> = {
    fill: () => {
      const subject = this.any();
      const value = this.random.below(100);
      torch.noGrad(() => subject.tensor.fill_(value));
      write(subject, () => value);
    },
    add: () => {
      const subject = this.any();
      torch.noGrad(() => subject.tensor.add_(1));
      write(subject, (old) => old + 1);
    },
    foreach: () => {
      const chosen = [this.any(), this.any()].filter((one, i, all) => i === 0 || one.memory !== all[0]!.memory);
      torch.noGrad(() =>
        torch._foreachAdd_(
          chosen.map(({ tensor }) => tensor),
          2,
        ),
      );
      for (const subject of chosen) write(subject, (old) => old + 2);
    },
    out: () => {
      const [from, to] = [this.any(), this.any()];
      if (from.memory === to.memory || from.tensor.numel() !== to.tensor.numel()) return;
      if (`${from.tensor.shape}` !== `${to.tensor.shape}` || to.tensor.requiresGrad) return;
      torch.noGrad(() => torch.neg(from.tensor, { out: to.tensor }));
      const values = shown(from);
      write(to, (_, i) => -values[i]!);
    },
    copy: () => {
      const [from, to] = [this.any(), this.any()];
      if (from.memory === to.memory || `${from.tensor.shape}` !== `${to.tensor.shape}`) return;
      torch.noGrad(() => to.tensor.copy_(from.tensor));
      const values = shown(from);
      write(to, (_, i) => values[i]!);
    },
    images: () => {
      const value = this.random.below(200);
      this.images.tensor.narrow(0, 16, 32).fill_(value);
      this.images.values.fill(value, 16 * 256, 48 * 256);
    },
    backward: () => {
      const factor = 1 + this.random.below(3);
      this.layer.weight.mul(factor).sum().backward();
      this.gradient = (this.gradient ?? 0) + factor;
      const { grad } = this.layer.weight;
      const wanted = new Float32Array(ROWS * this.columns).fill(this.gradient);
      this.promises.push(grad!.toArray().then((got) => expectSame('gradient', got as Float32Array, wanted)));
    },
    optimizer: () => {
      if (this.gradient === undefined) return;
      const { gradient } = this;
      this.optimizer.step();
      write(this.weight, (old) => old - gradient);
      if (this.random.below(2) === 0) return;
      this.optimizer.zeroGrad();
      this.gradient = undefined;
    },
    loadStateDict: () => {
      const value = this.random.below(50);
      const weight = torch.full([ROWS, this.columns], value);
      this.layer.loadStateDict({ weight });
      weight.dispose();
      write(this.weight, () => value);
    },
    resize: () => {
      const subject = this.pick(this.alive().filter((one) => this.isFree(one)));
      const rows = subject.tensor.shape[0] === ROWS ? ROWS + 8 : ROWS;
      subject.tensor.resize_([rows, this.columns]);
      subject.tensor.fill_(7);
      // What shrinks keeps its memory, and nobody else looks at the rest.
      subject.memory = { values: new Float32Array(rows * this.columns).fill(7) };
    },
    set: () => {
      const [one, other] = [this.any(), this.any()];
      if (!this.isFree(one) || one === other || other.tensor.requiresGrad) return;
      if (this.random.below(2) === 0) {
        one.tensor.set_(torch.full([ROWS, this.columns], 3, { dtype: 'float32' }));
        Object.assign(one, { memory: { values: new Float32Array(ROWS * this.columns).fill(3) }, index: undefined });
      } else {
        one.tensor.set_(other.tensor);
        Object.assign(one, { memory: other.memory, index: other.index });
      }
    },
    transpose: () => {
      const subject = this.any();
      subject.tensor.detach().t_(); // of an alias: no more than its form
    },
    dispose: () => {
      const subject = this.any();
      if (this.isFree(subject) || subject.name.includes('.')) subject.tensor.dispose();
    },
    to: () => {
      const subject = this.any();
      const other = subject.tensor.detach().to('float64');
      expectSame(`to of ${subject.name}`, other.toArraySync() as Float64Array, shown(subject));
      other.dispose();
    },
    read: () => {
      const subject = this.any();
      expectSame(`reading ${subject.name}`, subject.tensor.detach().toArraySync() as Float32Array, shown(subject));
    },
  };

  /** Whether no view and no step knows of it. */
  isFree({ name, memory, tensor }: Subject): boolean {
    return name === 'y' && this.alive().every((other) => other.tensor === tensor || other.memory !== memory);
  }

  /** Each step's first call, which records it. */
  async begin(): Promise<void> {
    for (const step of [this.step, this.bump, this.scripted]) if (step) (await step(this.input.tensor)).dispose();
    write(this.input, () => 1); // what bump has left; the rest were zeros
    if (this.scriptState) write(this.scriptState, () => 1);
  }

  async run(): Promise<void> {
    await this.begin();
    for (let i = 0; i < 14; i++) {
      const begin = this.random.below(2) === 0;
      const name = this.pick(Object.keys(begin ? this.async : this.sync));
      if (name === 'resize' && !this.alive().some((one) => this.isFree(one))) continue;
      this.told.push(name);
      if (begin) this.promises.push(this.async[name]!());
      else this.sync[name]!();
      const pause = this.random.below(8);
      if (pause === 0) await sleep(this.random.below(4));
      if (pause === 1) await Promise.resolve();
    }
    const ends = await Promise.allSettled(this.promises);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
    for (const subject of this.alive())
      expectSame(`${subject.name} at the end`, subject.tensor.detach().toArraySync() as Float32Array, shown(subject));
  }

  end(): void {
    for (const { tensor, name } of this.subjects) if (name !== 'script') tensor.dispose();
    this.images.tensor.dispose();
    for (const step of [this.step, this.bump, this.scripted]) step?.dispose();
  }
}

async function readAndFree(tensor: Tensor): Promise<Float32Array> {
  const values = (await tensor.toArray()) as Float32Array;
  tensor.dispose();
  return values;
}

/** @throws with the seed and the actions where a value is another than it was at the call */
export async function interleave(seed: number, folder: string, script?: ScriptModule): Promise<void> {
  const one = new Interleaving(seed, folder, script);
  try {
    await one.run();
  } catch (cause) {
    throw new Error(`interleaving ${seed} (${one.told.join(', ')}): ${(cause as Error).message}`, { cause });
  } finally {
    one.end();
  }
}
