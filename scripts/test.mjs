// `npm test` after set-up: types, lint, then the tests. It ends with the skipped tests by what they miss, and a last line
// "N passed, N failed, N skipped". `npm test -- test/20-nn.test.ts -t linear` hands its arguments to vitest and leaves
// types and lint out. Tests say what they miss through test/support/skip.ts.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const report = join(root, 'build', 'test-results.json');
const chosen = process.argv.slice(2);
const env = {
  ...process.env,
  ISOTORCH_TEST_DATA: process.env.ISOTORCH_TEST_DATA || resolve(root, '..', 'shared', 'data'),
};

const failures = [];

function run(name, file, args) {
  const start = performance.now();
  const ended = spawnSync(process.execPath, [join(root, 'node_modules', file), ...args], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  const good = ended.status === 0;
  if (!good) failures.push(ended.signal ? `${name} (${ended.signal})` : name);
  console.log(`${name}: ${good ? 'passed' : 'failed'} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

if (chosen.length === 0) {
  run('types', 'typescript/bin/tsc', [
    '-p',
    'tsconfig.check.json',
    '--incremental',
    '--tsBuildInfoFile',
    'build/types.tsbuildinfo',
  ]);
  run('lint', '@biomejs/biome/bin/biome', ['check', '.']);
}
rmSync(report, { force: true });
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
run('tests', 'vitest/vitest.mjs', ['run', ...reporters, ...chosen]);

const count = { passed: 0, failed: 0, skipped: 0 };
const skipped = new Map(); // what is missing → names of tests
for (const file of existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')).testResults : []) {
  // A file that fails before its first test counts as one.
  if (file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed')) count.failed += 1;
  for (const { status, fullName, meta } of file.assertionResults) {
    if (status === 'passed' || status === 'failed') count[status] += 1;
    else {
      count.skipped += 1;
      const reason = meta?.needs ?? conditionsIn(file.name);
      skipped.set(reason, [...(skipped.get(reason) ?? []), `${relative(root, file.name)}: ${fullName.trim()}`]);
    }
  }
}
// vitest ended without telling of a failure that it saw: a crash, or an error outside of any test.
if (failures.includes('tests') && count.failed === 0) count.failed = 1;
else if (!existsSync(report)) count.failed += 1;

console.log();
for (const [reason, tests] of skipped) {
  console.log(`Skipped for want of ${reason}: ${tests.length}`);
  for (const test of tests.slice(0, 5)) console.log(`  ${test}`);
  if (tests.length > 5) console.log(`  and ${tests.length - 5} more`);
}
if (failures.length > 0) console.log(`Failed: ${failures.join(', ')}`);
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = failures.length > 0 || count.failed > 0 ? 1 : 0;

/** For tests that skip by a bare skipIf: the conditions that their file names. */
function conditionsIn(file) {
  const conditions = readFileSync(file, 'utf8').matchAll(/\.(skipIf\(!?|runIf\()([^()]*(?:\([^()]*\))?[^()]*)\)/g);
  return [...new Set([...conditions].map(([, , condition]) => condition.trim()))].join(' or ') || 'a reason not given';
}
