// What a table of names is: an object whose keys are the names and whose rows say what they mean.

/** The names of a table, in its order. */
export const namesOf = <T extends object>(table: T): readonly (keyof T & string)[] =>
  Object.keys(table) as (keyof T & string)[];

/** The row of a name from anywhere; undefined where it is none of the table's. */
export const rowOf = <T extends object>(table: T, name: string): T[keyof T] | undefined =>
  isNameOf(table, name) ? table[name] : undefined;

export const isNameOf = <T extends object>(table: T, name: string): name is keyof T & string =>
  Object.hasOwn(table, name);
