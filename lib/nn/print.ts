// Modules print as PyTorch prints them, so that a model can be compared with its Python twin by eye or by diff. This file
// spells values the way Python's repr does, and lays lines out.

export type Printable = string | number | boolean | null | readonly (number | null)[];

/** A value as Python writes it: `1e-05`, `True`, `None`, `(3, 3)`. Strings stay as they are. */
export function python(value: Printable): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (value === null) return 'None';
  if (typeof value !== 'number')
    return `(${value.map((item) => python(item)).join(', ')}${value.length === 1 ? ',' : ''})`;
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  if (Number.isInteger(value) || Math.abs(value) >= 1e-4) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

/** A number as Python writes a float: `1.0`, `0.25`, `1e+16`. */
export function pythonFloat(value: number): string {
  if (Math.abs(value) >= 1e16 && Number.isFinite(value)) return value.toExponential();
  return Number.isInteger(value) ? `${value}.0` : python(value);
}

/** `name=value, …`; a name of '' gives the value alone. */
export function settings(values: Readonly<Record<string, Printable>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${python(value)}`)
    .join(', ');
}

/** All lines but the first two spaces further in. */
export const indent = (text: string): string => text.replace(/\n(?!$)/g, '\n  ');

/** `Name(settings)` on one line, or with one line for each child. */
export function block(name: string, extra: string, children: readonly (readonly [string, string])[]): string {
  if (children.length === 0 && !extra.includes('\n')) return `${name}(${extra})`;
  const lines = children.map(([key, text]) => `(${key}): ${indent(text)}`);
  if (extra !== '') lines.unshift(...extra.split('\n'));
  return `${name}(\n  ${lines.join('\n  ')}\n)`;
}

/** Equal neighbours as one: `(0-2): 3 x ReLU()`, as PyTorch prints a ModuleList. */
export function mergeEqual(children: readonly (readonly [string, string])[]): [string, string][] {
  const merged: { first: string; last: string; count: number; text: string }[] = [];
  for (const [key, text] of children) {
    const before = merged.at(-1);
    if (before?.text === text) {
      before.last = key;
      before.count++;
    } else {
      merged.push({ first: key, last: key, count: 1, text });
    }
  }
  return merged.map(({ first, last, count, text }) =>
    count === 1 ? [first, text] : [`${first}-${last}`, `${count} x ${text}`],
  );
}
