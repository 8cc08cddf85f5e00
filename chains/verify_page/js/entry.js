// SPDX-License-Identifier: Apache-2.0
// The entry, version 1 (docs/spec/entry.md): its bytes, its chain id, and the signature that its author field claims.

import { bigEndian, bigEndianBytes, concat, Cursor, exactly, HASH_SIZE, sameBytes, toHex, utf8 } from "./bytes.js";
import { Malformed, Newer, Refused } from "./errors.js";
import { leafHash, rootFromInclusion } from "./merkle.js";
import { sha256 } from "./sha256.js";

export const MAX_ENTRY = 4095;
export const LOG_ID_EXTENSION = 1;
export const AUTHOR_TIME_EXTENSION = 2;
export const NOT_VALID_AFTER_EXTENSION = 4;
export const IDENTITY_EXTENSION = 5;
export const ERASURE_EXTENSION = 10;
export const CLOSING_EXTENSION = 13;
export const TRANSFER_EXTENSION = 14;
const CRITICAL_EXTENSION = 0x8000;
const EXTENSION_SIZES = new Map([[1, 32], [2, 8], [3, 32], [4, 8], [5, 32], [8, 32], [12, 28]]);
export const UNSIGNED = 0;
const SIGNED = 1;
const BATCH = 3;
const SEVERAL = 5;
const MIN_AUTHORS = 2;
const MAX_AUTHORS = 16;
const AUTHOR_SIGNATURE_SIZE = 64;
const AUTHOR_SIZES = new Map([[UNSIGNED, 0], [SIGNED, 96], [4, 64]]);
const BATCH_FIXED = 104;
const MAX_BATCH_PATH = 32;
const ID_IN_CLEAR = 0;
const ID_HASHED = 1;
const ID_KEYED = 2;
const SIGNATURE_DOMAIN = utf8("anchorline/entry/v1\n");
const BATCH_DOMAIN = utf8("anchorline/batch/v1\n");
const SEVERAL_DOMAIN = utf8("anchorline/several/v1\n");
const BATCH_LEAF = Uint8Array.of(0x21);

/** Read an entry of at most 4,095 bytes; Malformed, or Newer for another version. */
export function decodeEntry(raw) {
  const reader = new Cursor(raw, MAX_ENTRY, "entry");
  const version = reader.byte("entry");
  if (version !== 1) throw new Newer("entry.version", { found: version });
  const entry = { raw, chainId: reader.take(HASH_SIZE, "chain_id"), commitment: reader.take(HASH_SIZE, "commitment") };
  entry.mediaType = mediaType(reader.prefixed(1, "media_type"));
  entry.externalIds = listOf(reader, externalId);
  entry.links = listOf(reader, link);
  entry.extensions = extensions(reader.prefixed(2, "extensions"));
  entry.beforeAuthor = raw.slice(0, reader.at);
  entry.author = author(reader);
  reader.end();
  entry.hash = leafHash(raw);
  return entry;
}

function listOf(reader, read) {
  return Array.from({ length: reader.byte("a count") }, () => read(reader));
}

function mediaType(raw) {
  if (raw.some((code) => code < 0x20 || code > 0x7e)) throw new Malformed("entry.media-type");
  return String.fromCharCode(...raw);
}

function externalId(reader) {
  const id = { kind: reader.byte("an id's kind"), value: reader.prefixed(2, "an external id") };
  if (id.kind > ID_KEYED) throw new Malformed("entry.id-kind", { found: id.kind });
  if (!id.value.length) throw new Malformed("entry.id-empty");
  if (id.kind !== ID_IN_CLEAR) exactly(id.value, HASH_SIZE, "external id");
  return id;
}

function link(reader) {
  const relation = reader.byte("a relation");
  return { relation, chainId: reader.take(HASH_SIZE, "a link"), entryHash: reader.take(HASH_SIZE, "a link") };
}

function extensions(body) {
  const reader = new Cursor(body, MAX_ENTRY, "extensions");
  const found = [];
  while (reader.left()) {
    const extension = { type: reader.length(2, "an extension"), value: reader.prefixed(2, "an extension") };
    if (found.length && found[found.length - 1].type >= extension.type) throw new Malformed("entry.extension-order");
    found.push(extension);
  }
  for (const { type, value } of found) {
    if (EXTENSION_SIZES.has(type)) exactly(value, EXTENSION_SIZES.get(type), `extension ${type}`);
  }
  return found;
}

function author(reader) {
  const found = { type: reader.byte("author type"), body: reader.prefixed(2, "author") };
  if (AUTHOR_SIZES.has(found.type)) exactly(found.body, AUTHOR_SIZES.get(found.type), `author of type ${found.type}`);
  if (found.type === BATCH) {
    const hashes = (found.body.length - BATCH_FIXED) / HASH_SIZE;
    if (!Number.isInteger(hashes) || hashes < 0 || hashes > MAX_BATCH_PATH) throw new Malformed("entry.batch");
  }
  if (found.type === SEVERAL) checkSeveral(found.body);
  return found;
}

function checkSeveral(body) {
  const count = body.length ? body[0] : 0;
  const size = 1 + count * (HASH_SIZE + AUTHOR_SIGNATURE_SIZE);
  if (count < MIN_AUTHORS || count > MAX_AUTHORS || body.length !== size) throw new Malformed("entry.several");
  const keys = keysOfSeveral(body).map(toHex);
  if (keys.some((key, place) => place > 0 && keys[place - 1] >= key)) throw new Malformed("entry.several-order");
}

function keysOfSeveral(body) {
  return Array.from({ length: body[0] }, (_, place) => body.slice(1 + place * HASH_SIZE, 1 + (place + 1) * HASH_SIZE));
}

/** The value of an extension, or null. */
export function extensionOf(entry, wanted) {
  const found = entry.extensions.find(({ type }) => type === wanted);
  return found === undefined ? null : found.value;
}

/** The first extension that must be understood and is not, or null. */
export function unknownCriticalExtension(entry) {
  const found = entry.extensions.find(({ type }) => type >= CRITICAL_EXTENSION);
  return found === undefined ? null : found.type;
}

/** H(H(id_1) ‖ … ‖ H(id_n)) over the external ids of a chain's first entry. */
export function chainIdOf(externalIds) {
  if (!externalIds.length) throw new Malformed("entry.no-ids");
  return sha256(...externalIds.map(({ kind, value }) => (kind === ID_HASHED ? value : sha256(value))));
}

/** Refused unless a chain's first entry gives the chain its id. */
export function checkChainId(entry) {
  if (entry.externalIds.length && sameBytes(chainIdOf(entry.externalIds), entry.chainId)) return;
  throw new Refused("chain-id-mismatch", "entry.chain-id", { chain: entry.chainId });
}

/** H(salt ‖ digest): what an entry commits to. */
export function contentCommitment(salt, digest) {
  return sha256(salt, digest);
}

/** All signatures that the author field claims, ascending by key: none where there is none to check. */
export function claimedSignatures(entry) {
  if (entry.author.type !== SEVERAL) return [signatureOf(entry)].filter((claimed) => claimed !== null);
  const { body } = entry.author;
  const keys = keysOfSeveral(body);
  const message = concat(SEVERAL_DOMAIN, entry.raw.slice(0, -AUTHOR_SIGNATURE_SIZE * keys.length));
  const signatures = 1 + keys.length * HASH_SIZE;
  return keys.map((publicKey, place) => {
    const at = signatures + place * AUTHOR_SIGNATURE_SIZE;
    return { publicKey, message, signature: body.slice(at, at + AUTHOR_SIGNATURE_SIZE) };
  });
}

/** The public keys that an author field claims, ascending. */
export function signingKeys({ author: { type, body } }) {
  if (type === SEVERAL) return keysOfSeveral(body);
  return type === SIGNED || type === BATCH ? [body.slice(0, HASH_SIZE)] : [];
}

/** Whether every signature that an entry claims is good, and there is one. */
export async function isSignedWell(entry, check) {
  const claimed = claimedSignatures(entry);
  for (const { publicKey, message, signature } of claimed) if (!(await check(publicKey, message, signature))) return false;
  return claimed.length > 0;
}

/** { publicKey, message, signature } that the author field claims, or null where there is none to check, or several. */
export function signatureOf(entry) {
  const { type, body } = entry.author;
  if (type === SIGNED) {
    const message = concat(SIGNATURE_DOMAIN, entry.raw.slice(0, -64));
    return { publicKey: body.slice(0, 32), message, signature: body.slice(32) };
  }
  if (type !== BATCH) return null;
  const index = bigEndian(body.slice(96, 100));
  const size = bigEndian(body.slice(100, 104));
  const path = [];
  for (let at = BATCH_FIXED; at < body.length; at += HASH_SIZE) path.push(body.slice(at, at + HASH_SIZE));
  const leaf = leafHash(concat(BATCH_LEAF, entry.beforeAuthor));
  const root = rootFromInclusion(leaf, index, size, path, "author-signature-wrong");
  const message = concat(BATCH_DOMAIN, bigEndianBytes(size, 4), root);
  return { publicKey: body.slice(0, 32), message, signature: body.slice(32, 96) };
}
