// How set-up knows that there is nothing to do: content hashes of what went into each product, kept in build/stamps.json,
// and for node_modules npm's own record of what it installed.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** A hash of the contents and names of files and folders (all files below them), and of further `facts`. */
export function fingerprint(root, paths, facts = {}) {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const file of paths.flatMap((path) => filesBelow(join(root, path))).sort()) {
    hash.update(`\0${relative(root, file)}\0`).update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 32);
}

/** Every file at or below a path; none if there is no such path. */
export function filesBelow(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesBelow(join(path, name)));
}

/** A TypeScript module and every module of ours that it imports, directly or not. */
export function modulesOf(file, seen = new Set()) {
  if (seen.has(file) || !existsSync(file)) return [];
  seen.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/\bfrom '(\.[^']+)\.js'/g);
  return [file, ...[...imports].flatMap(([, path]) => modulesOf(join(dirname(file), `${path}.ts`), seen))];
}

export function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // not there, or cut off while it was written: either way to be made anew
  }
}

/** Whole or not at all: readers never see half a file. */
export function writeJson(file, value) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(temporary, file);
}

/** What differs between package-lock.json and node_modules, in words; undefined if they agree. */
export function packagesDifference(root) {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages ?? {};
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (installed === undefined) return 'not installed';
  for (const [path, { version, optional, devOptional, peer }] of Object.entries(wanted)) {
    if (path === '') continue;
    const there = installed[path];
    // Optional ones are for other platforms too, and npm leaves those out.
    if (there === undefined && (optional || devOptional || peer)) continue;
    if (there?.version !== version) return `${path.replace(/^.*node_modules\//, '')} ${version} is missing`;
  }
  return undefined; // packages beyond the wanted ones do no harm
}
