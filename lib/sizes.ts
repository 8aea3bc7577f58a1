// Sizes for people, in the decimal units that disks and downloads are told in.

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `512 B`, `3.1 kB`, `1.2 GB` */
export function bytesInWords(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}
