// SPDX-License-Identifier: Apache-2.0
// How a file is cut into rows, and a row into cells (docs/spec/manifest.md, RFC 4180); any bytes at all are rows, which
// joined are the file again. Tags are what rows and cells are recognised by.

import { concat, textOf } from "./bytes.js";
import { Malformed } from "./errors.js";
import { DELIMITED, MAX_ROW_BYTES } from "./manifest.js";
import { Sha256 } from "./sha256.js";

export const ROW_TAG_SIZE = 8;
export const CELL_TAG_SIZE = 2;
/** Rows whose tags are kept together. */
export const BLOCK_ROWS = 4096;
/** A row with more cells keeps no tags of them. */
export const MAX_CELLS = 4096;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const QUOTE = 0x22;

/** Cuts a file that comes in pieces: a row ends behind the first LF at which its number of quotes is even. */
export class RowCutter {
  #rest = new Uint8Array(0);
  #isQuoted = false;
  #number = 0; // of rows that ended
  #line = 1; // on which the next byte stands
  #began = 1; // the line on which the unfinished row began

  constructor(kind, what) {
    this.isDelimited = kind === DELIMITED;
    this.what = what;
  }

  /** The rows that end within the next piece, each { row, line }; Malformed for one above 1 MiB. */
  push(piece) {
    const data = concat(this.#rest, piece);
    const rows = [];
    let start = 0;
    for (let at = this.#rest.length; at < data.length; at++) {
      const byte = data[at];
      if (byte === QUOTE && this.isDelimited) this.#isQuoted = !this.#isQuoted;
      if (byte !== LINE_FEED) continue;
      this.#line++;
      if (this.#isQuoted) continue;
      this.#check(at + 1 - start);
      rows.push({ row: data.subarray(start, at + 1), line: this.#began });
      this.#number++;
      start = at + 1;
      this.#began = this.#line;
    }
    this.#check(data.length - start);
    this.#rest = data.subarray(start);
    return rows;
  }

  /** The last row, which lacks its line end; none where the file ends with one. */
  end() {
    return this.#rest.length ? [{ row: this.#rest, line: this.#began }] : [];
  }

  #check(size) {
    if (size <= MAX_ROW_BYTES) return;
    throw new Malformed("manifest.long-row", { what: this.what, number: this.#number + 1, limit: MAX_ROW_BYTES });
  }
}

/** The cells of a row as they stand there, quotes included, without the line end. */
export function cellsOf(row, delimiter) {
  let end = row.length;
  if (end && row[end - 1] === LINE_FEED) end -= end > 1 && row[end - 2] === RETURN ? 2 : 1;
  const cells = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < end; at++) {
    if (row[at] === QUOTE) isQuoted = !isQuoted;
    else if (row[at] === delimiter && !isQuoted) {
      cells.push(row.subarray(start, at));
      start = at + 1;
    }
  }
  cells.push(row.subarray(start, end));
  return cells;
}

/** What a cell says, for people: without its quotes. */
export function cellText(cell) {
  const text = textOf(cell);
  const isQuoted = text.length >= 2 && text.startsWith('"') && text.endsWith('"');
  return isQuoted ? text.slice(1, -1).replaceAll('""', '"') : text;
}

/** The first `size` bytes of H(key ‖ message) of each message, one behind the other. */
function tagsOf(messages, key, size) {
  const tags = new Uint8Array(size * messages.length);
  const hasher = new Sha256();
  messages.forEach((message, place) => {
    tags.set(hasher.reset().update(key).update(message).digest().subarray(0, size), size * place);
  });
  return tags;
}

/** The tags of rows, 8 bytes each. */
export function rowTags(rows, key) {
  return tagsOf(rows, key, ROW_TAG_SIZE);
}

/** 2 bytes for each cell of a row; nothing for a row of more than 4,096 cells. */
export function cellTags(row, delimiter, key) {
  const cells = cellsOf(row, delimiter);
  return tagsOf(cells.length > MAX_CELLS ? [] : cells, key, CELL_TAG_SIZE);
}
