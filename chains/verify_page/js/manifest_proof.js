// SPDX-License-Identifier: Apache-2.0
// The proof of one file or of single rows of a manifest, which shows nothing of the others (docs/spec/manifest.md). It
// leads to the manifest's document, whose SHA-256 the receipt is judged with.

import { fromBase64, HASH_SIZE, sameBytes, utf8 } from "./bytes.js";
import { Malformed, Refused } from "./errors.js";
import { contentCommitmentOf, decodeDocument, decodeFileLeaf, MAX_FILE_LEAF, MAX_ROW_BYTES } from "./manifest.js";
import { NONCE_SIZE, rowLeafHash } from "./manifest.js";
import { checkInclusion, MAX_PATH } from "./merkle.js";
import { sha256 } from "./sha256.js";
import { Fields, parseStrict } from "./strictjson.js";

export const PROOF_FORMAT = "anchorline-manifest-proof/1";
export const MAX_PROOF = 4 * 2 ** 20;
const MAX_SHOWN_ROWS = 64;

/** Read a proof file; nothing is checked but its form. `opening` is null where rows are shown. */
export function decodeManifestProof(data) {
  const fields = new Fields(parseStrict(data, "proof of a manifest", MAX_PROOF), "proof of a manifest");
  fields.format(PROOF_FORMAT);
  const raw = utf8(fields.text("document"));
  const proof = {
    document: decodeDocument(raw),
    documentDigest: sha256(raw),
    index: fields.integer("index"),
    leaf: decodeFileLeaf(fields.hex("leaf", { maximum: MAX_FILE_LEAF })),
    path: fields.hashes("path", MAX_PATH),
    opening: fields.has("content") ? openingFrom(new Fields(fields.take("content"), "content")) : null,
    rows: [],
  };
  if (proof.opening === null) proof.rows = rowsFrom(fields.array("rows", MAX_SHOWN_ROWS));
  fields.end();
  return proof;
}

function openingFrom(fields) {
  const opening = {
    nonce: fields.hex("nonce", { exact: NONCE_SIZE }),
    size: fields.integer("bytes"),
    digest: fields.hex("sha256", { exact: HASH_SIZE }),
  };
  fields.end();
  return opening;
}

function rowsFrom(items) {
  const rows = items.map((item) => {
    const fields = new Fields(item, "row");
    const row = { index: fields.integer("index"), nonce: fields.hex("nonce", { exact: NONCE_SIZE }) };
    row.bytes = fromBase64(fields.text("bytes"), "bytes of the row");
    row.path = fields.hashes("path", MAX_PATH);
    fields.end();
    if (row.bytes.length <= MAX_ROW_BYTES) return row;
    throw new Malformed("form.size", { what: "row", limit: MAX_ROW_BYTES, found: row.bytes.length });
  });
  const isAscending = rows.every(({ index }, place) => place === 0 || rows[place - 1].index < index);
  if (!rows.length || !isAscending) throw new Malformed("manifest.proof-rows");
  return rows;
}

/** Refused unless file and rows are those that the document commits to. */
export function checkManifestProof({ document, index, leaf, path, opening, rows }) {
  checkInclusion(leaf.hash, index, document.files, path, document.root);
  if (opening !== null) {
    const { nonce, size, digest } = opening;
    if (!sameBytes(contentCommitmentOf(nonce, size, digest), leaf.commitment)) {
      throw new Refused("content-changed", "manifest.opening", { path: leaf.path });
    }
  }
  for (const row of rows) {
    checkInclusion(rowLeafHash(row.nonce, row.bytes), row.index, leaf.rows.count, row.path, leaf.rows.root);
  }
}

/** Refused unless a file at hand, by its size (BigInt) and SHA-256, is the one that is shown. */
export function checkProvedContent({ leaf, opening }, size, digest) {
  if (opening === null) throw new Refused("content-changed", "manifest.rows-only", { path: leaf.path });
  if (size === opening.size && sameBytes(digest, opening.digest)) return;
  const values = { path: leaf.path, digest: opening.digest, found: digest };
  throw new Refused("content-changed", "manifest.another-file", values);
}
