// The part of a report that says what it lacks: rows that an error cost, detectors that a network rules out, networks whose mean
// over the unknown sets would be one over other sets than their neighbours'. A page that left this out would look complete.

import { type Content, markup } from './markup.js';
import { type Summary, summarise } from './summary.js';
import type { Report } from './types.js';

/** A section, or nothing where nothing is missing. */
export function missing({ results, failures = [], skipped = [] }: Report): Content {
  const partial = summarise(results, 'all').flatMap(withoutMean);
  if (failures.length + skipped.length + partial.length === 0) return null;
  const rows = failures.reduce((sum, failure) => sum + failure.rows, 0);
  return markup`<section aria-labelledby="missing">
<h2 id="missing">What is missing</h2>
${
  failures.length > 0 &&
  markup`<p>${failures.length === 1 ? 'One job' : `${failures.length} jobs`} failed, and ${rows === 1 ? '1 row is' : `${rows} rows are`} missing for that:</p>
<ul>${failures.map(({ job, code, message, rows: lost }) => markup`<li><b>${job}</b> (${lost}): ${code}: ${message}</li>`)}</ul>`
}${
  partial.length > 0 &&
  markup`<p>No mean over the unknown sets, for want of some of them:</p>
<ul>${partial.map((text) => markup`<li>${text}</li>`)}</ul>`
}${
  skipped.length > 0 &&
  markup`<p>Left out, as the network or its data rules it out:</p>
<ul>${skipped.map(({ network, known, detector, reason }) => markup`<li><b>${detector}</b> on ${network}, ${known}: ${reason}</li>`)}</ul>`
}</section>`;
}

/** Lines with figures for some unknown sets and no mean over all. */
function withoutMean({ groups }: Summary): string[] {
  const mean = groups.at(-1)!;
  if (mean.ood !== null) return [];
  const averaged = new Set(mean.lines.map(({ network, score }) => JSON.stringify([network, score])));
  const names = groups.flatMap(({ lines }) =>
    lines
      .filter(({ network, score }) => !averaged.has(JSON.stringify([network, score])))
      .map(({ label, score }) => `${label}, ${score}`),
  );
  return [...new Set(names)];
}
