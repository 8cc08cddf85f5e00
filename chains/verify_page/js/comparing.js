// SPDX-License-Identifier: Apache-2.0
// A folder against the list of its manifest: every file and row that was changed, added or removed, by name
// (docs/spec/manifest.md). Memory is flat; of many differences the first thousand are kept, and all are counted.

import { sameBytes } from "./bytes.js";
import { Malformed } from "./errors.js";
import { digestOf, piecesOfFile } from "./files.js";
import { A_FILE, A_LINK, AN_EMPTY_FOLDER, comparedPaths, DELIMITED, NO_ROWS } from "./manifest.js";
import { ListReader } from "./manifest_list.js";
import { BLOCK_ROWS, cellsOf, cellTags, cellText, RowCutter, rowTags } from "./manifest_rows.js";
import { rowChanges, tagAt } from "./row_changes.js";
import { counted, printable, say, TEXTS } from "./texts.js";

const MAX_DIFFERENCES = 1000;
const MAX_NAME = 80;

/** What was found: the first differences, how many there are of each sort, and how many paths nobody could compare. */
class Comparison {
  files = 0;
  differences = [];
  counts = new Map();
  /** Listed, and not to be seen from a browser (links, empty folders), or not among loose files. */
  unseen = 0;
  /** Loose files whose name is listed more than once. */
  unplaced = [];

  add(what, path, { row = null, columns = [], note = "" } = {}) {
    const sort = `${row === null ? "files" : "rows"} ${what}`;
    this.counts.set(sort, (this.counts.get(sort) || 0) + 1);
    if (this.differences.length < MAX_DIFFERENCES) this.differences.push({ what, path, row, columns, note });
  }

  get isSame() {
    return this.counts.size === 0;
  }

  /** The counts in words. */
  summary() {
    const sorts = ["files", "rows"].flatMap((name) => ["changed", "added", "removed"].map((what) => [name, what]));
    const found = sorts.filter(([name, what]) => this.counts.has(`${name} ${what}`));
    return found.map(([name, what]) => `${counted(this.counts.get(`${name} ${what}`), name)} ${what}`).join(", ");
  }

  /** The same as `verify --json` has it under `manifest`. */
  facts() {
    const facts = { files: this.files, same: this.isSame, counts: Object.fromEntries(this.counts) };
    facts.changes = this.differences.map(differenceFacts);
    return this.unseen ? { ...facts, not_compared: this.unseen } : facts;
  }
}

function differenceFacts({ what, path, row, columns, note }) {
  const facts = note ? { what, path, note } : { what, path };
  if (row === null) return facts;
  const place = { row: row.nowRow, recorded_row: row.wasRow, line: row.line };
  return { ...facts, ...place, columns: columns.map(([number, name]) => ({ number, name })) };
}

/** One line for people. */
export function differenceText({ what, path, row, columns, note }) {
  const values = { what: TEXTS[`changes.${what}`], path: printable(path) };
  if (row === null) return say("changes.file", { ...values, note: note ? ` (${note})` : "" });
  if (row.nowRow === null) return say("changes.removed-row", { ...values, row: row.wasRow });
  const moved = row.wasRow === null || row.wasRow === row.nowRow ? "" : say("changes.moved", { row: row.wasRow });
  const named = columns.map(([number, name]) => (name ? `${number} (${printable(name)})` : String(number))).join(", ");
  const key = columns.length > 1 ? "changes.columns" : "changes.column";
  return say("changes.row", { ...values, row: row.nowRow, line: row.line, moved, columns: named && say(key, { named }) });
}

/**
 * Hold what is at hand against a list. `held` is { items: [{ path, file or null for an empty folder }], isLoose,
 * knowsEmpty }: loose files are some of the folder, known by their names alone. A single file is compared with the only
 * one of a list whatever it is called. `advance` hears bytes as they are read.
 */
export async function compareWithList(listFile, held, advance) {
  const made = new Comparison();
  const items = held.isLoose ? await placed(listFile, held.items, made) : held.items;
  const waiting = [...items].sort((one, other) => comparedPaths(one.path, other.path));
  const comparing = new Comparing(await ListReader.of(listFile), made, advance);
  let at = 0;
  let link = null;
  const isUnder = (path, above) => above !== null && (path === above || path.startsWith(`${above}/`));
  const passAdded = (isBefore) => {
    for (; at < waiting.length && isBefore(waiting[at].path); at++) {
      if (!isUnder(waiting[at].path, link)) made.add("added", waiting[at].path);
    }
  };
  for await (const listed of comparing.reader.files()) {
    made.files++;
    passAdded((path) => comparedPaths(path, listed.path) < 0);
    const item = at < waiting.length && waiting[at].path === listed.path ? waiting[at++] : null;
    const next = at < waiting.length ? waiting[at].path : null;
    if (listed.kind === A_LINK) {
      link = listed.path;
      made.unseen++;
    } else if (item !== null) {
      await comparing.both(listed, item);
    } else if (held.isLoose || mayBeEmpty(listed, held, next)) {
      made.unseen++;
    } else {
      made.add("removed", listed.path);
    }
  }
  passAdded(() => true);
  return made;
}

/** Whether an empty folder may be there that the browser does not show: `next` is what comes behind it, or null. */
function mayBeEmpty({ kind, path }, { knowsEmpty }, next) {
  return kind === AN_EMPTY_FOLDER && !knowsEmpty && !(next !== null && next.startsWith(`${path}/`));
}

/** Loose files at the paths that they are listed at, by the last name of each. */
async function placed(listFile, items, made) {
  const paths = new Map(items.map(({ path }) => [path, []]));
  let only = null;
  let count = 0;
  for await (const { path, kind } of (await ListReader.of(listFile)).files()) {
    const places = paths.get(path.slice(path.lastIndexOf("/") + 1));
    if (places !== undefined) places.push(path);
    only = kind === A_FILE ? path : null;
    count++;
  }
  if (items.length === 1 && count === 1 && only !== null) return [{ ...items[0], path: only }];
  made.unplaced = items.filter(({ path }) => paths.get(path).length > 1).map(({ path }) => path);
  const found = items.filter(({ path }) => paths.get(path).length < 2);
  return found.map((item) => ({ ...item, path: paths.get(item.path)[0] || item.path }));
}

/** One comparison under way. */
class Comparing {
  constructor(reader, made, advance) {
    this.reader = reader;
    this.made = made;
    this.advance = advance;
  }

  /** Compare what is at a path with what is listed there. */
  async both(listed, { path, file }) {
    const kind = file === null ? AN_EMPTY_FOLDER : A_FILE;
    if (listed.kind !== kind) {
      this.made.add("changed", path, { note: say("changes.kind", { kind: TEXTS[`kind.a-${listed.kind}`] }) });
      return;
    }
    if (file === null || (await this.isRecorded(listed, file))) return;
    this.made.add("changed", path);
    if (listed.rows.kind !== NO_ROWS) await this.rows(listed, file);
  }

  async isRecorded({ size, digest }, file) {
    if (BigInt(file.size) !== size) return false;
    return sameBytes(await digestOf(file, this.advance), digest);
  }

  async rows(listed, file) {
    const { delimiter } = listed.rows;
    const { tagKey, cellKey } = this.reader.secret;
    const isDelimited = listed.rows.kind === DELIMITED;
    const header = [];
    const now = blocksAtHand(file, listed, tagKey, this.advance, (row) => {
      if (isDelimited) header.push(...cellsOf(row, delimiter));
    });
    const tagsOfCells = (row) => (isDelimited ? cellTags(row, delimiter, cellKey) : new Uint8Array(0));
    try {
      for await (const row of rowChanges(recordedBlocks(this.reader.tags(listed)), now, tagsOfCells)) {
        const columns = row.columns.map((number) => [number, nameOf(header[number - 1])]);
        this.made.add(whatBecame(row), listed.path, { row, columns });
      }
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.made.add("changed", listed.path, { note: error.message });
    } finally {
      await now.return();
    }
  }
}

function nameOf(cell) {
  return cell === undefined ? "" : [...cellText(cell)].slice(0, MAX_NAME).join("");
}

function whatBecame({ wasRow, nowRow }) {
  if (wasRow === null) return "added";
  return nowRow === null ? "removed" : "changed";
}

async function* recordedBlocks(blocks) {
  for await (const { tags, cells } of blocks) {
    yield { tags, rows: () => cells().map((each, place) => ({ tag: tagAt(tags, place), cells: each })) };
  }
}

/** The blocks of a file at hand; `tellFirst` hears its first row. */
async function* blocksAtHand(file, { rows: { kind }, path }, key, advance, tellFirst) {
  const cutter = new RowCutter(kind, path);
  let rows = [];
  let isFirst = true;
  const blockOf = () => {
    if (isFirst) tellFirst(rows[0].row);
    isFirst = false;
    const block = taggedBlock(rows, key);
    rows = [];
    return block;
  };
  for await (const piece of piecesOfFile(file)) {
    for (const each of cutter.push(piece)) {
      rows.push(each);
      if (rows.length === BLOCK_ROWS) yield blockOf();
    }
    await advance(piece.length);
  }
  rows.push(...cutter.end());
  if (rows.length) yield blockOf();
}

function taggedBlock(rows, key) {
  const tags = rowTags(rows.map(({ row }) => row), key);
  return { tags, rows: () => rows.map((each, place) => ({ tag: tagAt(tags, place), ...each })) };
}
