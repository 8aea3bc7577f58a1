// Text from a file, for messages and listings: it must not move a terminal's cursor or change its colours.

/** In quotation marks, as in JSON, and cut short; what can't be seen is escaped. */
export const visible = (text: string): string =>
  JSON.stringify(text.slice(0, 300)).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
