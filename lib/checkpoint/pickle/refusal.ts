// Why a file's class or function is refused, with advice where the reason is a common one.

const advice: readonly [RegExp, string][] = [
  [/_rebuild_wrapper/, 'This kind of tensor is made by Python code; save an ordinary one.'],
  [
    /^torch\.(bits|u?int[1-7]$|quint[24]x|float4|float6)/,
    'LibTorch has no arithmetic for this dtype; save another one.',
  ],
  [
    /^numpy\b/,
    'Of NumPy’s objects only arrays and scalars of numbers and booleans can be read; turn others into lists before saving.',
  ],
  [
    /^__main__\.|^torch\.nn\.modules\.|^torchvision\./,
    'The file seems to hold a whole model; in Python save its state dict: torch.save(model.state_dict(), path).',
  ],
];

/** @param ways how to get at the rest of the file, where it is known that there is one */
export function refusal(name: string, ways = ''): string {
  const hint = advice.find(([pattern]) => pattern.test(name))?.[1];
  return (
    `the file asks for the global ${JSON.stringify(name.slice(0, 200))}, which is not on isotorch’s list of harmless ones. Nothing was executed. ` +
    `${hint ?? 'Files may hold tensors, numbers, text, lists, tuples, sets and dicts.'}${ways} inspectTorch(path) shows what is inside.`
  );
}
