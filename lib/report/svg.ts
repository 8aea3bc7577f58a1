// The parts that all plots are made of: linear scales, round tick values, axes and paths, as inline SVG. Colours, fonts and
// line widths are CSS classes (style.ts), so that one drawing serves light, dark and paper. Coordinates have one decimal.

import { type Content, type Markup, markup } from './markup.js';

/** Maps a value to a coordinate. */
export type Scale = (value: number) => number;

export interface Axis {
  readonly scale: Scale;
  readonly ticks: readonly number[];
  readonly format: (value: number) => string;
  readonly label: string;
}

/** The rectangle inside the axes. */
export interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** The scale that takes `domain` to `range`, both [from, to]. A domain without width goes to the range's middle. */
export function linear([from, to]: readonly [number, number], [start, end]: readonly [number, number]): Scale {
  // Halves, so that the difference of the largest doubles stays finite.
  const width = to / 2 - from / 2;
  return (value) => (width === 0 ? (start + end) / 2 : start + ((value / 2 - from / 2) / width) * (end - start));
}

/** Round values (1, 2 or 5 times a power of ten apart) in [from, to] or a hair beyond, at most `count + 1` of them. */
export function roundTicks(from: number, to: number, count: number): number[] {
  const rough = (to - from) / count;
  if (!(rough > 0) || !Number.isFinite(rough)) return [from];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * (1 - 1e-9))!;
  const ticks: number[] = [];
  const last = Math.floor(to / step + HAIR);
  for (let i = Math.ceil(from / step - HAIR); i <= last && ticks.length <= count; i++) ticks.push(i * step + 0);
  return ticks;
}

/** In steps: so much outside of an axis can't be seen, and probabilities that end at 0.9998 get their tick at 1. */
const HAIR = 0.01;

/** Ticks' text: as many decimals as tell them apart, a true minus sign, powers of ten for the very large and small. */
export function tickFormat(ticks: readonly number[]): (value: number) => string {
  const step = ticks.length > 1 ? Math.abs(ticks[1]! - ticks[0]!) : Math.abs(ticks[0] ?? 1) || 1;
  const largest = Math.max(step, ...ticks.map(Math.abs));
  const plain = largest < 1e6 && step > 1e-6;
  const decimals = Math.max(0, Math.min(8, Math.ceil(-Math.log10(step) - 1e-9)));
  const digits = Math.min(15, Math.max(0, Math.floor(Math.log10(largest)) - Math.floor(Math.log10(step) + 1e-9)));
  return (value) => {
    const text = plain ? value.toFixed(decimals) : value.toExponential(digits);
    return text.replace(/^-(?=0(\.0*)?$)/, '').replaceAll('-', '−');
  };
}

/** `12.3`: a coordinate. */
export function at(value: number): string {
  return String(Math.round(value * 10) / 10 + 0);
}

/** An open line through points. */
export function linePath(points: readonly (readonly [number, number])[]): string {
  return points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${at(x)} ${at(y)}`).join('');
}

/** The outline of bars that stand on `base`: edges has one value more than heights. Runs of equal heights are one stroke. */
export function stepPath(edges: readonly number[], heights: readonly number[], base: number): string {
  let path = `M${at(edges[0]!)} ${at(base)}`;
  let level = at(base);
  heights.forEach((height, i) => {
    const next = at(height);
    if (next === level) return;
    path += `H${at(edges[i]!)}V${next}`;
    level = next;
  });
  return `${path}H${at(edges.at(-1)!)}V${at(base)}Z`;
}

/** Both axes: grid lines, ticks and labels. */
export function axes({ left, right, top, bottom }: Frame, x: Axis, y: Axis): Markup {
  const middle = at((left + right) / 2);
  return markup`<g class="axis">${x.ticks.map((tick) => {
    const place = at(x.scale(tick));
    return markup`<line x1="${place}" x2="${place}" y1="${at(top)}" y2="${at(bottom)}"/><text x="${place}" y="${at(bottom + 13)}" text-anchor="middle">${x.format(tick)}</text>`;
  })}${y.ticks.map((tick) => {
    const place = y.scale(tick);
    return markup`<line x1="${at(left)}" x2="${at(right)}" y1="${at(place)}" y2="${at(place)}"/><text x="${at(left - 5)}" y="${at(place + 3.5)}" text-anchor="end">${y.format(tick)}</text>`;
  })}<text class="label" x="${middle}" y="${at(bottom + 29)}" text-anchor="middle">${x.label}</text><text class="label" transform="translate(${at(left - 33)} ${at((top + bottom) / 2)}) rotate(-90)" text-anchor="middle">${y.label}</text></g>`;
}

/** A drawing that scales with the page and is described to those who can't see it. `id` must be unique on the page. */
export function svg(
  id: string,
  width: number,
  height: number,
  title: string,
  description: string,
  ...body: Content[]
): Markup {
  return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>${body}</svg>`;
}

/** `text`, cut to `length` characters where it is longer. */
export function shorten(text: string, length: number): string {
  const characters = [...text];
  return characters.length > length ? `${characters.slice(0, length - 1).join('')}…` : text;
}
