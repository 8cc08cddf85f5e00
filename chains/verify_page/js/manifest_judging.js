// SPDX-License-Identifier: Apache-2.0
// What a verdict says of a folder, or of a single file or row of it: step 2, judged with the manifest. It is asked only
// where the document is the recorded one.

import { textOf, toHex } from "./bytes.js";
import { Refused } from "./errors.js";
import { checkManifestProof, checkProvedContent } from "./manifest_proof.js";
import { notChecked, ok } from "./steps.js";
import { counted, printable, TEXTS } from "./texts.js";

/** Step 2 of a folder that was compared with its list; null where the visitor stopped the comparison. */
export function folderStep(found, document, isFile) {
  if (found === null) return notChecked(2, "2.stopped");
  const what = TEXTS[isFile ? "kind.file" : "kind.folder"];
  if (!found.isSame) throw new Refused("content-changed", "2.folder-changed", { what, summary: found.summary() });
  const listed = { what, files: counted(document.files, "files"), size: document.size };
  if (found.unplaced.length) return notChecked(2, "2.unplaced", { names: found.unplaced.slice(0, 3).join(", ") });
  if (found.unseen === 0) return ok(2, "2.folder-ok", listed);
  return notChecked(2, "2.folder-part", { ...listed, same: found.files - found.unseen, unseen: found.unseen });
}

/** Step 2 of a proof; `record` is { size, digest } of a file at hand, or null. */
export function proofStep(proof, record) {
  checkManifestProof(proof);
  if (record !== null) checkProvedContent(proof, record.size, record.digest);
  const path = printable(proof.leaf.path);
  const { opening, rows, leaf } = proof;
  if (opening === null) return ok(2, "2.rows-ok", { rows: counted(rows.length, "rows"), path });
  const shown = { path, kind: TEXTS[`kind.${leaf.kind}`], size: opening.size, digest: opening.digest };
  return record === null ? notChecked(2, "2.proof-no-file", shown) : ok(2, "2.proof-ok", shown);
}

/** What a proof shows, as `verify --json` has it under `manifest`. */
export function proofFacts({ leaf, opening, rows }) {
  const facts = { path: leaf.path, kind: TEXTS[`kind.${leaf.kind}`] };
  if (opening !== null) return { ...facts, bytes: opening.size, sha256: toHex(opening.digest) };
  return { ...facts, rows: rows.map(({ index, bytes }) => ({ row: index + 1n, text: rowText(bytes) })) };
}

/** A row for people, without its line end. */
function rowText(row) {
  return printable(textOf(row).replace(/\n$/, "").replace(/\r$/, ""));
}
