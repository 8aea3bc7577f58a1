// What a bundle holds: the layout of a checkout, as far as a build, the tests and the benchmarks need it, so that every
// path in them means the same there. Each part is a list of [file here, name in the bundle].
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { filesBelow, readJson } from '../setup/stamps.mjs';
import { packageFiles } from './packages.mjs';

/** Tests of a checkout itself: set-up, packing, the README's examples. */
const testsOfCheckout = /^test\/(01-setup|03-package|04-bundle|95-readme)\.|^test\/soak\//;

/** The parts with their files, in the order in which they are told. `root`: a checkout that is set up. */
export function contents(root) {
  const below = (...paths) =>
    paths.flatMap((path) => filesBelow(join(root, path))).map((file) => file.slice(root.length + 1));
  const same = (files) => files.map((file) => [join(root, file), file]);
  return {
    'native sources': same(below('native', 'cmake', 'CMakeLists.txt')),
    'built TypeScript': same(below('dist', 'assets').filter((file) => !/\.d\.ts(\.map)?$/.test(file))),
    'TypeScript sources': same(below('lib')), // what tests and benchmarks import
    tests: same(below('test', 'vitest.config.ts').filter((file) => !testsOfCheckout.test(file) && isSource(file))),
    benchmarks: same(below('benchmarks').filter((file) => !file.startsWith('benchmarks/results/') && isSource(file))),
    'npm packages': same(packageFiles(root)),
    scripts: [
      ...same(below('scripts/setup').filter((file) => !/(install|lock)\.mjs$/.test(file))),
      ...same([
        'scripts/bundle/run.mjs',
        'scripts/bundle/torch.mjs',
        'scripts/generate-operators.ts',
        'scripts/test.mjs',
      ]),
      [join(root, 'scripts/bundle/run.sh'), 'run.sh'],
    ],
    'licence and manual': [
      ...same(['LICENSE', ...below('docs')]),
      [join(root, 'docs/bundle.md'), 'README.md'],
      ...nodeLicence().map((file) => [file, 'bin/LICENSE']),
    ],
  };
}

const isSource = (file) => !file.includes('/__pycache__/');

/** package.json as far as it speaks to Node: no scripts, and nothing to install. */
export function manifest(root) {
  const { name, version, license, type, engines, exports, bin, dependencies } = readJson(join(root, 'package.json'));
  return { name, version, license, type, engines, exports, bin, dependencies };
}

/** The licence of the Node that runs this, as an archive or a package of a distribution brings it; none if it is nowhere. */
function nodeLicence() {
  const prefix = dirname(dirname(process.execPath));
  const places = ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/node/LICENSE', 'share/doc/nodejs/copyright'];
  return places
    .map((place) => join(prefix, place))
    .filter((file) => existsSync(file) && basename(dirname(file)) !== 'usr')
    .slice(0, 1);
}
