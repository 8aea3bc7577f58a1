// A detector as one safetensors file: what it has learnt as tensors `detector.…`, its name and settings as texts. Other things
// that belong to it (a threshold, a calibration) stand beside as parts, each under a prefix of its own. Texts are
// `isotorch.…`; a part's are `part.…`. Nothing in a file is executed, and a file that says too little or too much is refused.

import { loadSafetensors, saveSafetensors } from '../../checkpoint/index.js';
import { expected, IsotorchError } from '../../errors.js';
import type { Settings } from '../../known/detectorSettings.js';
import { packageVersion } from '../../libtorch.js';
import type { Device, Tensor } from '../../tensor/index.js';
import type { AnyDetector } from '../images/imageDetector.js';
import { learns, type State } from './detector.js';
import { byName } from './registry.js';

/** Of the format. A reader refuses later ones. */
const FORMAT = 'isotorch detector';
const VERSION = 1;

/** Something saved beside a detector: texts and tensors by names of its own. */
export interface DetectorPart {
  readonly texts: Readonly<Record<string, string>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** By names of lower-case letters, digits and `-`, none of them `detector` or `isotorch`. */
export type DetectorParts = Readonly<Record<string, Partial<DetectorPart>>>;

export interface SaveDetectorOptions {
  readonly parts?: DetectorParts;
}

/** Makes the detector that a name and settings describe, not fitted yet. @throws for a name it does not know */
export type MakeDetector = (name: string, settings: Settings) => AnyDetector;

export interface LoadDetectorOptions {
  /** Where its tensors go. @default 'cpu' */
  readonly device?: Device;
  /** For detectors of your own. @default byName */
  readonly makeDetector?: MakeDetector;
}

export interface DetectorFile {
  /** Ready to score. */
  readonly detector: AnyDetector;
  /** What was saved beside it. The tensors are the caller's. */
  readonly parts: Readonly<Record<string, DetectorPart>>;
  /** Of the isotorch that wrote the file. */
  readonly isotorch: string;
}

/**
 * Writes a detector with its settings and what it has learnt. Equal detectors give equal bytes. The file appears whole or
 * not at all.
 *
 * @throws ERR_ARGUMENT for a detector that has yet to be fitted, one that `byName` doesn't know, or a part's name that is
 *   none; ERR_FILE
 * @example
 * await detector.fit(training);
 * await saveDetector('react.safetensors', detector);
 */
export async function saveDetector(
  path: string,
  detector: AnyDetector,
  { parts = {} }: SaveDetectorOptions = {},
): Promise<void> {
  byName(detector.name, detector.settings);
  await writeDetector(path, detector, parts);
}

/** The same for detectors of any name, which a reader must know how to make. */
export async function writeDetector(path: string, detector: AnyDetector, parts: DetectorParts): Promise<void> {
  const { name, settings } = detector;
  const tensors: Record<string, Tensor> = {};
  const metadata: Record<string, string> = {
    'isotorch.format': FORMAT,
    'isotorch.version': String(VERSION),
    'isotorch.package': packageVersion(),
    'isotorch.detector': name,
    'isotorch.settings': JSON.stringify(settings),
    'isotorch.parts': JSON.stringify(Object.keys(parts)),
  };
  const state = learns(detector) ? detector.state() : {};
  for (const [key, tensor] of Object.entries(state)) tensors[`detector.${key}`] = tensor;
  for (const [part, { texts = {}, tensors: own = {} }] of Object.entries(parts)) {
    if (!isPartName(part)) throw expected('a name of lower-case letters, digits and -', 'a part', part);
    for (const [key, text] of Object.entries(texts)) metadata[`${part}.${key}`] = text;
    for (const [key, tensor] of Object.entries(own)) tensors[`${part}.${key}`] = tensor;
  }
  await saveSafetensors(path, tensors, { metadata, shared: 'copy' });
}

/**
 * The detector of a file, ready to score: it gives the scores of the saved one, bit for bit.
 *
 * @throws ERR_FILE when it can't be read; ERR_FORMAT when it is no detector's file, of a later version, or its name and
 *   settings don't exist here; ERR_STATE_DICT when its tensors aren't those that such a detector learns
 * @example const detector = await loadDetector('react.safetensors');
 */
export async function loadDetector(path: string, options: LoadDetectorOptions = {}): Promise<AnyDetector> {
  const { detector, parts } = await loadDetectorFile(path, options);
  for (const { tensors } of Object.values(parts)) for (const tensor of Object.values(tensors)) tensor.dispose();
  return detector;
}

/**
 * As `loadDetector`, with what was saved beside the detector.
 * @throws as `loadDetector`
 * @example const { detector, parts } = await loadDetectorFile('react.safetensors');
 */
export async function loadDetectorFile(path: string, options: LoadDetectorOptions = {}): Promise<DetectorFile> {
  const { makeDetector = byName, ...where } = options;
  const file = await loadSafetensors(path, where);
  const taken = new Set<Tensor>();
  try {
    const bad = (problem: string, cause?: unknown) => new IsotorchError('ERR_FORMAT', `${path}: ${problem}`, { cause });
    const text = (key: string): string => {
      const value = file.metadata.get(`isotorch.${key}`);
      if (value === undefined) throw bad(`expected a detector's file, with the text isotorch.${key}`);
      return value;
    };
    if (text('format') !== FORMAT)
      throw bad(`expected a detector's file, its format is ${text('format').slice(0, 60)}`);
    if (text('version') !== String(VERSION))
      throw bad(
        `expected version ${VERSION} of the format, received ${text('version').slice(0, 60)}; use a newer isotorch`,
      );

    const isotorch = text('package');
    const names = partNames(text('parts'));
    if (names === null) throw bad('expected a JSON array of names as the text isotorch.parts');
    const texts = split(new Map([...file.metadata].filter(([key]) => !key.startsWith('isotorch.'))), names);
    const tensors = split(file, ['detector', ...names]);
    if (texts === null || tensors === null) throw bad('it has texts or tensors that belong to none of its parts');

    const settings = parsed(text('settings'));
    if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
      throw bad('its settings are no JSON object');
    const detector = restored(() => makeDetector(text('detector'), settings as Settings), tensors.detector!, bad);
    const parts = names.map((name) => [name, { texts: texts[name]!, tensors: tensors[name]! }] as const);
    for (const [, part] of parts) for (const tensor of Object.values(part.tensors)) taken.add(tensor);
    return { detector, parts: Object.fromEntries(parts), isotorch };
  } finally {
    for (const tensor of file.values()) if (!taken.has(tensor)) tensor.dispose();
  }
}

function restored(
  make: () => AnyDetector,
  state: State,
  bad: (problem: string, cause: unknown) => IsotorchError,
): AnyDetector {
  let detector: AnyDetector | undefined;
  try {
    detector = make();
    if (learns(detector)) detector.load(state);
    else if (Object.keys(state).length > 0)
      throw new IsotorchError(
        'ERR_STATE_DICT',
        `${detector.name} learns nothing, but there are ${Object.keys(state).slice(0, 8).join(', ')}`,
      );
    return detector;
  } catch (cause) {
    if (detector !== undefined && cause instanceof IsotorchError) throw cause;
    throw bad(`its detector can't be made: ${(cause as Error).message}`, cause);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isPartName = (name: unknown): name is string =>
  typeof name === 'string' && /^[a-z][a-z\d-]*$/.test(name) && name !== 'detector' && name !== 'isotorch';

function partNames(text: string): string[] | null {
  const names = parsed(text);
  return Array.isArray(names) && names.every(isPartName) && new Set(names).size === names.length ? names : null;
}

/** `prefix.key` → by prefix, by key; null when one has no such prefix. */
function split<T>(
  entries: ReadonlyMap<string, T>,
  prefixes: readonly string[],
): Record<string, Record<string, T>> | null {
  const parts = new Map(prefixes.map((prefix) => [prefix, [] as [string, T][]]));
  for (const [key, value] of entries) {
    const dot = key.indexOf('.');
    const part = parts.get(key.slice(0, Math.max(dot, 0)));
    if (part === undefined) return null;
    part.push([key.slice(dot + 1), value]);
  }
  return Object.fromEntries([...parts].map(([prefix, part]) => [prefix, Object.fromEntries(part)]));
}
