// Distance heads in files: prototypes alone don't say how they become logits, so a file says which head of `losses` they are
// of, and its temperature.

import { expected, IsotorchError } from '../../errors.js';
import { DisMaxHead, IsoMaxHead, IsoMaxPlusHead } from '../../losses/index.js';
import { Parameter, type Tensor } from '../../tensor/index.js';

export const distanceHeadNames = ['isomax', 'isomaxplus', 'dismax'] as const;
export type DistanceHeadName = (typeof distanceHeadNames)[number];

export function nameOfDistanceHead(module: IsoMaxHead | IsoMaxPlusHead): DistanceHeadName {
  if (module instanceof DisMaxHead) return 'dismax';
  return module instanceof IsoMaxPlusHead ? 'isomaxplus' : 'isomax';
}

/**
 * A head with these values, in the same memory.
 * @param texts the file's: `head` and `temperature`
 * @param given what the caller says it is, which counts more than the file
 * @throws ERR_FORMAT when nobody says which head it is, or the file something that can't be
 */
export function makeDistanceHead(
  prototypes: Tensor,
  distanceScale: Tensor | null,
  texts: ReadonlyMap<string, string>,
  given: DistanceHeadName | undefined,
  where: string,
): IsoMaxHead | IsoMaxPlusHead {
  const bad = (problem: string) => new IsotorchError('ERR_FORMAT', `${where}: ${problem}`);
  if (given !== undefined && !distanceHeadNames.includes(given))
    throw expected(`one of ${distanceHeadNames.join(', ')}`, 'head', given);
  const name = given ?? texts.get('head') ?? (distanceScale ? undefined : 'isomax');
  if (name === undefined)
    throw bad(
      "prototypes with a distance_scale are of IsoMax+ or of DisMax: say which, head: 'isomaxplus' or 'dismax'",
    );
  if (name !== 'isomax' && name !== 'isomaxplus' && name !== 'dismax')
    throw bad(`expected a head that is one of ${distanceHeadNames.join(', ')}, received ${JSON.stringify(name)}`);
  if ((name === 'isomax') === (distanceScale !== null))
    throw bad(name === 'isomax' ? 'IsoMax has no distance_scale' : `${name} needs a distance_scale`);
  const temperature = Number(texts.get('temperature') ?? 1);
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw bad(`expected a temperature that is a positive number, received ${texts.get('temperature')}`);
  const [classes, features] = prototypes.shape as [number, number];
  const Head = { isomax: IsoMaxHead, isomaxplus: IsoMaxPlusHead, dismax: DisMaxHead }[name];
  // Without initial values, which would move LibTorch's random generator on.
  const head = new Head(features, classes, { temperature, device: 'meta' });
  for (const parameter of head.parameters()) parameter.dispose();
  head.prototypes = new Parameter(prototypes, false);
  if (head instanceof IsoMaxPlusHead && distanceScale) head.distanceScale = new Parameter(distanceScale, false);
  return head;
}
