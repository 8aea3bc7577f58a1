// The right reader for a file, told from its first bytes.

import { detectFormat } from '../formats.js';
import type { ByteSource } from '../source.js';
import type { Container } from './container.js';
import { StreamContainer } from './stream.js';
import { TarContainer } from './tar.js';
import { ZipContainer } from './zip.js';

/**
 * @param scripts whether TorchScript may be opened too, to look at what its pickle describes
 * @throws ERR_FORMAT if it is no file of torch.save, saying what it is.
 */
export async function openContainer(source: ByteSource, scripts = false): Promise<Container> {
  const format = await detectFormat(source);
  if (format === 'zip') return await ZipContainer.open(source, scripts);
  return format === 'stream' ? new StreamContainer(source) : new TarContainer(source);
}
