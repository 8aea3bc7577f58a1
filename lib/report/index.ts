// The report room's public names. See types.ts for what goes in and table.ts, json.ts, csv.ts, markdown.ts, html.ts for what
// comes out.

export { resultsCsv } from './csv.js';
export { drawnRows, renderHtml } from './html.js';
export { parseResults, resultsJson } from './json.js';
export { resultsMarkdown, type Spread, type Table, type TablesOptions, tablesOf } from './markdown.js';
export { customaryScore, lossTitle, scoreTitle } from './names.js';
export { type Layout, sortRows } from './rows.js';
export { type SavedReport, type SaveOptions, saveReport } from './save.js';
export { type Cell, type Group, groupBy, type Line, type ScoreChoice, type Summary, summarise } from './summary.js';
export { renderTable, supportsColour, type TableOptions } from './table.js';
export type {
  Bootstrap,
  Distance,
  Environment,
  EvaluationRow,
  Failure,
  Figure,
  Intervals,
  Json,
  Report,
  ResultRow,
  Results,
  RunLabels,
  Skipped,
} from './types.js';
