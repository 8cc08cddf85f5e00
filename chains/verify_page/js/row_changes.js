// SPDX-License-Identifier: Apache-2.0
// Which rows of a file were changed, added or removed, and in which columns (docs/spec/manifest.md). Both sides come in
// blocks of { tags, rows() } and are read once: of each at most 65,536 rows are held while the place is looked for where
// both go on alike. A row is { tag, cells } as recorded, { tag, row, line } as at hand.

import { sameBytes } from "./bytes.js";
import { CELL_TAG_SIZE, ROW_TAG_SIZE } from "./manifest_rows.js";

/** How far is looked for rows that both sides have, wider while none are found; most changes are of one row. */
const WINDOWS = [16, 256, 4096, 65536];

/** The rows of one side: those that were looked ahead at, and behind them blocks that were not read yet. */
class Side {
  #ahead = [];
  #first = 0; // of those that are ahead
  place = 0;

  constructor(blocks) {
    this.blocks = blocks;
  }

  get size() {
    return this.#ahead.length - this.#first;
  }

  /** The next block, or null at the end; it is not looked ahead at. */
  async block() {
    const { done, value } = await this.blocks.next();
    return done ? null : value;
  }

  put(block) {
    if (block === null) return;
    this.#ahead = this.#ahead.slice(this.#first);
    this.#first = 0;
    for (const row of block.rows()) this.#ahead.push(row);
  }

  /** Look ahead at `count` rows at least; how many of them there are. */
  async look(count) {
    while (this.size < count) {
      const block = await this.block();
      if (block === null) break;
      this.put(block);
    }
    return Math.min(count, this.size);
  }

  first() {
    return this.#ahead[this.#first];
  }

  tags(count) {
    return this.#ahead.slice(this.#first, this.#first + count).map(({ tag }) => tag);
  }

  /** The next rows, which were looked at; it goes on behind them. */
  take(count) {
    const rows = this.#ahead.slice(this.#first, this.#first + count);
    this.#first += count;
    this.place += count;
    return rows;
  }
}

/** The tag at a place of a block, as text that can be compared. */
export function tagAt(tags, place) {
  return String.fromCharCode(...tags.subarray(ROW_TAG_SIZE * place, ROW_TAG_SIZE * (place + 1)));
}

/**
 * Every change, in order: { wasRow, nowRow, line, columns }, counted from 1, null where one side has no such row. Rows
 * between two that are alike are paired as they stand. `tagsOfCells` gives the tags of the cells of a row at hand.
 */
export async function* rowChanges(was, now, tagsOfCells) {
  const before = new Side(was);
  const after = new Side(now);
  for (;;) {
    if (!before.size && !after.size) await skipAlike(before, after);
    if ((await before.look(1)) + (await after.look(1)) === 0) return;
    const isAlike = takeAlike(before, after);
    if (isAlike && !(before.size && after.size)) continue; // the rest of a block is not read yet
    const [wasCount, nowCount] = await parted(before, after);
    yield* told(before, after, wasCount, nowCount, tagsOfCells);
  }
}

/** Go on behind whole blocks that are alike, and look ahead at the first that are not. */
async function skipAlike(before, after) {
  for (;;) {
    const [old, fresh] = [await before.block(), await after.block()];
    if (old === null || fresh === null || !sameBytes(old.tags, fresh.tags)) {
      before.put(old);
      after.put(fresh);
      return;
    }
    before.place += old.tags.length / ROW_TAG_SIZE;
    after.place += fresh.tags.length / ROW_TAG_SIZE;
  }
}

/** Take the rows at the beginning of both that are alike; whether there were any. */
function takeAlike(before, after) {
  const start = before.place;
  while (before.size && after.size && before.first().tag === after.first().tag) {
    before.take(1);
    after.take(1);
  }
  return before.place > start;
}

/** How many rows of each side stand before the next that both have; the window where there is none. */
async function parted(before, after) {
  let sizes = [0, 0];
  for (const window of WINDOWS) {
    sizes = [await before.look(window), await after.look(window)];
    const [was, now] = [before.tags(window), after.tags(window)];
    const isPlain = window > WINDOWS[0] || [was, now].every((tags) => new Set(tags).size === tags.length);
    const found = (isPlain ? meeting(was, now) : null) || (await fewestEdits(was, now, before, after, window));
    if (found !== null) return found;
    if (Math.max(...sizes) < window) break; // both were read to their ends
  }
  return sizes;
}

/** The places of the first tag that both have: the fewest rows before it, of both sides together. */
function meeting(before, after) {
  const places = new Map();
  before.forEach((tag, place) => {
    if (!places.has(tag)) places.set(tag, place);
  });
  let best = null;
  after.forEach((tag, now) => {
    const was = places.get(tag);
    if (was === undefined) return;
    const isNearer = best === null || was + now < best[0] + best[1] || (was + now === best[0] + best[1] && was < best[0]);
    if (isNearer) best = [was, now];
  });
  return best;
}

/**
 * The same where rows repeat: on the way of the fewest changed, added and removed rows. What one side has behind the
 * other's end counts nothing, unless both end here.
 */
async function fewestEdits(was, now, before, after, window) {
  const areEnds = (await before.look(window + 1)) + (await after.look(window + 1)) === was.length + now.length;
  const tags = new Set(was);
  if (was.length > WINDOWS[0] || !now.some((tag) => tags.has(tag))) return null;
  const edits = editTable(was, now, areEnds);
  let [i, j] = [0, 0];
  while (i < was.length && j < now.length) {
    if (was[i] === now[j]) return [i, j];
    const steps = [[i + 1, j + 1], [i + 1, j], [i, j + 1]];
    [i, j] = steps.reduce((best, step) => (edits[step[0]][step[1]] < edits[best[0]][best[1]] ? step : best));
  }
  return null;
}

/** edits[i][j]: what is needed from was[i] and now[j] on, filled from the ends. */
function editTable(was, now, areEnds) {
  const edits = Array.from({ length: was.length + 1 }, () => new Array(now.length + 1).fill(0));
  if (areEnds) {
    for (let j = 0; j <= now.length; j++) edits[was.length][j] = now.length - j;
    for (let i = 0; i < was.length; i++) edits[i][now.length] = was.length - i;
  }
  for (let i = was.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      const least = Math.min(edits[i + 1][j], edits[i][j + 1], edits[i + 1][j + 1]);
      edits[i][j] = was[i] === now[j] ? edits[i + 1][j + 1] : 1 + least;
    }
  }
  return edits;
}

function* told(before, after, wasCount, nowCount, tagsOfCells) {
  const [wasPlace, nowPlace] = [before.place, after.place];
  const [old, fresh] = [before.take(wasCount), after.take(nowCount)];
  for (let offset = 0; offset < Math.max(wasCount, nowCount); offset++) {
    const wasRow = offset < wasCount ? wasPlace + offset + 1 : null;
    if (offset >= nowCount) {
      yield { wasRow, nowRow: null, line: null, columns: [] };
      continue;
    }
    const { row, line } = fresh[offset];
    const columns = wasRow === null ? [] : changedColumns(old[offset].cells, tagsOfCells(row));
    yield { wasRow, nowRow: nowPlace + offset + 1, line, columns };
  }
}

/** The columns whose tags differ, counted from 1; none where one side has no tags. */
function changedColumns(was, now) {
  if (!was.length || !now.length) return [];
  const columns = [];
  for (let at = 0; at < Math.max(was.length, now.length); at += CELL_TAG_SIZE) {
    if (was[at] !== now[at] || was[at + 1] !== now[at + 1]) columns.push(at / CELL_TAG_SIZE + 1);
  }
  return columns;
}
