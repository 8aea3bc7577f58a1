// Reads the JSON of a header, piece by piece, as strictly as its format asks. JSON.parse would not do: it takes the last of
// two equal keys without a word and turns 1.0 into 1; and it builds whatever a hostile header of 100 MB describes before
// anyone can look at it.

import { IsotorchError } from '../../errors.js';

const number = /-?(?:0|[1-9]\d*)(?![\d.eE])/y;

export class HeaderText {
  private at = 0;

  /** @param where what messages call the file */
  constructor(
    private readonly text: string,
    private readonly where: string,
  ) {}

  fail(problem: string): IsotorchError {
    return new IsotorchError('ERR_FORMAT', `${this.where}: header, character ${this.at}: ${problem}`);
  }

  /** An object: calls `member` for each key, which reads the value. @throws ERR_FORMAT if a key comes twice. */
  object(member: (key: string) => void): void {
    this.expect('{');
    const keys = new Set<string>();
    if (this.skip('}')) return;
    do {
      const key = this.string();
      if (keys.has(key)) throw this.fail(`the key ${JSON.stringify(key)} comes twice`);
      keys.add(key);
      this.expect(':');
      member(key);
    } while (this.skip(','));
    this.expect('}');
  }

  array(item: () => void): void {
    this.expect('[');
    if (this.skip(']')) return;
    do item();
    while (this.skip(','));
    this.expect(']');
  }

  string(): string {
    this.expect('"');
    const start = this.at;
    let end = start;
    let escaped = false;
    for (let code = this.text.charCodeAt(end); code !== 0x22; code = this.text.charCodeAt(end)) {
      if (Number.isNaN(code)) throw this.fail('a text does not end');
      if (code < 0x20) throw this.fail('a text has a control character in it');
      if (code === 0x5c) escaped = true;
      end += code === 0x5c ? 2 : 1;
    }
    const value = escaped ? this.unescape(this.text.slice(start - 1, end + 1)) : this.text.slice(start, end);
    this.at = end + 1;
    return value;
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
  whole(): number {
    this.skipSpace();
    number.lastIndex = this.at;
    const found = number.exec(this.text)?.[0];
    if (found === undefined) throw this.fail('expected a whole number');
    this.at += found.length;
    return Number(found);
  }

  /** Nothing but spaces may follow. */
  end(): void {
    this.skipSpace();
    if (this.at < this.text.length) throw this.fail('something follows the end of the JSON');
  }

  private skipSpace(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at += 1;
    }
  }

  private skip(character: string): boolean {
    this.skipSpace();
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  private expect(character: string): void {
    if (this.skip(character)) return;
    const found = this.at < this.text.length ? JSON.stringify(this.text[this.at]) : 'its end';
    throw this.fail(`expected ${character} but found ${found}`);
  }
}
