// SPDX-License-Identifier: Apache-2.0
// The list of a manifest, the file beside a receipt (docs/spec/manifest.md): read piece by piece, however long. It is
// believed in nothing before `readList` has given its document, which the entry commits to.

import { bigEndian, HASH_SIZE, sameBytes, startsWith, utf8 } from "./bytes.js";
import { Malformed, Newer } from "./errors.js";
import { A_FILE, AN_EMPTY_FOLDER, checkNextPath, checkRows, DELIMITED, encodeDocument } from "./manifest.js";
import { fileLeafHash, kindOfPath, MANIFEST_FORMAT, MAX_FILES, MAX_PATH_BYTES, NO_ROWS, pathIn } from "./manifest.js";
import { Secret, WITHOUT_ROWS } from "./manifest.js";
import { BLOCK_ROWS, CELL_TAG_SIZE, MAX_CELLS, ROW_TAG_SIZE } from "./manifest_rows.js";
import { Frontier } from "./merkle.js";
import { Sha256, sha256 } from "./sha256.js";

export const LIST_MAGIC = utf8(`${MANIFEST_FORMAT}\n`);
const FAMILY = utf8(MANIFEST_FORMAT.slice(0, -1));
const FILE_MARK = 1;
const END_MARK = 0;
const AT_ONCE = 2 ** 20;
/** More than a file takes before its tags: mark, kind, path, size, digest, and what is said of its rows. */
const MAX_LISTED = 128 + MAX_PATH_BYTES;
const EMPTY_DIGEST = sha256();

/** Whether a file calls itself a list of a manifest, of any version. */
export function isList(start) {
  return startsWith(start, FAMILY);
}

/** The bytes of a list in order, some of them at hand; `told` hears each piece as it is read, and may throw to stop. */
class ListStream {
  #held = new Uint8Array(0);
  #from = 0; // where those that are at hand begin
  at = 0;

  constructor(file, told) {
    this.file = file;
    this.told = told;
  }

  /** Have `count` bytes at hand, or as many as are left. */
  async look(count) {
    if (this.at + count <= this.#from + this.#held.length) return;
    const end = Math.min(this.file.size, this.at + Math.max(count, AT_ONCE));
    this.#held = new Uint8Array(await this.file.slice(this.at, end).arrayBuffer());
    this.#from = this.at;
    await this.told(this.#held, this.#from);
  }

  /** The next bytes, which were looked at; Malformed where the list ends before. */
  take(count) {
    const start = this.at - this.#from;
    const bytes = this.#held.subarray(start, start + count);
    if (start < 0 || bytes.length < count) throw new Malformed("manifest.early", { count: count - bytes.length });
    this.at += count;
    return bytes;
  }

  integer(size) {
    return bigEndian(this.take(size));
  }

  get isAtEnd() {
    return this.at >= this.file.size;
  }
}

/** Reads one list; every method throws Malformed for what is none. */
export class ListReader {
  static async of(file, told = async () => {}) {
    const reader = new ListReader();
    reader.stream = new ListStream(file, told);
    await reader.stream.look(LIST_MAGIC.length + HASH_SIZE);
    const found = reader.stream.take(Math.min(file.size, LIST_MAGIC.length));
    if (!sameBytes(found, LIST_MAGIC)) {
      const values = { found: new TextDecoder("latin1").decode(found) };
      throw isList(found) ? new Newer("manifest.newer", values) : new Malformed("manifest.magic", values);
    }
    reader.secret = new Secret(reader.stream.take(HASH_SIZE));
    return reader;
  }

  /** What is listed, in order; the stream is moved past the tags of each before the next. */
  async *files() {
    const { stream } = this;
    let before = null;
    let count = 0;
    for (;;) {
      await stream.look(MAX_LISTED);
      const [mark] = stream.take(1);
      if (mark !== FILE_MARK) {
        this.#end(mark, count);
        return;
      }
      if (count >= MAX_FILES) throw new Malformed("manifest.files", { limit: MAX_FILES });
      const listed = this.#file(count);
      if (before !== null) checkNextPath(before, listed.path);
      yield listed;
      stream.at = listed.tagsAt + listed.tagsSize;
      before = listed.path;
      count++;
    }
  }

  #end(mark, count) {
    if (mark !== END_MARK) throw new Malformed("manifest.mark", { found: mark });
    if (this.stream.integer(4) !== BigInt(count)) throw new Malformed("manifest.count", { count });
    if (!this.stream.isAtEnd) throw new Malformed("manifest.behind");
  }

  #file(index) {
    const { stream } = this;
    const kind = kindOfPath(stream.take(1)[0]);
    const pathSize = Number(stream.integer(2));
    if (pathSize > MAX_PATH_BYTES) throw new Malformed("manifest.path-long", { found: "", limit: MAX_PATH_BYTES });
    const pathBytes = stream.take(pathSize).slice();
    const path = pathIn(pathBytes);
    const size = stream.integer(8);
    const digest = stream.take(HASH_SIZE).slice();
    const [rowKind] = stream.take(1);
    const rows = rowKind === NO_ROWS ? WITHOUT_ROWS : this.#rows(rowKind);
    checkRows(rows);
    const tagsSize = rowKind === NO_ROWS ? 0 : Number(stream.integer(8));
    if (kind !== A_FILE && rowKind !== NO_ROWS) throw new Malformed("manifest.rows-of-no-file", { path });
    if (kind === AN_EMPTY_FOLDER && (size !== 0n || !sameBytes(digest, EMPTY_DIGEST))) {
      throw new Malformed("manifest.folder-bytes", { path });
    }
    return { index, path, pathBytes, kind, size, digest, rows, tagsSize, tagsAt: stream.at };
  }

  #rows(kind) {
    const { stream } = this;
    const [delimiter] = stream.take(1);
    return { kind, delimiter, count: stream.integer(8), root: stream.take(HASH_SIZE).slice() };
  }

  /** The blocks of tags of a file, { tags, cells() }; to be read to the end before the next file. */
  async *tags({ path, rows, tagsSize, tagsAt }) {
    const { stream } = this;
    let left = Number(rows.count);
    let size = tagsSize;
    stream.at = tagsAt;
    while (left) {
      const count = Math.min(left, BLOCK_ROWS);
      const counts = rows.kind === DELIMITED ? 2 * count : 0;
      await stream.look(ROW_TAG_SIZE * count + counts);
      const tags = stream.take(ROW_TAG_SIZE * count).slice();
      const sizes = sizesOfCells(stream.take(counts), path);
      const cellsSize = sizes.reduce((sum, each) => sum + each, 0);
      await stream.look(cellsSize);
      const cells = stream.take(cellsSize).slice();
      size -= tags.length + counts + cellsSize;
      yield { tags, cells: () => cutInto(cells, sizes, count) };
      left -= count;
    }
    if (size) throw new Malformed("manifest.tags", { path, found: tagsSize });
  }
}

function sizesOfCells(counts, path) {
  const sizes = [];
  for (let at = 0; at < counts.length; at += 2) {
    const cells = (counts[at] << 8) | counts[at + 1];
    if (cells > MAX_CELLS) throw new Malformed("manifest.cells", { path, limit: MAX_CELLS });
    sizes.push(CELL_TAG_SIZE * cells);
  }
  return sizes;
}

/** The tags of the cells of each row of a block; empty ones where the file has no cells. */
function cutInto(cells, sizes, count) {
  if (!sizes.length) return new Array(count).fill(cells);
  let at = 0;
  return sizes.map((size) => cells.subarray(at, (at += size)));
}

/**
 * The document that a list belongs to, from all of its bytes and the tree over its files: { document, raw, digest }.
 * The tags are read for their form only: the document commits to them by the list's digest. `told` hears how much was read, and may throw to stop.
 */
export async function readList(file, told = async () => {}) {
  const hasher = new Sha256();
  const reader = await ListReader.of(file, async (bytes, from) => {
    hasher.update(bytes.subarray(hasher.size - from));
    await told(hasher.size);
  });
  const frontier = new Frontier();
  let files = 0n;
  let size = 0n;
  for await (const listed of reader.files()) {
    for await (const _ of reader.tags(listed));
    frontier.add(fileLeafHash(listed, reader.secret));
    files++;
    size += listed.size;
  }
  const listed = { listSize: BigInt(file.size), listDigest: hasher.digest() };
  const document = { files, size, root: frontier.root(), ...listed };
  const raw = encodeDocument(document);
  return { document, raw, digest: sha256(raw) };
}
