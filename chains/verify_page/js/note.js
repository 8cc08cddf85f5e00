// SPDX-License-Identifier: Apache-2.0
// C2SP signed notes and checkpoints: the signed size and root of a log (docs/spec/checkpoint.md).

import { fromBase64, HASH_SIZE, utf8 } from "./bytes.js";
import { Malformed } from "./errors.js";
import { checkOrigin } from "./leaves.js";
import { sha256 } from "./sha256.js";

const MAX_NOTE = 65536;
const MAX_SIGNATURES = 16;
const MAX_SIZE = 2n ** 63n - 1n;
const SIGNATURE_PREFIX = "\u2014 ";
const FORBIDDEN = /[\x00-\x09\x0b-\x1f]|\p{Surrogate}/u;
// What Unicode calls white space: no name holds any.
const SPACE = /[\x09-\x0d\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** Read a note: { text, signatures: [{ name, keyId, signature }] }; Malformed for anything else. */
export function decodeNote(note) {
  const size = utf8(note).length;
  if (size > MAX_NOTE) throw new Malformed("form.size", { what: "note", limit: MAX_NOTE, found: size });
  if (FORBIDDEN.test(note)) throw new Malformed("note.control");
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) throw new Malformed("note.form");
  const lines = note.slice(end + 2).split("\n").slice(0, -1);
  if (lines.length < 1 || lines.length > MAX_SIGNATURES) throw new Malformed("note.lines", { found: lines.length });
  return { text: note.slice(0, end + 1), signatures: lines.map(decodeSignatureLine) };
}

function decodeSignatureLine(line) {
  if (!line.startsWith(SIGNATURE_PREFIX)) throw new Malformed("note.prefix");
  const space = line.indexOf(" ", SIGNATURE_PREFIX.length);
  const name = line.slice(SIGNATURE_PREFIX.length, space);
  if (space < 0 || !name || name.includes("+") || SPACE.test(name)) throw new Malformed("note.name");
  const raw = fromBase64(line.slice(space + 1), "note signature");
  if (raw.length < 5) throw new Malformed("note.short", { found: raw.length });
  return { name, keyId: raw.slice(0, 4), signature: raw.slice(4) };
}

/** Read a note's text: { origin, size, root }, exactly three lines. */
export function decodeCheckpoint(text) {
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3]) throw new Malformed("note.three-lines", { found: lines.length - 1 });
  const [origin, size, root] = lines;
  const chain = /^(.+)\/[0-9a-f]{64}$/.exec(origin);
  checkOrigin(chain === null ? origin : chain[1]);
  if (size.length > 19 || !/^(0|[1-9][0-9]*)$/.test(size) || BigInt(size) > MAX_SIZE) throw new Malformed("note.size");
  return { origin, size: BigInt(size), root: fromBase64(root, "checkpoint root", HASH_SIZE) };
}

/** The 4-byte key id of an Ed25519 key: H(name ‖ 0a ‖ 01 ‖ key)[:4]. */
export function noteKeyId(name, publicKey) {
  return sha256(utf8(name), Uint8Array.of(0x0a, 0x01), publicKey).slice(0, 4);
}
