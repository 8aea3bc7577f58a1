// How tensors print: PyTorch's settings and defaults (`torch.set_printoptions`), for this thread.

import { expected } from '../../errors.js';

export interface PrintOptions {
  /** Digits after the point. Default 4. */
  precision: number;
  /** Tensors of more elements are summarised. Default 1000; Infinity: never. */
  threshold: number;
  /** Items shown at the beginning and at the end of each dimension of a summarised tensor. Default 3. */
  edgeitems: number;
  /** Characters in a line. Default 80. */
  linewidth: number;
  /** Scientific notation always or never; null, the default: where the values call for it. */
  sciMode: boolean | null;
}

const standard: PrintOptions = { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sciMode: null };

const profiles = {
  default: {},
  short: { precision: 2, edgeitems: 2 },
  full: { threshold: Number.POSITIVE_INFINITY },
} satisfies Record<string, Partial<PrintOptions>>;

let current: PrintOptions = standard;

function check(name: keyof PrintOptions, value: unknown, least: number, most: number): void {
  const whole = Number.isInteger(value) || (value === most && !Number.isFinite(most));
  if (!whole || (value as number) < least || (value as number) > most)
    throw expected(`an integer of ${least} to ${most}`, name, value);
}

/**
 * Changes how tensors print from now on (`torch.set_printoptions`). `profile` sets all but `sciMode` first: `'default'`,
 * `'short'` (2 digits, 2 edge items) or `'full'` (never summarised). As in PyTorch, `sciMode` is null again unless given.
 *
 * @throws ERR_ARGUMENT and changes nothing for a value out of its range.
 * @example torch.setPrintOptions({ precision: 2 });
 */
export function setPrintOptions({
  profile,
  ...given
}: Partial<PrintOptions> & { profile?: keyof typeof profiles } = {}): void {
  if (profile !== undefined && !Object.hasOwn(profiles, profile))
    throw expected("'default', 'short' or 'full'", 'profile', profile);
  const options: PrintOptions = {
    ...(profile === undefined ? current : { ...standard, ...profiles[profile] }),
    sciMode: null,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
  check('precision', options.precision, 0, 100);
  check('threshold', options.threshold, 0, Number.POSITIVE_INFINITY);
  check('edgeitems', options.edgeitems, 0, 2 ** 31);
  check('linewidth', options.linewidth, 1, Number.POSITIVE_INFINITY);
  if (options.sciMode !== null && typeof options.sciMode !== 'boolean')
    throw expected('a boolean or null', 'sciMode', options.sciMode);
  const { precision, threshold, edgeitems, linewidth, sciMode } = options;
  current = { precision, threshold, edgeitems, linewidth, sciMode };
}

/** The settings in force, as `setPrintOptions` takes them (`torch._tensor_str.get_printoptions`). */
export const getPrintOptions = (): Readonly<PrintOptions> => ({ ...current });
