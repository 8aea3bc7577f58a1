// A character transformer: two causal layers that learn to go on with the text of this package's documentation.

import { readdirSync, readFileSync } from 'node:fs';
import { capture, nn, optim, type Tensor, torch } from '../../lib/rooms.js';
import { main, type Training, times } from './training.js';

const BATCH = 12;
/** Characters that a prediction sees. */
const CONTEXT = 64;
const WIDTH = 64;

/** The characters of docs/*.md as numbers, and how many different ones there are. A character is a byte here. */
function text(): { characters: Tensor; vocabulary: number } {
  const folder = new URL('../../docs/', import.meta.url);
  const pages = readdirSync(folder).filter((name) => name.endsWith('.md'));
  const bytes = Buffer.concat(pages.sort().map((name) => readFileSync(new URL(name, folder))));
  const [different, characters] = torch.unique(torch.fromBuffer(bytes, { dtype: 'uint8', shape: [bytes.length] }), {
    returnInverse: true,
  });
  return { characters, vocabulary: different.shape[0]! };
}

class CharTransformer extends nn.Module<Tensor, [characters: Tensor]> {
  readonly tokens: nn.Embedding;
  readonly places = new nn.Embedding(CONTEXT, WIDTH);
  readonly encoder: nn.TransformerEncoder;
  readonly head: nn.Linear;
  readonly #mask = nn.Transformer.generateSquareSubsequentMask(CONTEXT);
  readonly #all = torch.arange(CONTEXT);

  constructor(vocabulary: number) {
    super();
    this.tokens = new nn.Embedding(vocabulary, WIDTH);
    const layer = new nn.TransformerEncoderLayer(WIDTH, 4, {
      dimFeedforward: 4 * WIDTH,
      dropout: 0,
      batchFirst: true,
      normFirst: true,
    });
    this.encoder = new nn.TransformerEncoder(layer, 2, { norm: new nn.LayerNorm(WIDTH) });
    this.head = new nn.Linear(WIDTH, vocabulary);
  }

  /** [N, CONTEXT] → logits of each next character, [N, CONTEXT, vocabulary]. */
  override forward(characters: Tensor): Tensor {
    const x = this.tokens.forward(characters).add(this.places.forward(this.#all));
    return this.head.forward(this.encoder.forward(x, { mask: this.#mask }));
  }
}

export const charTransformer: Training = {
  steps: 1000,
  begin() {
    torch.manualSeed(0);
    const { characters, vocabulary } = text();
    const model = new CharTransformer(vocabulary);
    const criterion = new nn.CrossEntropyLoss();
    const optimizer = new optim.AdamW(model.parameters(), { lr: 2e-3 });
    const window = torch.arange(CONTEXT + 1);

    const step = capture(() => {
      const starts = torch.randint(characters.shape[0]! - CONTEXT, [BATCH, 1]);
      const passage = characters.take(starts.add(window));
      const logits = model.forward(passage.narrow(1, 0, CONTEXT));
      const loss = criterion.forward(logits.flatten(0, 1), passage.narrow(1, 1, CONTEXT).flatten());
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return { loss };
    });

    return { train: async (count) => (await step.repeat(times(count))).loss };
  },
};

await main(import.meta.url, charTransformer);
