// The exact distance to the k-th nearest row of a bank, at the speed of a float32 matrix product. The product finds the
// candidates; the distance that is returned is that of a difference in float64, so that duplicates are at 0 and near
// neighbours keep their digits. Where the product's rounding leaves open which row is the k-th, a float64 one decides.
//
// Selecting from a row of 50,000 similarities costs as much as a third of the product. Here columns are put in groups: the k
// largest lie in the k groups with the largest maxima, so only a maximum is taken of all.

import { type Tensor, tidy, torch } from '../../tensor/index.js';
import { byQueries, byRows, TILE_QUERIES, TILE_ROWS } from './bank.js';

/** Candidates looked at on either side of the k-th. */
const SPARE = 4;

/** Bank rows of a tile in float64, of which a copy may have to be made. */
const WIDE_ROWS = 1 << 13;

/** Largest values of each row and the columns that they are in, both [Q, ·]. */
interface Candidates {
  values: Tensor;
  columns: Tensor;
}

/** Rows of norm 1 or 0, and ½ ‖b‖² of each, which says more exactly how long they came out. */
export interface Bank {
  /** [M, D], float32 or float64 */
  bank: Tensor;
  /** float64 [M] */
  halfSquares: Tensor;
}

/**
 * ‖q − b‖² to the k-th nearest row b of the bank, for each query.
 *
 * @param queries [N, D], of norm 1 or 0, of the bank's dtype
 * @param k at most M
 * @returns float64 [N]
 */
export function kthSquaredDistance(queries: Tensor, { bank, halfSquares }: Bank, k: number): Tensor {
  const [images, size] = bank.shape as [number, number];
  const exactly = (part: Tensor) => kthOf(part, bank, mostSimilar(part.to('float64'), bank, halfSquares, k).columns, k);
  if (bank.dtype === 'float64') return byQueries(queries, exactly);

  // Nearest is what has the largest ⟨q, b⟩ − ½ ‖b‖². In float32, norms have a say only where some are 0.
  const nonUnit = halfSquares.eq(0).any().item() ? halfSquares.to('float32') : null;
  const scratch = torch.empty([Math.min(TILE_QUERIES, queries.shape[0]!), Math.min(TILE_ROWS, images)], {
    device: bank.device,
  });
  const distances = byQueries(queries, (part) => {
    const { values, columns } = mostSimilar(part, bank, nonUnit, k, scratch);
    const [from, to] = [Math.max(0, k - 1 - SPARE), columns.shape[1]!];
    const found = kthOf(part, bank, columns.narrow(1, from, to - from), k - from);
    return found.maskedFill_(undecided(values, k, from, to === images, size), Number.NaN);
  });
  const open = distances.isnan().nonzero().flatten();
  return open.shape[0] === 0
    ? distances
    : distances.indexCopy_(0, open, byQueries(queries.indexSelect(0, open), exactly));
}

/**
 * Rows [Q] for which rounding leaves open whether all candidates before `from` are nearer than the k-th, and all rows that
 * are no candidates further. The bound of a product's error is the probabilistic one, √D units of rounding times ‖q‖ ‖b‖
 * (Higham & Mary, "A New Approach to Probabilistic Rounding Error Analysis", 2019).
 */
function undecided(values: Tensor, k: number, from: number, complete: boolean, size: number): Tensor {
  const slack = 2 * (Math.sqrt(size) + 2) * 2 ** -24;
  const at = (column: number) => values.select(1, column);
  const kth = at(k - 1);
  const never = () => kth.ne(kth); // but for NaN, which float64 shall tell
  const before = from === 0 ? never() : at(from).gt(kth.add(slack)).logicalNot();
  const after = complete
    ? never()
    : at(values.shape[1]! - 1)
        .lt(kth.sub(slack))
        .logicalNot();
  return before.logicalOr(after);
}

/** The k-th smallest of the exact distances to rows `columns` [Q, W] of the bank: float64 [Q]. */
function kthOf(queries: Tensor, bank: Tensor, columns: Tensor, k: number): Tensor {
  const [rows, width] = columns.shape as [number, number];
  const neighbours = bank.indexSelect(0, columns.flatten()).view([rows, width, -1]).to('float64');
  const squares = neighbours.sub_(queries.unsqueeze(1)).square_().sum(2);
  return squares.kthvalue(k, 1).values;
}

/**
 * The k + SPARE rows of the bank of largest ⟨q, b⟩ − ½ ‖b‖², or all, largest first, in the queries' dtype. `scratch` takes the
 * products of a tile, so that no memory is asked for anew each time.
 */
function mostSimilar(
  queries: Tensor,
  bank: Tensor,
  halfSquares: Tensor | null,
  k: number,
  scratch?: Tensor,
): Candidates {
  const wanted = Math.min(bank.shape[0]!, k + SPARE);
  let best: Candidates | undefined;
  const use = (start: number, length: number): void => {
    const found = tidy(() => {
      const rows = bank.narrow(0, start, length).to(queries.dtype).t();
      const out = scratch?.narrow(0, 0, queries.shape[0]!).narrow(1, 0, length);
      const similarities = out ? torch.mm(queries, rows, { out }) : queries.mm(rows);
      if (halfSquares) similarities.sub_(halfSquares.narrow(0, start, length));
      return largest(similarities, Math.min(wanted, length));
    });
    found.columns.add_(start);
    best = best
      ? { values: torch.cat([best.values, found.values], 1), columns: torch.cat([best.columns, found.columns], 1) }
      : found;
  };
  byRows(bank.shape[0]!, use, scratch ? TILE_ROWS : WIDE_ROWS);
  const { values, columns } = best!;
  const top = values.topk(wanted, 1);
  return { values: top.values, columns: columns.gather(1, top.indices) };
}

/** The `count` largest of each row, unsorted. */
function largest(similarities: Tensor, count: number): Candidates {
  const [rows, columns] = similarities.shape as [number, number];
  const perGroup = Math.floor(Math.sqrt(columns / (3 * count))); // taking a column out costs some three times a selection
  if (perGroup < 4) {
    const { values, indices } = similarities.topk(count, 1, true, false);
    return { values, columns: indices };
  }
  // Group j holds columns j, j + groups, j + 2 · groups …, so that maxima are taken of whole rows at once.
  const groups = Math.floor(columns / perGroup);
  const [inGroups, inChosen] = [groups * perGroup, perGroup * count];
  const grouped = similarities.narrow(1, 0, inGroups).view([rows, perGroup, groups]);
  const chosen = grouped.amax([1]).topk(count, 1, true, false).indices;
  const members = grouped.gather(2, chosen.unsqueeze(1).expand([rows, perGroup, count])).view([rows, inChosen]);
  const { values, indices } = torch
    .cat([members, similarities.narrow(1, inGroups, columns - inGroups)], 1)
    .topk(count, 1, true, false);
  const member = indices.div(count, { roundingMode: 'floor' }).mul_(groups);
  const column = member.add_(chosen.gather(1, indices.remainder(count)));
  return { values, columns: torch.where(indices.lt(inChosen), column, indices.add(inGroups - inChosen)) };
}
