// Padding layers, a row each. `padding` is one number for all sides, or [left, right, top, bottom, front, back] as far as
// there are directions; negative numbers cut off.

import { withDimensions } from '../arguments.js';
import { bare, number, sides } from '../fields.js';
import { pad } from '../functional/vision.js';
import { layer } from '../layer.js';

/** One number for both ends, or one for each. */
export type Sides1 = number | readonly [left: number, right: number];
/** One number for all edges, or one for each. */
export type Sides2 = number | readonly [left: number, right: number, top: number, bottom: number];
/** One number for all faces, or one for each. */
export type Sides3 =
  | number
  | readonly [left: number, right: number, top: number, bottom: number, front: number, back: number];

const fields1 = { padding: bare(sides(2)) };
const fields2 = { padding: bare(sides(4)) };
const fields3 = { padding: bare(sides(6)) };

/** Zeros around [N, C, L] or [C, L] (`torch.nn.ZeroPad1d`). */
export class ZeroPad1d extends layer<[padding: Sides1]>()(fields1, (x, { padding }) => pad(x, padding)) {}
/** Zeros around [N, C, H, W] or [C, H, W] (`torch.nn.ZeroPad2d`). @example new nn.ZeroPad2d([1, 1, 2, 0]) */
export class ZeroPad2d extends layer<[padding: Sides2]>()(fields2, (x, { padding }) => pad(x, padding)) {}
/** Zeros around [N, C, D, H, W] or [C, D, H, W] (`torch.nn.ZeroPad3d`). */
export class ZeroPad3d extends layer<[padding: Sides3]>()(fields3, (x, { padding }) => pad(x, padding)) {}

/** `value` around [N, C, L] or [C, L] (`torch.nn.ConstantPad1d`). */
export class ConstantPad1d extends layer<[padding: Sides1, value: number]>()(
  { padding: sides(2), value: number() },
  (x, { padding, value }) => pad(x, padding, 'constant', value),
) {}
/** `value` around [N, C, H, W] or [C, H, W] (`torch.nn.ConstantPad2d`). */
export class ConstantPad2d extends layer<[padding: Sides2, value: number]>()(
  { padding: sides(4), value: number() },
  (x, { padding, value }) => pad(x, padding, 'constant', value),
) {}
/** `value` around [N, C, D, H, W] or [C, D, H, W] (`torch.nn.ConstantPad3d`). */
export class ConstantPad3d extends layer<[padding: Sides3, value: number]>()(
  { padding: sides(6), value: number() },
  (x, { padding, value }) => pad(x, padding, 'constant', value),
) {}

/** The input mirrored at its ends, which are not repeated (`torch.nn.ReflectionPad1d`). */
export class ReflectionPad1d extends layer<[padding: Sides1]>()(fields1, (x, { padding }) =>
  pad(x, padding, 'reflect'),
) {}
/** The same at four edges (`torch.nn.ReflectionPad2d`). */
export class ReflectionPad2d extends layer<[padding: Sides2]>()(fields2, (x, { padding }) =>
  pad(x, padding, 'reflect'),
) {}
/** The same at six faces (`torch.nn.ReflectionPad3d`). */
export class ReflectionPad3d extends layer<[padding: Sides3]>()(fields3, (x, { padding }) =>
  pad(x, padding, 'reflect'),
) {}

/** The values of the ends again (`torch.nn.ReplicationPad1d`). */
export class ReplicationPad1d extends layer<[padding: Sides1]>()(fields1, (x, { padding }) =>
  pad(x, padding, 'replicate'),
) {}
/** The same at four edges (`torch.nn.ReplicationPad2d`). */
export class ReplicationPad2d extends layer<[padding: Sides2]>()(fields2, (x, { padding }) =>
  pad(x, padding, 'replicate'),
) {}
/** The same at six faces (`torch.nn.ReplicationPad3d`). */
export class ReplicationPad3d extends layer<[padding: Sides3]>()(fields3, (x, { padding }) =>
  pad(x, padding, 'replicate'),
) {}

/** The values of the other end, as if the input were a ring (`torch.nn.CircularPad1d`). */
export class CircularPad1d extends layer<[padding: Sides1]>()(fields1, (x, { padding }) =>
  pad(withDimensions(x, 'CircularPad1d', 2, 3), padding, 'circular'),
) {}
/** The same at four edges (`torch.nn.CircularPad2d`). */
export class CircularPad2d extends layer<[padding: Sides2]>()(fields2, (x, { padding }) =>
  pad(withDimensions(x, 'CircularPad2d', 3, 4), padding, 'circular'),
) {}
/** The same at six faces (`torch.nn.CircularPad3d`). */
export class CircularPad3d extends layer<[padding: Sides3]>()(fields3, (x, { padding }) =>
  pad(withDimensions(x, 'CircularPad3d', 4, 5), padding, 'circular'),
) {}
