// report.html: safe whatever the names are, nothing from outside, the same bytes for the same input, and it opens in a real
// browser without a complaint and with its curves in the page.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderHtml } from '../lib/report/html.js';
import { escapeMarkup, Markup, markup } from '../lib/report/markup.js';
import { at, linear, roundTicks, stepPath, tickFormat } from '../lib/report/svg.js';
import type { Report } from '../lib/report/types.js';
import { fakeReport } from './fixtures/fakeReport.js';
import { browser, openPage } from './support/browser.js';

const report = fakeReport({ thin: 20 });
const page = renderHtml(report);
const OODS = 7;
const LOSSES = 3;

const count = (text: string, part: string | RegExp): number => text.split(part).length - 1;

describe('the page', () => {
  it('has an overview, a ROC panel a set with a curve a loss, and a histogram a loss and set', () => {
    expect(count(page, '<svg viewBox="0 0 600')).toBe(1);
    expect(count(page, '<svg viewBox="0 0 296 286"')).toBe(OODS);
    expect(count(page, /<path class="curve s\d"/)).toBe(OODS * LOSSES);
    expect(count(page, '<path class="known"')).toBe(OODS * LOSSES);
    expect(count(page, '<path class="unknown"')).toBe(OODS * LOSSES);
  });

  it('tells what it shows in words and numbers', () => {
    const text = page.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
    expect(text).toContain(
      'A network that was trained on Fashion-MNIST is shown images of things it has never met: MNIST, KMNIST',
    );
    expect(text).toContain('libtorch version 2.13.0');
    const row = report.results.find(({ loss, ood, score }) => loss === 'isomax' && ood === 'KMNIST' && score === 'es')!;
    expect(text).toContain(`IsoMax entropic score ${(row.accuracy! * 100).toFixed(1)} ${(row.auroc * 100).toFixed(1)}`);
    expect(text).toContain('Mean over the unknown sets');
  });

  it('describes every drawing, with ids that occur once', () => {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]!);
    expect(new Set(ids).size).toBe(ids.length);
    const labelled = [...page.matchAll(/aria-labelledby="([^"]+)"/g)].flatMap((match) => match[1]!.split(' '));
    expect(labelled.filter((id) => !ids.includes(id))).toEqual([]);
    const drawings = [...page.matchAll(/<svg [^>]*>/g)].map(([tag]) => tag);
    expect(drawings.every((tag) => tag.includes('role="img"') || tag.includes('aria-hidden="true"'))).toBe(true);
    expect(page).not.toMatch(/<desc[^>]*><\/desc>|<title[^>]*><\/title>/);
  });

  it('needs nothing from outside and runs nothing', () => {
    expect(page).not.toMatch(/https?:|\bsrc=|\bhref=|url\(|@import|<script|<link|<iframe|\son\w+=/i);
    expect(page.includes('content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;"')).toBe(true);
  });

  it('has coordinates that are numbers, and a few hundred kilobytes at most', () => {
    expect(page).not.toMatch(/NaN|Infinity|undefined|null/);
    expect(renderHtml(fakeReport({ thin: 1 })).length).toBeLessThan(400_000);
  });

  it('is the same for the same input', () => {
    expect(renderHtml(fakeReport({ thin: 20 }))).toBe(page);
  });

  it('closes what it opens', () => {
    expect(unbalanced(page)).toEqual([]);
    expect(unbalanced('<p><b></p>')).not.toEqual([]);
  });

  it('takes several seeds, models and known sets, other losses and scores, and no results at all', () => {
    const seeds = renderHtml(fakeReport({ seeds: [3, 1], thin: 100 }));
    expect(count(seeds, /<path class="curve s\d"/)).toBe(OODS * LOSSES);
    expect(seeds).toContain('Drawn: the run with seed 1.');
    expect(seeds).toMatch(/\d\d\.\d ± \d/);
    const { results, figures, environment } = fakeReport({ thin: 100 });
    const rename = <T extends { loss: string; score: string; id: string }>(rows: readonly T[]) =>
      rows.flatMap((row) => [
        row,
        { ...row, loss: `mine ${row.loss}`, score: `own ${row.score}` },
        { ...row, id: 'other' },
      ]);
    const many = renderHtml({ environment, results: rename(results), figures: rename(figures) });
    expect(unbalanced(many)).toEqual([]);
    expect(count(many, /<path class="curve s\d"/)).toBe(OODS * LOSSES * 3);
    expect(renderHtml({ environment: {}, results: [], figures: [] })).toContain('No results.');
    expect(unbalanced(renderHtml({ environment, results, figures: [] }))).toEqual([]);
  });

  it('survives constant, single and extreme scores', () => {
    const [figure] = report.figures;
    const edge = (edges: number[]): Report => ({
      ...report,
      results: report.results.slice(0, 1),
      figures: [
        {
          ...figure!,
          threshold: edges[0]!,
          histogram: { edges, id: edges.slice(1).map(() => 0), ood: edges.slice(1).map(() => 3) },
        },
      ],
    });
    for (const edges of [
      [1, 1.001],
      [-1e300, 0, 1e300],
      [0, 5e-324],
      [1e-12, 2e-12],
    ]) {
      const html = renderHtml(edge(edges));
      expect(html).toContain('<path class="unknown"');
      expect(html).not.toMatch(/NaN|Infinity/);
    }
  });
});

describe('names from users', () => {
  const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;\u0000`;

  it('never become markup', () => {
    const rename = <T extends { loss: string; model: string; id: string; ood: string; score: string }>(
      rows: readonly T[],
    ) =>
      rows.map((row) => ({
        ...row,
        loss: HOSTILE + row.loss,
        model: HOSTILE,
        id: HOSTILE,
        ood: HOSTILE + row.ood,
        score: HOSTILE + row.score,
      }));
    const html = renderHtml({
      title: HOSTILE,
      environment: { [HOSTILE]: HOSTILE, nested: { [HOSTILE]: [HOSTILE] } },
      results: rename(report.results),
      figures: rename(report.figures),
    });
    expect(html).not.toMatch(/<script|<img/);
    expect(html.includes('\u0000')).toBe(false);
    expect(html).toContain('&lt;script&gt;');
    expect(unbalanced(html)).toEqual([]);
  });

  it('are escaped whatever they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const text = markup`<b title="${name}">${name}</b>`.text;
        expect(text).toMatch(/^<b title="[^<>"']*">[^<>"']*<\/b>$/u);
        expect(escapeMarkup(name)).not.toMatch(/&(?!(amp|lt|gt|quot|#39);)/);
      }),
    );
    expect(markup`${[1, null, undefined, new Markup('<br>'), ['a&b']]}`.text).toBe('1<br>a&amp;b');
  });
});

describe('drawing', () => {
  it('ticks are round, inside and few', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        fc.integer({ min: 2, max: 10 }),
        (from, width, most) => {
          const span = Math.max(width, Math.abs(from) * 1e-3); // finer, and doubles themselves are not round
          const ticks = roundTicks(from, from + span, most);
          expect(ticks.length).toBeGreaterThanOrEqual(1);
          expect(ticks.length).toBeLessThanOrEqual(most + 1);
          for (const tick of ticks) expect(tick >= from - span * 0.02 && tick <= from + span * 1.02).toBe(true);
          if (ticks.length > 1) {
            const step = ticks[1]! - ticks[0]!;
            expect(['1', '2', '5']).toContain(step.toExponential(6).replace(/\.?0*e.*$/, ''));
            const format = tickFormat(ticks);
            expect(new Set(ticks.map(format)).size).toBe(ticks.length);
          }
        },
      ),
    );
    expect(roundTicks(0, 1, 5)).toEqual([0, 0.2, 0.4, expect.closeTo(0.6), 0.8, 1]);
    expect(roundTicks(0.1, 0.9998, 5).at(-1)).toBe(1);
    expect(roundTicks(3, 3, 5)).toEqual([3]);
  });

  it('tick texts have a true minus, and none for 0', () => {
    expect([-0.5, 0, 0.5].map(tickFormat([-0.5, 0, 0.5]))).toEqual(['−0.5', '0.0', '0.5']);
    expect(tickFormat([-1, 0])(-0)).toBe('0');
  });

  it('bars stand on the base line and merge where equal', () => {
    expect(stepPath([0, 10, 20, 30], [5, 5, 9], 9)).toBe('M0 9H0V5H20V9H30V9Z');
    expect([1.04, -0.04, 2].map(at)).toEqual(['1', '0', '2']);
    expect(linear([0, 2], [10, 20])(1)).toBe(15);
    expect(linear([-Number.MAX_VALUE, Number.MAX_VALUE], [0, 1])(0)).toBe(0.5);
    expect(linear([3, 3], [0, 10])(3)).toBe(5);
  });
});

browser.describe('in a browser', () => {
  it('opens without a word on the console, and shows the curves', () => {
    const { dom, complaints } = openPage(page);
    expect(complaints).toEqual([]);
    expect(count(dom, /<path class="curve s\d" d="M[\d.]+ [\d.]+L/)).toBe(OODS * LOSSES);
    expect(count(dom, '<path class="known"')).toBe(OODS * LOSSES);
    // A parser that had to repair the page would have moved or added elements.
    expect(count(dom, '<')).toBe(count(page, '<') - 1 + (count(dom, '<!DOCTYPE') ? 1 : 0) + voidTags(page, dom));
  });

  it('would have told: a page with an error does', () => {
    const bad = page.replace('</main>', '</main><script>throw new Error("boom")</script>');
    expect(openPage(bad).complaints.join()).toMatch(/Content Security Policy/);
  });
});

/** Self-closing SVG tags (`<line/>`) come back from the browser as a pair. */
function voidTags(before: string, after: string): number {
  return count(before, '/>') - count(after, '/>');
}

/** Tags that are closed in the wrong place or not at all. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  const body = html.replace(/<style>.*?<\/style>/gs, '');
  for (const [tag, slash, name] of body.matchAll(/<(\/?)([a-zA-Z][\w-]*)(?:\s[^<>]*)?>/g)) {
    if (['meta', 'br'].includes(name!) || tag.endsWith('/>')) continue;
    if (!slash) open.push(name!);
    else if (open.pop() !== name) wrong.push(tag);
  }
  return [...wrong, ...open];
}
