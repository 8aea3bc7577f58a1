// The three drawings of a report. An overview: AUROC of each loss on each unknown data set, as dots on a line. ROC curves of
// the losses for one unknown set. Histograms of one score for known and unknown images, with the threshold that keeps 95 %
// of the known ones. Series differ in colour, and also in dash and marker, for those who don't see colours and for paper.

import { type Markup, markup } from './markup.js';
import { percentage } from './summary.js';
import {
  type Axis,
  at,
  axes,
  type Frame,
  linear,
  linePath,
  roundTicks,
  shorten,
  stepPath,
  svg,
  tickFormat,
} from './svg.js';
import type { Figure } from './types.js';

/** What a curve or dot stands for: its name, and the number of its colour, dash and marker (0 to 7, see style.ts). */
export interface Series {
  readonly label: string;
  readonly style: number;
}

export const STYLES = 8;

const percent = (fraction: number): string => `${percentage(fraction)} %`;

/** Dots for each data set: how well each series separates it. `rows` are drawn from top to bottom. */
export function overviewChart(
  id: string,
  rows: readonly {
    readonly name: string;
    readonly strong: boolean;
    readonly values: readonly (Series & { value: number })[];
  }[],
): Markup {
  const line = 30;
  const frame: Frame = { left: 132, right: 590, top: 10, bottom: 10 + rows.length * line };
  const smallest = Math.min(0.5, ...rows.flatMap(({ values }) => values.map(({ value }) => value)));
  const from = Math.floor(smallest * 10 + 1e-9) / 10;
  const scale = linear([from, 1], [frame.left + 8, frame.right - 16]);
  const ticks = roundTicks(from, 1, 10);
  const description = rows
    .map(({ name, values }) => `${name}: ${values.map(({ label, value }) => `${label} ${percent(value)}`).join(', ')}`)
    .join('. ');
  return svg(
    id,
    600,
    frame.bottom + 36,
    'AUROC of each loss on each unknown data set',
    description,
    markup`<g class="axis">${ticks.map((tick) => {
      const x = at(scale(tick));
      return markup`<line x1="${x}" x2="${x}" y1="${frame.top}" y2="${frame.bottom}"/><text x="${x}" y="${frame.bottom + 14}" text-anchor="middle">${(tick * 100).toFixed(0)} %</text>`;
    })}<text class="label" x="${at((frame.left + frame.right) / 2)}" y="${frame.bottom + 31}" text-anchor="middle">AUROC (50 % is guessing, 100 % is perfect)</text></g>`,
    rows.map(({ name, strong, values }, i) => {
      const y = frame.top + (i + 0.5) * line;
      const places = values.map(({ value }) => scale(value));
      return markup`<g>${
        strong ? markup`<rect class="band" x="0" y="${at(y - line / 2)}" width="600" height="${line}" rx="4"/>` : null
      }<text class="row${strong ? ' strong' : ''}" x="${frame.left - 8}" y="${at(y + 4)}" text-anchor="end">${shorten(name, 18)}</text><line class="span" x1="${at(Math.min(...places))}" x2="${at(Math.max(...places))}" y1="${at(y)}" y2="${at(y)}"/>${values.map(
        ({ label, style, value }) => marker(style, scale(value), y, `${name}, ${label}: AUROC ${percent(value)}`),
      )}</g>`;
    }),
  );
}

/** ROC curves over one unknown data set. */
export function rocChart(
  id: string,
  ood: string,
  curves: readonly (Series & { readonly auroc: number; readonly roc: Figure['roc'] })[],
): Markup {
  const frame: Frame = { left: 46, right: 286, top: 8, bottom: 248 };
  const shares = [0, 0.2, 0.4, 0.6, 0.8, 1];
  const x: Axis = {
    scale: linear([0, 1], [frame.left, frame.right]),
    ticks: shares,
    format: (value) => (value * 100).toFixed(0),
    label: 'unknown images accepted (FPR), %',
  };
  const y: Axis = { ...x, scale: linear([0, 1], [frame.bottom, frame.top]), label: 'known images accepted (TPR), %' };
  const kept = at(y.scale(0.95));
  const legendTop = frame.bottom - 12 - (curves.length - 1) * 16;
  return svg(
    id,
    296,
    286,
    `ROC curves, unknown images from ${ood}`,
    curves.map(({ label, auroc }) => `${label}: AUROC ${percent(auroc)}`).join('. '),
    axes(frame, x, y),
    markup`<line class="chance" x1="${frame.left}" y1="${frame.bottom}" x2="${frame.right}" y2="${frame.top}"><title>guessing: AUROC 50 %</title></line>`,
    markup`<line class="level" x1="${frame.left}" y1="${kept}" x2="${frame.right}" y2="${kept}"><title>95 % of the known images accepted</title></line>`,
    curves.map(
      ({ label, style, auroc, roc }) =>
        markup`<path class="curve s${style}" d="${linePath(roc.fpr.map((rate, i) => [x.scale(rate), y.scale(roc.tpr[i]!)]))}"><title>${label}: AUROC ${percent(auroc)}</title></path>`,
    ),
    markup`<g class="key">${curves.map(({ label, style, auroc }, i) => {
      const place = legendTop + i * 16;
      return markup`<line class="curve s${style}" x1="130" x2="154" y1="${place - 4}" y2="${place - 4}"/><text x="160" y="${place}">${shorten(label, 13)}</text><text class="figure" x="${frame.right - 6}" y="${place}" text-anchor="end">${percentage(auroc)}</text>`;
    })}</g>`,
  );
}

/** Known and unknown images' scores, each as shares of their set, and the threshold that keeps 95 % of the known. */
export function histogramChart(id: string, title: string, { histogram, threshold }: Figure, xLabel: string): Markup {
  const frame: Frame = { left: 46, right: 286, top: 10, bottom: 128 };
  const known = shares(histogram.id);
  const unknown = shares(histogram.ood);
  const most = Math.max(...known, ...unknown);
  const [from, to] = [histogram.edges[0]!, histogram.edges.at(-1)!];
  const xTicks = roundTicks(from, to, 5);
  const yTicks = roundTicks(0, most, 3);
  const x: Axis = {
    scale: linear([from, to], [frame.left, frame.right]),
    ticks: xTicks,
    format: tickFormat(xTicks),
    label: xLabel,
  };
  const asPercent = tickFormat(yTicks.map((tick) => tick * 100));
  const y: Axis = {
    scale: linear([0, most], [frame.bottom, frame.top]),
    ticks: yTicks,
    format: (value) => asPercent(value * 100),
    label: 'share of images, %',
  };
  const edges = histogram.edges.map(x.scale);
  const outline = (parts: readonly number[]): string => stepPath(edges, parts.map(y.scale), frame.bottom);
  const cut = at(Math.min(Math.max(x.scale(threshold), frame.left), frame.right));
  return svg(
    id,
    296,
    166,
    title,
    `Most frequent among known images: scores around ${peak(histogram.edges, known)}; among unknown ones: around ${peak(histogram.edges, unknown)}. 95 % of the known images score ${threshold.toPrecision(3)} or more.`,
    axes(frame, x, y),
    markup`<path class="known" d="${outline(known)}"><title>known images</title></path>`,
    markup`<path class="unknown" d="${outline(unknown)}"><title>unknown images</title></path>`,
    markup`<line class="threshold" x1="${cut}" x2="${cut}" y1="${frame.top - 6}" y2="${frame.bottom}"><title>95 % of the known images score ${threshold.toPrecision(3)} or more</title></line>`,
  );
}

/** A sample of a series for legends: a dot or a piece of its line. */
export function sample(style: number, kind: 'dot' | 'line'): Markup {
  const body =
    kind === 'dot' ? marker(style, 13, 7) : markup`<line class="curve s${style}" x1="1" x2="25" y1="7" y2="7"/>`;
  return markup`<svg class="sample" viewBox="0 0 26 14" aria-hidden="true">${body}</svg>`;
}

function marker(style: number, x: number, y: number, title?: string): Markup {
  const label = title === undefined ? null : markup`<title>${title}</title>`;
  const name = `dot s${style}`;
  const polygon = (points: readonly (readonly [number, number])[]): Markup =>
    markup`<path class="${name}" d="${linePath(points.map(([dx, dy]) => [x + dx, y + dy]))}Z">${label}</path>`;
  switch (style % 4) {
    case 0:
      return markup`<circle class="${name}" cx="${at(x)}" cy="${at(y)}" r="5">${label}</circle>`;
    case 1:
      return polygon([
        [-4.6, -4.6],
        [4.6, -4.6],
        [4.6, 4.6],
        [-4.6, 4.6],
      ]);
    case 2:
      return polygon([
        [0, -6.3],
        [6.3, 0],
        [0, 6.3],
        [-6.3, 0],
      ]);
    default:
      return polygon([
        [0, -5.8],
        [5.8, 4.6],
        [-5.8, 4.6],
      ]);
  }
}

function shares(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (total === 0 ? 0 : count / total));
}

/** The middle of the fullest bin. */
function peak(edges: readonly number[], parts: readonly number[]): string {
  const fullest = parts.indexOf(Math.max(...parts));
  return ((edges[fullest]! + edges[fullest + 1]!) / 2).toPrecision(3);
}
