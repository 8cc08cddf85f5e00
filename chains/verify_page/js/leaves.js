// SPDX-License-Identifier: Apache-2.0
// Leaves of the directory (docs/spec/chain-and-directory.md): what the log says about itself and about its chains.

import { concat, Cursor, displayHex, exactly, HASH_SIZE, littleEndian, sameBytes, utf8, ZERO_HASH } from "./bytes.js";
import { Malformed } from "./errors.js";
import { leafHash } from "./merkle.js";

export const MAX_LEAF = 1024;
export const NO_PREVIOUS = 2n ** 64n - 1n;
export const CHECKPOINT_KEY = 1;
export const PROMISE_KEY = 2;
export const RECOVERY_KEY = 3;
export const REVOKED = 0;
export const SIGNED_BY_RECOVERY = 3;
const KEY_DOMAIN = utf8("anchorline/key/v1\n");
const THREAD_DOMAIN = utf8("anchorline/thread/v1\n");
const KEY_SIZES = new Map([[REVOKED, 0], [1, 32]]);
const ORIGIN = /^[\x21-\x2a\x2c-\x7e]{1,255}$/;
const SIGNATURE_SIZE = 64;
const OUTPOINT_SIZE = 36;

/** Read a directory leaf of at most 1,024 bytes: { kind, raw, ... }; Malformed for anything that is none. */
export function decodeLeaf(raw) {
  const reader = new Cursor(raw, MAX_LEAF, "directory leaf");
  const type = reader.byte("a leaf's type");
  if (isUnassigned(type)) return { kind: "unassigned", type, raw };
  const read = READERS.get(type);
  if (read === undefined) throw new Malformed("leaf.type", { found: type.toString(16).padStart(2, "0") });
  const leaf = read(reader);
  reader.end();
  return { ...leaf, type, raw, hash: leafHash(raw) };
}

function isUnassigned(type) {
  return type === 0x16 || (type >= 0x18 && type <= 0x1f);
}

/** Malformed unless this is an origin: 1 to 255 of 21 to 7e without +. */
export function checkOrigin(origin) {
  if (!ORIGIN.test(origin)) throw new Malformed("leaf.origin", { found: origin.slice(0, 60) });
}

/** 36 bytes as in a transaction: { raw, txid, vout, name }. */
export function decodeOutpoint(raw) {
  exactly(raw, OUTPOINT_SIZE, "outpoint");
  const txid = raw.slice(0, HASH_SIZE);
  const vout = littleEndian(raw.slice(HASH_SIZE));
  return { raw, txid, vout, name: `${displayHex(txid)}:${vout}` };
}

function readKey(reader) {
  const type = reader.byte("a key's type");
  const value = reader.prefixed(2, "a key");
  if (!KEY_SIZES.has(type)) throw new Malformed("leaf.key-type", { found: type });
  return { type, value: exactly(value, KEY_SIZES.get(type), `key of type ${type}`) };
}

function readLiveKey(reader) {
  const key = readKey(reader);
  if (key.type === REVOKED) throw new Malformed("leaf.revoked");
  return key;
}

function readLog(reader) {
  const leaf = {
    kind: "log",
    origin: String.fromCharCode(...reader.prefixed(1, "origin")),
    genesis: reader.take(HASH_SIZE, "genesis hash"),
    messageStart: reader.take(4, "message start"),
    checkpointKey: readLiveKey(reader),
    promiseKey: readLiveKey(reader),
    recoveryKey: readLiveKey(reader),
  };
  checkOrigin(leaf.origin);
  return leaf;
}

function readSeal(reader) {
  return {
    kind: "seal",
    sealNumber: reader.integer(8, "seal"),
    sealedAtMs: reader.integer(8, "seal"),
    headCount: reader.integer(4, "seal"),
    chainCount: reader.integer(8, "seal"),
    headsRoot: reader.take(HASH_SIZE, "seal"),
    blockHeight: reader.integer(4, "seal"),
    blockHash: reader.take(HASH_SIZE, "seal"),
  };
}

function readHead(reader) {
  return {
    kind: "head",
    chainId: reader.take(HASH_SIZE, "head"),
    treeSize: reader.integer(8, "head"),
    previousIndex: reader.integer(8, "head"),
    root: reader.take(HASH_SIZE, "head"),
    policy: ZERO_HASH,
  };
}

function readHeadUnderPolicy(reader) {
  const leaf = { ...readHead(reader), policy: reader.take(HASH_SIZE, "policy") };
  if (sameBytes(leaf.policy, ZERO_HASH)) throw new Malformed("leaf.no-policy");
  return leaf;
}

function readKeyLeaf(reader) {
  const purpose = reader.byte("purpose");
  const replaced = reader.take(HASH_SIZE, "replaced");
  const newKey = readKey(reader);
  const signer = reader.byte("signer");
  const beforeSignature = reader.data.slice(0, reader.at);
  const signature = reader.prefixed(2, "signature");
  if (purpose < CHECKPOINT_KEY || purpose > RECOVERY_KEY) throw new Malformed("leaf.purpose", { found: purpose });
  if (signer !== 0 && signer !== SIGNED_BY_RECOVERY) throw new Malformed("leaf.signer", { found: signer });
  if (purpose === RECOVERY_KEY && signer !== SIGNED_BY_RECOVERY) throw new Malformed("leaf.recovery");
  if (newKey.type === REVOKED && purpose !== PROMISE_KEY) throw new Malformed("leaf.cannot-revoke");
  exactly(signature, SIGNATURE_SIZE, "signature of a key leaf");
  return { kind: "key", purpose, replaced, newKey, signer, signature, beforeSignature };
}

function readThread(reader) {
  const outpoint = decodeOutpoint(reader.take(OUTPOINT_SIZE, "outpoint"));
  const replaced = reader.take(HASH_SIZE, "replaced");
  const beforeSignature = reader.data.slice(0, reader.at);
  const signature = reader.prefixed(2, "signature");
  exactly(signature, sameBytes(replaced, ZERO_HASH) ? 0 : SIGNATURE_SIZE, "signature of a thread leaf");
  return { kind: "thread", outpoint, replaced, signature, beforeSignature };
}

function readEpoch(reader) {
  const leaf = { kind: "epoch", lostFromMs: reader.integer(8, "epoch"), lostToMs: reader.integer(8, "epoch") };
  if (leaf.lostFromMs > leaf.lostToMs) throw new Malformed("leaf.epoch");
  return leaf;
}

const READERS = new Map([
  [0x10, readLog],
  [0x11, readSeal],
  [0x12, readHead],
  [0x13, readKeyLeaf],
  [0x14, readHeadUnderPolicy],
  [0x15, readThread],
  [0x17, readEpoch],
]);

/** What the signer of a key leaf signed. */
export function keyLeafMessage(leaf, logId) {
  return concat(KEY_DOMAIN, logId, leaf.beforeSignature);
}

/** What the recovery key signed of a thread leaf. */
export function threadLeafMessage(leaf, logId) {
  return concat(THREAD_DOMAIN, logId, leaf.beforeSignature);
}

/** The hash of the leaf of a first thread that starts at this outpoint: it replaces nothing and is not signed. */
export function firstThreadHash(outpoint) {
  return leafHash(concat(Uint8Array.of(0x15), outpoint.raw, ZERO_HASH, Uint8Array.of(0, 0)));
}
