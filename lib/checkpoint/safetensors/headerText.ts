// Reads the JSON of a header, piece by piece, as strictly as its format asks. JSON.parse would not do: it takes the last of
// two equal keys without a word and turns 1.0 into 1; it builds whatever a hostile header of 100 MB describes before anyone
// can look at it; and it gives the event loop no turn.

import { IsotorchError } from '../../errors.js';

const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;
const zero = 0x30;
const nine = 0x39;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class HeaderText {
  private at = 0;

  /** @param where what messages call the file */
  constructor(
    private readonly bytes: Buffer,
    private readonly where: string,
  ) {}

  fail(problem: string): IsotorchError {
    return new IsotorchError('ERR_FORMAT', `${this.where}: header, character ${this.at}: ${problem}`);
  }

  /**
   * The keys of an object, one by one: whoever asks for the next has read this one's value.
   * @throws ERR_FORMAT if a key comes twice.
   */
  *keys(): Generator<string, void, void> {
    this.expect('{');
    // Most objects have three keys, for which a Set would be the larger part of the work.
    let few: string[] = [];
    let many: Set<string> | undefined;
    if (this.skip('}')) return;
    do {
      const key = this.string();
      if (many ? many.has(key) : few.includes(key)) throw this.fail(`the key ${JSON.stringify(key)} comes twice`);
      if (many) many.add(key);
      else if (few.push(key) === 8) [many, few] = [new Set(few), []];
      this.expect(':');
      yield key;
    } while (this.skip(','));
    this.expect('}');
  }

  /** An array of sizes or offsets. `bad` makes the error for one that is negative or not exact. */
  wholes(bad: (problem: string) => IsotorchError): number[] {
    const values: number[] = [];
    this.expect('[');
    if (this.skip(']')) return values;
    do {
      const value = this.whole();
      if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0))
        throw bad(`has a size or offset of ${Object.is(value, -0) ? '-0' : value}`);
      values.push(value);
    } while (this.skip(','));
    this.expect(']');
    return values;
  }

  string(): string {
    this.expect('"');
    const { bytes, at: start } = this;
    let end = start;
    let escaped = false;
    let all = 0;
    for (let code = bytes[end]; code !== quote; code = bytes[end]) {
      if (code === undefined) throw this.fail('a text does not end');
      if (code < space) throw this.fail('a text has a control character in it');
      if (code === backslash) escaped = true;
      all |= code;
      end += code === backslash ? 2 : 1;
    }
    const value = escaped
      ? this.unescape(this.decode(start - 1, end + 1))
      : all < 0x80
        ? bytes.toString('latin1', start, end)
        : this.decode(start, end);
    this.at = end + 1;
    return value;
  }

  private decode(start: number, end: number): string {
    try {
      return utf8.decode(this.bytes.subarray(start, end));
    } catch (cause) {
      throw new IsotorchError('ERR_FORMAT', `${this.where}: its header is not text in UTF-8`, { cause });
    }
  }

  private unescape(quoted: string): string {
    try {
      const value = JSON.parse(quoted) as string;
      // Half of a surrogate pair is no character.
      if (Buffer.from(value).toString() === value) return value;
    } catch {}
    throw this.fail('a text has an escape that is none');
  }

  /** A number without fraction or exponent. It may be negative, or too large to be exact. */
  private whole(): number {
    this.skipSpace();
    const { bytes, at: start } = this;
    let end = bytes[start] === 0x2d /* - */ ? start + 1 : start;
    const first = end;
    while ((bytes[end] as number) >= zero && (bytes[end] as number) <= nine) end += 1;
    const isPadded = bytes[first] === zero && end > first + 1;
    const goesOn = [0x2e, 0x65, 0x45].includes(bytes[end] as number); // . e E
    if (end === first || isPadded || goesOn) throw this.fail('expected a whole number');
    this.at = end;
    return Number(bytes.toString('latin1', start, end));
  }

  /** Nothing but spaces may follow. */
  end(): void {
    this.skipSpace();
    if (this.at < this.bytes.length) throw this.fail('something follows the end of the JSON');
  }

  private skipSpace(): void {
    for (;;) {
      const code = this.bytes[this.at];
      if (code !== space && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at += 1;
    }
  }

  private skip(character: string): boolean {
    this.skipSpace();
    if (this.bytes[this.at] !== character.charCodeAt(0)) return false;
    this.at += 1;
    return true;
  }

  private expect(character: string): void {
    if (this.skip(character)) return;
    const found =
      this.at < this.bytes.length ? JSON.stringify(this.bytes.toString('latin1', this.at, this.at + 1)) : 'its end';
    throw this.fail(`expected ${character} but found ${found}`);
  }
}
