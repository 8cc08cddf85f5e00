// SPDX-License-Identifier: Apache-2.0
// Manifests (docs/spec/manifest.md): the document of a folder, the leaves of its tree, the paths that it may hold, and
// what follows from the secret in its list.

import { bigEndianBytes, concat, Cursor, exactly, HASH_SIZE, sameBytes } from "./bytes.js";
import { strictText, toHex, utf8, ZERO_HASH } from "./bytes.js";
import { Malformed } from "./errors.js";
import { leafHash } from "./merkle.js";
import { sha256 } from "./sha256.js";
import { Fields, parseStrict } from "./strictjson.js";

export const MANIFEST_FORMAT = "anchorline-manifest/1";
export const MANIFEST_MEDIA_TYPE = "application/vnd.anchorline.manifest+json";
export const MAX_FILES = 2 ** 24;
export const MAX_ROW_BYTES = 2 ** 20;
export const MAX_PATH_BYTES = 4096;
export const MAX_FILE_LEAF = 128 + MAX_PATH_BYTES;
export const NONCE_SIZE = 16;
/** What is at a path. */
export const A_FILE = 0;
export const AN_EMPTY_FOLDER = 1;
export const A_LINK = 2;
/** How a file is cut into rows. */
export const NO_ROWS = 0;
export const DELIMITED = 1;
export const LINES = 2;
const MAX_DOCUMENT = 4096;
const MAX_ROWS = 2n ** 40n;
const FILE_LEAF = 0x30;
const ROW_LEAF = Uint8Array.of(0x31);
const NO_DELIMITER = [0, 0x0a, 0x0d, 0x22];
const PATH_SHOWN = 80;

/** A document as bytes, the only form of its values. */
export function encodeDocument({ files, size, root, listSize, listDigest }) {
  const lines = [
    `"format": "${MANIFEST_FORMAT}"`,
    `"files": ${files}`,
    `"bytes": ${size}`,
    `"root": "${toHex(root)}"`,
    `"list_size": ${listSize}`,
    `"list_sha256": "${toHex(listDigest)}"`,
  ];
  return utf8(`{\n ${lines.join(",\n ")}\n}\n`);
}

/** Read a document; Malformed unless it is the form that `encodeDocument` writes. */
export function decodeDocument(data) {
  const fields = new Fields(parseStrict(data, "manifest", MAX_DOCUMENT), "manifest");
  fields.format(MANIFEST_FORMAT);
  const document = {
    files: fields.integer("files"),
    size: fields.integer("bytes"),
    root: fields.hex("root", { exact: HASH_SIZE }),
    listSize: fields.integer("list_size"),
    listDigest: fields.hex("list_sha256", { exact: HASH_SIZE }),
  };
  fields.end();
  if (document.files > MAX_FILES) throw new Malformed("manifest.files", { limit: MAX_FILES });
  if (!sameBytes(encodeDocument(document), data)) throw new Malformed("manifest.form");
  return document;
}

/** The rows of a file without any. */
export const WITHOUT_ROWS = { kind: NO_ROWS, delimiter: 0, count: 0n, root: ZERO_HASH };

/** Malformed where the fields of rows do not go together. */
export function checkRows({ kind, delimiter, count, root }) {
  if (kind > LINES) throw new Malformed("manifest.row-kind", { found: kind });
  if (kind === NO_ROWS) {
    if (delimiter === 0 && count === 0n && sameBytes(root, ZERO_HASH)) return;
    throw new Malformed("manifest.no-rows");
  }
  const isWrong = kind === LINES ? delimiter !== 0 : delimiter >= 0x80 || NO_DELIMITER.includes(delimiter);
  if (isWrong) throw new Malformed("manifest.delimiter", { found: delimiter.toString(16) });
  if (count > MAX_ROWS) throw new Malformed("manifest.rows", { limit: MAX_ROWS, found: count });
}

/** Read what the tree over the files commits to for one path: { raw, nonce, kind, path, commitment, rows, hash }. */
export function decodeFileLeaf(raw) {
  const reader = new Cursor(raw, MAX_FILE_LEAF, "leaf of a file");
  if (reader.byte("leaf of a file") !== FILE_LEAF) throw new Malformed("manifest.leaf");
  const nonce = reader.take(NONCE_SIZE, "nonce");
  const kind = kindOfPath(reader.byte("kind"));
  const path = pathIn(reader.prefixed(2, "path"));
  const commitment = reader.take(HASH_SIZE, "commitment");
  const [rowKind, delimiter] = reader.take(2, "kind of rows");
  const rows = { kind: rowKind, delimiter, count: reader.integer(8, "rows"), root: reader.take(HASH_SIZE, "rows") };
  checkRows(rows);
  reader.end();
  return { raw, nonce, kind, path, commitment, rows, hash: leafHash(raw) };
}

/** The hash of the leaf of a listed file. */
export function fileLeafHash({ index, kind, pathBytes, size, digest, rows }, secret) {
  const { kind: rowKind, delimiter, count, root } = rows;
  return leafHash(
    concat(
      Uint8Array.of(FILE_LEAF),
      secret.fileNonce(index),
      Uint8Array.of(kind),
      bigEndianBytes(BigInt(pathBytes.length), 2),
      pathBytes,
      contentCommitmentOf(secret.contentNonce(index), size, digest),
      Uint8Array.of(rowKind, delimiter),
      bigEndianBytes(count, 8),
      root,
    ),
  );
}

/** H(nonce ‖ size u64 ‖ SHA-256 of the file). */
export function contentCommitmentOf(nonce, size, digest) {
  return sha256(nonce, bigEndianBytes(size, 8), digest);
}

/** The leaf hash of a row, line end included. */
export function rowLeafHash(nonce, row) {
  return leafHash(concat(ROW_LEAF, nonce, row));
}

export function kindOfPath(number) {
  if (number > A_LINK) throw new Malformed("manifest.kind", { found: number });
  return number;
}

/** The path that these bytes are; Malformed where a manifest may not hold it. */
export function pathIn(encoded) {
  const path = strictText(encoded);
  if (path === null) throw new Malformed("manifest.path-utf8", { found: toHex(encoded.slice(0, PATH_SHOWN)) });
  const found = path.slice(0, PATH_SHOWN);
  if (encoded.length > MAX_PATH_BYTES) throw new Malformed("manifest.path-long", { found, limit: MAX_PATH_BYTES });
  if (path.normalize("NFC") !== path) throw new Malformed("manifest.path-nfc", { found });
  const isOdd = path.split("/").some((name) => ["", ".", ".."].includes(name));
  if (isOdd) throw new Malformed("manifest.path-names", { found });
  if (/[\\\x00-\x1f\x7f-\x9f]/.test(path)) throw new Malformed("manifest.path-control", { found });
  return path;
}

/** Negative, 0 or positive as a path stands before, at or behind another: by bytes of UTF-8, `/` before all others. */
export function comparedPaths(one, other) {
  const [mine, theirs] = [pointsOf(one), pointsOf(other)];
  for (;;) {
    const [my, their] = [mine.next(), theirs.next()];
    if (my.done || their.done) return Number(Boolean(their.done)) - Number(Boolean(my.done));
    if (my.value !== their.value) return my.value - their.value;
  }
}

/** The order of UTF-8 is that of code points. */
function* pointsOf(path) {
  for (const character of path) yield character === "/" ? 0 : character.codePointAt(0);
}

/** Malformed unless `path` may follow `before`: sorted, none twice, and nothing below a file. */
export function checkNextPath(before, path) {
  const values = { found: path.slice(0, PATH_SHOWN), before: before.slice(0, PATH_SHOWN) };
  if (comparedPaths(before, path) >= 0) throw new Malformed("manifest.order", values);
  if (path.startsWith(`${before}/`)) throw new Malformed("manifest.below", values);
}

/** What follows from the 32 random bytes in a list: nonces by place, keys of tags. */
export class Secret {
  constructor(value) {
    const key = (name) => sha256(utf8(`anchorline/manifest/${name}/v1\n`), value);
    exactly(value, HASH_SIZE, "secret of the manifest");
    this.fileKey = key("file");
    this.contentKey = key("content");
    this.rowsKey = key("row");
    this.tagKey = key("tag");
    this.cellKey = key("cell");
  }

  fileNonce(index) {
    return numberedHash(this.fileKey, index).slice(0, NONCE_SIZE);
  }

  contentNonce(index) {
    return numberedHash(this.contentKey, index).slice(0, NONCE_SIZE);
  }

  rowNonce(file, index) {
    return numberedHash(numberedHash(this.rowsKey, file), index).slice(0, NONCE_SIZE);
  }
}

function numberedHash(key, index) {
  return sha256(key, bigEndianBytes(BigInt(index), 8));
}
