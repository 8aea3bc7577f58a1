// What a training may compute its matrix products and convolutions in.

export const precisions = ['float32', 'bfloat16', 'float16'] as const;
export type Precision = (typeof precisions)[number];
