// Text from outside, fit for a terminal: names of files, members of archives, hosts in lock files may hold characters that move
// the cursor, change colours or turn the reading direction. They are shown as �.

/** For text that stands in a line. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '�');

/** For text of several lines. */
export const printableLines = (text: string): string => text.replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/gu, '�');
