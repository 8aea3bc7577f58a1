// Out-of-distribution detection against what people use for it in Python; needs scikit-learn beside PyTorch.

import type { Report, Row } from '../compare.js';
import type { Peer } from '../peer.js';
import { oodDetectors } from './oodDetectors.js';
import { oodMetrics } from './oodMetrics.js';

export async function ood(peer: Peer | undefined, report: Report): Promise<Row[]> {
  return [...(await oodMetrics(peer, report)), ...(await oodDetectors(peer, report))];
}
