// The npm packages that a bundle carries: those that its programs import, with all that they need in turn, and of each
// only what runs: no types, no source maps, no manuals. Licences stay.
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { filesBelow, readJson } from '../setup/stamps.mjs';

/** What runs there beside our own runtime dependencies: the tests, TypeScript as it is, and headers for the build. */
const programs = ['vitest', 'tsx', 'fast-check', 'typescript', 'node-addon-api', 'node-api-headers'];
/** Needed by their dependents for style sheets and type checks only. */
const unused = /^(lightningcss.*|detect-libc|@types\/.*)$/;
const superfluous = [
  /\.(map|md|markdown|d\.[cm]?ts|[cm]?ts|flow|tsbuildinfo)$/,
  /\/esbuild\/bin\/esbuild$/, // a copy of its platform package's binary, which its library takes
  /\/node-addon-api\/tools\//,
  /\/typescript\/(bin|lib\/(?!typescript\.js$))/, // a test reads the generated types by its library, and no more
];
const licence = /^(licen[cs]e|copying|notice)/i;

/** The files of those packages, relative to `root`, a checkout that is set up. */
export function packageFiles(root) {
  const own = Object.keys(readJson(join(root, 'package.json')).dependencies);
  const locked = readJson(join(root, 'package-lock.json')).packages;
  const folders = new Set();
  for (const name of [...own, ...programs]) collect(root, locked, '', name, folders);
  return [...folders].flatMap((folder) =>
    filesBelow(join(root, folder))
      .map((file) => file.slice(root.length + 1))
      .filter((file) => !file.slice(folder.length).includes('/node_modules/')) // those are packages of their own
      .filter((file) => licence.test(basename(file)) || !superfluous.some((pattern) => pattern.test(file))),
  );
}

/** Adds the folder of the package `name`, as seen from the package in the folder `from`, and of all that it needs. */
function collect(root, locked, from, name, folders) {
  if (unused.test(name)) return;
  const folder = resolveFrom(locked, from, name);
  // Optional ones are for other platforms too: what is not installed is not needed here.
  if (folder === undefined || folders.has(folder) || !existsSync(join(root, folder))) return;
  folders.add(folder);
  const { dependencies, optionalDependencies } = locked[folder];
  for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) {
    collect(root, locked, folder, needed, folders);
  }
}

/** As Node looks for it: in node_modules there, then in each folder above. */
function resolveFrom(locked, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const folder = `${at ? `${at}/` : ''}node_modules/${name}`;
    if (locked[folder]) return folder;
    if (at === '') return undefined;
  }
}
