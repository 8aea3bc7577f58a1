// Opens a page in a real browser, where there is one, and listens to what it complains about.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { needs } from './skip.js';

const chromium = [process.env.CHROMIUM, '/usr/bin/chromium'].find((path) => path && existsSync(path));

/** For tests that need one. */
export const browser = needs(chromium, 'Chromium at /usr/bin/chromium or named by CHROMIUM');

/** Loads a page in a window of some width; gives its DOM after loading and what it wrote to the console. */
export function openPage(html: string, width = 1280): { dom: string; complaints: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-browser-'));
  try {
    const file = join(folder, 'page.html');
    writeFileSync(file, html);
    const flags = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--enable-logging=stderr',
      `--window-size=${width},900`,
      `--user-data-dir=${join(folder, 'profile')}`,
      '--dump-dom',
    ];
    const ended = spawnSync(chromium!, [...flags, pathToFileURL(file).href], {
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 2 ** 28,
    });
    expect(ended.status, ended.stderr).toBe(0);
    return { dom: ended.stdout, complaints: ended.stderr.split('\n').filter((line) => /CONSOLE/.test(line)) };
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
