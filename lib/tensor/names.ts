// How LibTorch's snake_case names become JavaScript's camelCase ones. Leading and trailing underscores are part of a
// name's meaning (internal, in place) and stay: `_fused_sgd_` → `_fusedSgd_`, `__and__` → `__and__`.

export function camelCase(name: string): string {
  return name.replace(/(?<=[a-zA-Z0-9])_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** `torch.linalg.norm` for `aten::linalg_norm`, as in Python; everything else of aten is `torch.<name>`. */
export const namespaces = ['linalg', 'fft', 'special'] as const;
export type Namespace = (typeof namespaces)[number];

/** Where Python would look for an operator of aten: `['linalg', 'norm']` or `['', 'add']`. */
export function placeOf(operator: string): [Namespace | '', string] {
  for (const namespace of namespaces) {
    if (operator.startsWith(`${namespace}_`)) return [namespace, operator.slice(namespace.length + 1)];
  }
  return ['', operator];
}
