// HTML and SVG text that is safe by construction: the `markup` template escapes everything it is given, except other
// pieces of markup. Names of data sets, models and losses come from users and must not be able to become elements.

/** A piece of markup, escaped already. */
export class Markup {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

export type Content = Markup | string | number | false | null | undefined | readonly Content[];

/**
 * A template whose values are escaped, also inside quoted attributes. Markup goes in as it is, arrays are joined, null,
 * undefined and false leave nothing.
 *
 * @example
 * markup`<li title="${name}">${name}</li>`
 */
export function markup(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(strings.reduce((text, string, i) => text + textOf(values[i - 1]) + string));
}

/** `text` with the five characters that mean something to HTML as entities, and without those that HTML forbids. */
export function escapeMarkup(text: string): string {
  return text.replace(FORBIDDEN, '\ufffd').replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** Control characters but tab, newline and carriage return; surrogates without a partner. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]|\p{Surrogate}/gu;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function textOf(value: Content): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'object') return value.map(textOf).join('');
  return escapeMarkup(String(value));
}
