import type { Report, Row } from '../compare.js';
import type { Peer } from '../peer.js';
export async function isomax(_peer: Peer | undefined, _report: Report): Promise<Row[]> {
  return [];
}
