// The report room's public names. See types.ts for what goes in and html.ts, table.ts, json.ts for what comes out.

export { resultsCsv } from './csv.js';
export { renderHtml } from './html.js';
export { parseResults, resultsJson } from './json.js';
export { customaryScore, lossTitle, scoreTitle } from './names.js';
export { type SavedReport, saveReport } from './save.js';
export { type Cell, type Group, type Line, type ScoreChoice, type Summary, summarise } from './summary.js';
export { renderTable, supportsColour, type TableOptions } from './table.js';
export type { Environment, Figure, Json, Report, ResultRow, Results, RunLabels } from './types.js';
