// SPDX-License-Identifier: Apache-2.0
// Statements of an identity (docs/spec/identity.md): the bytes by which an organisation registers, rotates, revokes and
// recovers its keys, in extension 6 of the entries of its own chain. identity_history.js judges them in their order.

import { concat, Cursor, HASH_SIZE, toHex, utf8 } from "./bytes.js";
import { chainIdOf, extensionOf } from "./entry.js";
import { Malformed, Newer } from "./errors.js";
import { sha256 } from "./sha256.js";

export const BEGIN = 1;
export const ADD = 2;
export const ROTATE = 3;
export const REVOKE = 4;
export const RECOVER = 5;
export const ANNOUNCE = 6;
export const OBJECT = 7;
export const COMPLETE = 8;
export const BIND = 9;
export const UNBIND = 10;
export const FOR_ENTRIES = 1;
export const FOR_KEYS = 2;
const STATEMENT_EXTENSION = 6;
const STATEMENT_DOMAIN = utf8("anchorline/identity/v1\n");
const IDENTITY_ID = utf8("anchorline/identity/1");
export const MAX_STATEMENT = 4000;
const MAX_HOLDERS = 8;
const MAX_SIGNERS = 24;
const MAX_NAMES = 8;
const MAX_ENDING = 4;
const MIN_WAIT_BLOCKS = 144n;
const MAX_ATTRIBUTES = 1024;
const MAX_PROOF_SIGNATURE = 512;
const DID_WEB = /^did:web:[a-z0-9]([a-z0-9.-]*[a-z0-9])?(%3A[0-9]{1,5})?(:[A-Za-z0-9._-]+)*$/;

/** Read a statement: { operation, previous, about, ending, key, keySet, names, proof, signatures, hash, unsigned }. */
export function decodeStatement(raw) {
  const reader = new Cursor(raw, MAX_STATEMENT, "identity statement");
  const version = reader.byte("identity statement");
  const operation = reader.byte("identity statement");
  const read = BODIES.get(operation);
  if (version !== 1 || read === undefined) throw new Newer("identity.version", { version, operation });
  const statement = { operation, previous: reader.take(HASH_SIZE, "previous"), about: new Uint8Array(0), ending: 0 };
  Object.assign(statement, { names: [], key: null, keySet: null, proof: null });
  for (const part of read) part(statement, reader);
  statement.unsigned = raw.slice(0, reader.at);
  statement.hash = sha256(statement.unsigned);
  statement.signatures = Array.from({ length: smallCount(reader, "signatures", 1, MAX_SIGNERS) }, () => {
    return { signer: reader.take(HASH_SIZE, "public key"), signature: reader.take(64, "signature") };
  });
  ascending(statement.signatures.map(({ signer }) => toHex(signer)), "signatures");
  reader.end();
  return statement;
}

/** What every signature of a statement is over. */
export function statementMessage({ unsigned }, chainId) {
  return concat(STATEMENT_DOMAIN, chainId, unsigned);
}

/** The external ids of the first entry of the identity that a statement begins. */
export function identityIds({ hash }) {
  return [{ kind: 0, value: IDENTITY_ID }, { kind: 1, value: hash }];
}

/** The chain id of the identity that a statement begins. */
export function identityChainId(statement) {
  return chainIdOf(identityIds(statement));
}

/** The bytes of the statement in an entry, or null. */
export function statementOf(entry) {
  return extensionOf(entry, STATEMENT_EXTENSION);
}

function readAbout(statement, reader) {
  statement.about = reader.take(HASH_SIZE, "what a statement is about");
}

function readEnding(statement, reader) {
  statement.ending = reader.byte("reason");
  if (statement.ending > MAX_ENDING) throw new Malformed("identity.ending", { found: statement.ending });
}

function readOneKey(statement, reader) {
  statement.key = holderKey(reader);
}

function holderKey(reader) {
  const publicKey = reader.take(HASH_SIZE, "public key");
  const purposes = reader.byte("purposes");
  if (purposes < 1 || purposes > (FOR_ENTRIES | FOR_KEYS)) throw new Malformed("identity.purposes", { found: purposes });
  return { publicKey, purposes, notAfterMs: reader.integer(8, "not_after_ms") };
}

function readKeySet(statement, reader) {
  const keys = Array.from({ length: smallCount(reader, "keys", 1, MAX_HOLDERS) }, () => holderKey(reader));
  const threshold = reader.byte("threshold");
  const count = smallCount(reader, "recovery keys", 0, MAX_HOLDERS);
  const recovery = Array.from({ length: count }, () => reader.take(HASH_SIZE, "recovery key"));
  const waitBlocks = reader.integer(4, "wait_blocks");
  const names = keys.map(({ publicKey }) => toHex(publicKey));
  const papers = recovery.map(toHex);
  ascending(names, "keys");
  ascending(papers, "recovery keys");
  if (!keys.some(({ purposes }) => purposes & FOR_KEYS)) throw new Malformed("identity.no-keys");
  if (threshold > count || threshold < Math.min(1, count)) throw new Malformed("identity.threshold", { count });
  if (waitBlocks > 0n && waitBlocks < MIN_WAIT_BLOCKS) throw new Malformed("identity.wait", { found: waitBlocks });
  if (names.some((name) => papers.includes(name))) throw new Malformed("identity.both");
  statement.keySet = { keys, threshold, recovery, waitBlocks };
}

function readNames(statement, reader) {
  const count = smallCount(reader, "names", 0, MAX_NAMES);
  statement.names = Array.from({ length: count }, () => String.fromCharCode(...reader.prefixed(1, "name")));
  ascending(statement.names, "names");
  for (const name of statement.names) {
    if (!DID_WEB.test(name)) throw new Malformed("identity.name", { found: name.slice(0, 60) });
  }
}

/** The signature of a certificate's key over the identity; an unknown algorithm is kept, and not judged. */
function readProof(statement, reader) {
  const algorithm = reader.byte("algorithm of a certificate's proof");
  const attributes = reader.prefixed(2, "attributes of a certificate's proof");
  const signature = reader.prefixed(2, "signature of a certificate's proof");
  const isLimited = attributes.length <= MAX_ATTRIBUTES && signature.length <= MAX_PROOF_SIGNATURE;
  if (algorithm === 0 || !isLimited || !signature.length) throw new Malformed("identity.proof");
  statement.proof = { algorithm, attributes, signature };
}

function smallCount(reader, what, least, most) {
  const count = reader.byte(what);
  if (count < least || count > most) throw new Malformed("identity.count", { what, least, most, found: count });
  return count;
}

/** Hex, or names of ASCII, compare as their bytes do. */
function ascending(values, what) {
  if (values.some((value, place) => place > 0 && values[place - 1] >= value)) {
    throw new Malformed("identity.order", { what });
  }
}

const BODIES = new Map([
  [BEGIN, [readAbout, readNames, readKeySet]],
  [ADD, [readOneKey]],
  [ROTATE, [readAbout, readEnding, readOneKey]],
  [REVOKE, [readAbout, readEnding]],
  [RECOVER, [readEnding, readKeySet]],
  [ANNOUNCE, [readEnding, readKeySet]],
  [OBJECT, [readAbout]],
  [COMPLETE, [readAbout]],
  [BIND, [readAbout, readProof]],
  [UNBIND, [readAbout, readEnding]],
]);
