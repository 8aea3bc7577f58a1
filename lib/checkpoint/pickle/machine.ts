// The pickle machine: a stack, marks on it, a memo, and what the opcodes of reader.ts do with them. It builds plain values and
// descriptions of tensors; its only "calls" are the small functions of globals.ts. Everything that is built is charged to a
// budget, since a small pickle can ask for gigabytes.

import { types } from 'node:util';
import { stepsPerTurn } from '../turns.js';
import { Cursor } from './cursor.js';
import { ForeignObject } from './foreign.js';
import { findGlobal, PickleGlobal } from './globals.js';
import { NumpyDType, setNumpyDType } from './numpy.js';
import { Namespace, setAttributes } from './plainRules.js';
import { refusal } from './refusal.js';
import { setTensor } from './tensorRules.js';
import { decodeLong, decodeText } from './text.js';
import { isList, isTensorRef, isTuple, OrderedDict, RuleError, TensorRef, TorchDevice, TorchDType } from './values.js';

/** What objects cost in V8, in bytes, roughly. A slot is a place in an array that grows. */
const cost = {
  map: 220,
  /** A list or tuple, and what an empty list reserves when its first item comes. */
  array: 48,
  room: 140,
  item: 8,
  /** In a dict; in a set somewhat less. */
  entry: 56,
  text: 24,
  number: 16,
  tensor: 110,
  storage: 100,
  foreign: 140,
  slot: 12,
  /** Time, counted as memory: an element that a rule looks at; bytes and characters cost 1. */
  work: 24,
} as const;

/** A rule looks at so many for nothing: the size of a tensor, not what is made to take time. */
const freeItems = 16;

/** Python's integers have no end, but arithmetic on them takes time; no checkpoint needs more. */
const maxLongBytes = 1 << 16;

export class Machine {
  readonly cursor: Cursor;
  private readonly stack: unknown[] = [];
  /** Heights of the stack at open marks. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  private remembered = 0;
  private highest = 0;
  private deepest = 0;
  /** The tuple that was made last, while nothing but the stack has it. */
  private fresh: unknown;
  private freshCost = 0;
  /** The empty OrderedDict that was made last, while nothing but the stack has it; and one that was done with. */
  private newest: OrderedDict | undefined;
  private spare: OrderedDict | undefined;

  constructor(
    bytes: Uint8Array,
    where: string,
    /** Bytes of memory that the objects may take. */
    private budget: number,
    /** What a persistent id stands for. @throws RuleError */
    private readonly resolve: (id: unknown) => { storage: unknown; fresh: boolean },
    /** What is not known becomes a ForeignObject instead of an error. */
    private readonly keepForeign: boolean,
    /** Which memo numbers will be asked for; others need not be kept. */
    private readonly recalled: (id: number) => boolean,
  ) {
    this.cursor = new Cursor(bytes, where);
  }

  /** The one object that is left at the end. */
  result(): unknown {
    if (this.marks.length > 0 || this.stack.length !== 1)
      throw this.error(`it should end with one object but has ${this.stack.length}`);
    if (this.cursor.left > 0) throw this.error(`${this.cursor.left} bytes follow its end`);
    return this.stack[0];
  }

  error(problem: string) {
    return this.cursor.error(problem);
  }

  // Stack and memo

  private charge(bytes: number): void {
    this.budget -= bytes;
    if (this.budget < 0)
      throw this.error('its objects need too much memory for a pickle of this size; it may be made to exhaust memory');
  }

  push(value: unknown): void {
    this.stack.push(value);
    if (this.stack.length > this.highest) {
      this.highest = this.stack.length;
      this.charge(cost.slot);
    }
  }

  pop(): unknown {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  /** The last `count` objects, in the order in which they came. */
  popMany(count: number): unknown[] {
    const items = new Array<unknown>(count);
    for (let i = count - 1; i >= 0; i--) items[i] = this.pop();
    return items;
  }

  popMark(): unknown[] {
    const height = this.marks.pop();
    if (height === undefined) throw this.error('there is no mark on the stack');
    return this.stack.splice(height);
  }

  private top(): unknown {
    const floor = this.marks[this.marks.length - 1] ?? 0;
    if (this.stack.length <= floor) throw this.error('the stack is empty where an object is needed');
    return this.stack[this.stack.length - 1];
  }

  mark(): void {
    this.marks.push(this.stack.length);
    if (this.marks.length <= this.deepest) return;
    this.deepest = this.marks.length;
    this.charge(cost.slot);
  }

  remember(id = this.remembered): void {
    // Python numbers its memo without gaps, and each entry costs at least two bytes of pickle.
    if (id > this.cursor.size) throw this.error(`memo number ${id} is too high`);
    const value = this.top();
    this.remembered += 1;
    if (!this.recalled(id)) return;
    if (!this.memo.has(id)) this.charge(cost.entry);
    this.memo.set(id, value);
    if (value === this.fresh) this.fresh = undefined;
    if (value === this.newest) this.newest = undefined;
  }

  recall(id: number): void {
    const value = this.memo.get(id);
    if (value === undefined) throw this.error(`memo number ${id} was never set`);
    this.push(value);
  }

  // Values

  float(value: number): void {
    this.charge(cost.number);
    this.push(value);
  }

  long(length: number): void {
    if (length < 0 || length > maxLongBytes)
      throw this.error(`an integer of ${length} bytes can’t be read; at most ${maxLongBytes}`);
    this.charge(cost.number + length);
    this.push(decodeLong(this.cursor.take(length)));
  }

  text(length: number): void {
    this.charge(cost.text + Math.min(length, this.cursor.left));
    const text = this.cursor.text(length);
    // Beyond ASCII a character may take two bytes.
    if (text.length !== length) this.charge(length);
    this.push(text);
  }

  /** A string of Python 2, which may be text or bytes: text where it is UTF-8, as torch.load takes it by default. */
  string(length: number): void {
    this.charge(cost.text + 2 * Math.min(length, this.cursor.left));
    const bytes = this.cursor.take(length);
    this.push(decodeText(bytes) ?? new Uint8Array(bytes));
  }

  binary(length: number): void {
    this.charge(cost.map + Math.min(length, this.cursor.left));
    this.push(new Uint8Array(this.cursor.take(length)));
  }

  // Containers

  list(): void {
    this.charge(cost.array);
    this.push([]);
  }

  dict(): void {
    this.charge(cost.map);
    this.push(new Map());
  }

  set(items: unknown[]): void {
    this.charge(cost.map + items.length * cost.entry);
    this.push(new Set(items));
  }

  tuple(items: unknown[]): void {
    this.freshCost = cost.array + items.length * cost.item;
    this.charge(this.freshCost);
    this.fresh = Object.freeze(items);
    this.push(items);
  }

  append(items: unknown[]): void {
    const top = this.top();
    if (top instanceof ForeignObject) top.items ??= [];
    const list = top instanceof ForeignObject ? top.items : top;
    if (!isList(list)) throw this.error('only a list can be appended to');
    this.charge(items.length * cost.item + (list.length === 0 ? cost.room : 0));
    for (const item of items) list.push(item);
  }

  addItems(items: unknown[]): void {
    const set = this.top();
    if (set instanceof ForeignObject) {
      this.append(items);
      return;
    }
    if (!types.isSet(set)) throw this.error('only a set can be added to');
    this.charge(items.length * cost.entry);
    for (const item of items) set.add(item);
  }

  /** Yields where there are more than Python would set at once. */
  *setItems(items: unknown[]): Generator<void, void> {
    const dict = this.top();
    if (!(types.isMap(dict) || dict instanceof ForeignObject)) throw this.error('only a dict has keys');
    if (items.length % 2 !== 0) throw this.error('a key without a value');
    this.charge((items.length / 2) * cost.entry);
    if (dict instanceof ForeignObject) dict.entries ??= [];
    for (let i = 0; i < items.length; i += 2) {
      if (!isHashable(items[i])) throw this.error('a dict’s key must be text, a number, None, a tuple or bytes');
      if (types.isMap(dict)) dict.set(items[i], items[i + 1]);
      else dict.entries?.push([items[i], items[i + 1]]);
      if (i % (2 * stepsPerTurn) === 0 && i > 0) yield;
    }
  }

  // Globals

  global(module: unknown, name: unknown): void {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.error('the name of a global must be text');
    const found = findGlobal(module, name);
    if (found === undefined && !this.keepForeign) throw this.error(refusal(`${module}.${name}`));
    if (found === undefined) this.charge(cost.foreign);
    this.push(found ?? new ForeignObject(`${module}.${name}`, this.cursor.at));
  }

  /** @param made whether the class is called, or `__new__` of it, as for objects that a state is given to afterwards */
  reduce(made: 'called' | 'new'): void {
    const args = this.pop();
    const callee = this.pop();
    if (callee instanceof ForeignObject) {
      this.charge(cost.foreign);
      const given = isTuple(args) ? args : [args];
      this.push(new ForeignObject(callee.name, ForeignObject.at(callee), given, made, callee.problem));
      return;
    }
    if (!(callee instanceof PickleGlobal) || callee.build === undefined) {
      const name =
        callee instanceof PickleGlobal
          ? callee.name
          : callee instanceof TorchDType
            ? `torch.${callee}`
            : 'something that is no function';
      throw this.error(`it calls ${name}; nothing in a file is executed, and this is not a known way to make a value`);
    }
    if (!isTuple(args)) throw this.error(`${callee.name}: expected a tuple of arguments`);
    if (callee.build === makeOrderedDict && args.length === 0) {
      this.orderedDict();
      return;
    }
    // A short pickle may call for the same large argument many times.
    for (const arg of args) this.charge(Math.max(0, sizeOf(arg) - freeItems) * (isFlat(arg) ? 1 : cost.work));
    const value = this.apply(callee.name, args, () => callee.build?.(args));
    this.release(args, value);
    this.push(value);
  }

  /** PyTorch gives an empty one to every tensor, as its hooks: one does for all. */
  private orderedDict(): void {
    if (!this.spare) this.charge(cost.map);
    this.newest = this.spare ?? new OrderedDict();
    this.spare = undefined;
    this.push(this.newest);
  }

  /** Gives back what arguments took that nothing refers to any more. */
  private release(args: readonly unknown[], value: unknown): void {
    if (args !== this.fresh || value instanceof ForeignObject) return;
    this.budget += this.freshCost;
    this.fresh = undefined;
    const { newest } = this;
    if (newest && isTensorRef(value) && args.includes(newest) && newest.size === 0 && newest._metadata === undefined)
      this.spare = newest;
  }

  private apply(name: string, args: readonly unknown[], rule: () => unknown): unknown {
    try {
      const value = rule();
      this.charge(isTensorRef(value) ? cost.tensor : cost.map);
      this.charge(sizeOf(value) * (isFlat(value) ? 1 : cost.entry));
      return value;
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      if (!this.keepForeign) throw this.error(`${name}: ${error.message}`);
      this.charge(cost.foreign);
      return new ForeignObject(name, this.cursor.at, args, 'called', error.message);
    }
  }

  /** State that an object is given after it was made; of attributes only a dict's `_metadata` has a meaning outside Python. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    const give = stateRule(target);
    if (give) {
      const made = this.apply('BUILD', [state], () => give(target, state));
      if (made instanceof ForeignObject) this.exchange(target, made);
    } else if (target instanceof ForeignObject) {
      target.state = state;
    } else {
      this.setAttributes(target, state);
    }
  }

  private setAttributes(target: unknown, state: unknown): void {
    if (!(target instanceof OrderedDict) || !types.isMap(state))
      throw this.error('only an OrderedDict can have attributes');
    for (const [name, value] of state) {
      if (name !== '_metadata' && !this.keepForeign)
        throw this.error(`an OrderedDict with an attribute ${JSON.stringify(String(name))} can’t be read`);
      if (name === '_metadata') target._metadata = value;
    }
  }

  /** Puts what can't be a value in the place of what it was to be: on the stack, and where it is remembered. */
  private exchange(target: unknown, made: ForeignObject): void {
    this.charge(this.memo.size);
    this.stack[this.stack.length - 1] = made;
    for (const [id, value] of this.memo) if (value === target) this.memo.set(id, made);
  }

  persistent(): void {
    const id = this.pop();
    try {
      const { storage, fresh } = this.resolve(id);
      if (fresh) this.charge(cost.storage);
      if (id === this.fresh) this.budget += this.freshCost;
      this.push(storage);
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      if (!this.keepForeign) throw this.error(error.message);
      this.charge(cost.foreign);
      // Old files have a module's class and its source text there.
      const type =
        isTuple(id) && id[0] !== 'storage'
          ? id.find((part) => part instanceof ForeignObject && part.args === undefined)
          : undefined;
      const parts = isTuple(id) ? id : [id];
      this.push(type ?? new ForeignObject('persistent id', this.cursor.at, parts, 'called', error.message));
    }
  }
}

/** What gives a known object its state. */
function stateRule(target: unknown): ((target: unknown, state: unknown) => void) | undefined {
  if (target instanceof NumpyDType) return setNumpyDType as never;
  if (target instanceof TensorRef) return setTensor as never;
  return target instanceof Namespace ? (setAttributes as never) : undefined;
}

const makeOrderedDict = (findGlobal('collections', 'OrderedDict') as PickleGlobal).build;

const isFlat = (value: unknown): boolean => typeof value === 'string' || types.isUint8Array(value);

/** Elements, bytes or characters. */
function sizeOf(value: unknown): number {
  if (types.isMap(value) || types.isSet(value)) return value.size;
  return Array.isArray(value) || types.isUint8Array(value) || typeof value === 'string' ? value.length : 0;
}

const isHashable = (value: unknown): boolean =>
  value === null ||
  typeof value !== 'object' ||
  isTuple(value) ||
  types.isUint8Array(value) ||
  value instanceof TorchDType ||
  value instanceof TorchDevice ||
  value instanceof ForeignObject;
