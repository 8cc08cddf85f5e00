// SPDX-License-Identifier: Apache-2.0
// The promise (docs/spec/promise.md): the service's signature over the entries of one group commit.

import { concat, Cursor, HASH_SIZE, sameBytes, utf8 } from "./bytes.js";
import { Malformed, Refused } from "./errors.js";
import { leafHash, rootFromInclusion } from "./merkle.js";
import { sha256 } from "./sha256.js";
import { Fields } from "./strictjson.js";

const PROMISE_FORMAT = "anchorline-promise/1";
const PROMISE_DOMAIN = utf8("anchorline/promise/v1\n");
const NOTE_SIZE = 92;
const PROMISE_LEAF_SIZE = 89;
const PROMISE_LEAF = 0x20;
const MAX_PROMISE_PATH = 32;

/** Read a promise's object. */
export function promiseFromJson(value) {
  const fields = new Fields(value, "promise");
  fields.format(PROMISE_FORMAT);
  const promise = {
    note: decodePromiseNote(fields.hex("note", { maximum: NOTE_SIZE })),
    keyId: fields.hex("key_id", { exact: 4 }),
    signature: fields.hex("signature", { exact: 64 }),
    leaf: decodePromiseLeaf(fields.hex("leaf", { maximum: PROMISE_LEAF_SIZE })),
    index: fields.integer("index"),
    path: fields.hashes("path", MAX_PROMISE_PATH),
  };
  fields.end();
  return promise;
}

function decodePromiseNote(raw) {
  const reader = new Cursor(raw, NOTE_SIZE, "promise note");
  const note = {
    raw,
    logId: reader.take(HASH_SIZE, "promise note"),
    receivedAtMs: reader.integer(8, "promise note"),
    sealByMs: reader.integer(8, "promise note"),
    anchorByMs: reader.integer(8, "promise note"),
    count: reader.integer(4, "promise note"),
    root: reader.take(HASH_SIZE, "promise note"),
  };
  reader.end();
  return note;
}

function decodePromiseLeaf(raw) {
  const reader = new Cursor(raw, PROMISE_LEAF_SIZE, "promise leaf");
  const type = reader.byte("promise leaf");
  const leaf = {
    raw,
    chainId: reader.take(HASH_SIZE, "promise leaf"),
    leafIndex: reader.integer(8, "promise leaf"),
    entryHash: reader.take(HASH_SIZE, "promise leaf"),
    submitter: reader.take(16, "promise leaf"),
  };
  if (type !== PROMISE_LEAF) throw new Malformed("promise.type", { found: type.toString(16).padStart(2, "0") });
  reader.end();
  return leaf;
}

/** The 4-byte name of a promise key: H(domain ‖ key)[:4]. */
export function promiseKeyId(publicKey) {
  return sha256(PROMISE_DOMAIN, publicKey).slice(0, 4);
}

/** Refused unless the note names this log and holds the leaf; the signature is not looked at. */
export function checkPromisePath(promise, logId) {
  if (!sameBytes(promise.note.logId, logId)) {
    throw new Refused("promise-does-not-match-entry", "promise.log", { found: promise.note.logId, log: logId });
  }
  const reason = "promise-signature-wrong";
  const root = rootFromInclusion(leafHash(promise.leaf.raw), promise.index, promise.note.count, promise.path, reason);
  if (!sameBytes(root, promise.note.root)) throw new Refused(reason, "promise.path");
}

/** Refused unless the log made this promise with `publicKey`. */
export async function checkPromise(promise, logId, publicKey, check) {
  checkPromisePath(promise, logId);
  const isNamed = sameBytes(promise.keyId, promiseKeyId(publicKey));
  if (isNamed && (await check(publicKey, concat(PROMISE_DOMAIN, promise.note.raw), promise.signature))) return;
  throw new Refused("promise-signature-wrong", "promise.signature");
}
