// One number as text, to the letter as Python writes it: halves are rounded to even, exponents have two digits.

/** `nan`, `inf` or `-inf`; undefined for finite numbers. */
function special(x: number): string | undefined {
  if (Number.isNaN(x)) return 'nan';
  return Number.isFinite(x) ? undefined : x > 0 ? 'inf' : '-inf';
}

/** JavaScript rounds a half up; if that gave an odd digit, the even one is the one before, and no digit carries. */
function toEven(digits: string, half: boolean): string {
  const last = digits.charCodeAt(digits.length - 1) - 48;
  return half && last % 2 === 1 ? `${digits.slice(0, -1)}${last - 1}` : digits;
}

/**
 * Whether `x` lies just between two decimals of so many digits after the point. Only then is x · 10^digits · 2 an odd
 * integer; x is a fraction of a power of two, so the same holds of x · 2^(digits + 1), which is computed without loss.
 */
function isHalf(x: number, digits: number): boolean {
  if (digits >= 0) return Math.abs(x * 2 ** (digits + 1)) % 2 === 1;
  if (!Number.isInteger(x)) return false;
  const unit = 10n ** BigInt(-digits);
  const doubled = 2n * BigInt(Math.abs(x));
  return doubled % unit === 0n && (doubled / unit) % 2n === 1n;
}

/** `format(x, f'.{digits}f')` */
export function fixed(x: number, digits: number): string {
  const word = special(x);
  if (word !== undefined) return word;
  const size = Math.abs(x);
  const sign = x < 0 || Object.is(x, -0) ? '-' : '';
  // From 1e21 on toFixed gives exponents.
  if (size >= 1e21) return `${sign}${BigInt(size)}${digits > 0 ? `.${'0'.repeat(digits)}` : ''}`;
  return sign + toEven(size.toFixed(digits), isHalf(x, digits));
}

/** `format(x, f'.{digits}e')` */
export function exponential(x: number, digits: number): string {
  const word = special(x);
  if (word !== undefined) return word;
  const [mantissa, exponent] = Math.abs(x).toExponential(digits).split('e') as [string, string];
  const power = Number(exponent);
  const even = x === 0 ? mantissa : toEven(mantissa, isHalf(x, digits - power));
  return `${x < 0 || Object.is(x, -0) ? '-' : ''}${even}e${twoDigits(power)}`;
}

/** `repr(x)` of a float: the shortest decimal that is this number. */
export function shortest(x: number): string {
  const word = special(x);
  if (word !== undefined) return word;
  const [mantissa, exponent] = x.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (power < -4 || power >= 16) return `${mantissa}e${twoDigits(power)}`;
  const text = Object.is(x, -0) ? '-0' : String(x);
  return text.includes('.') ? text : `${text}.0`;
}

const twoDigits = (power: number): string => `${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
