// SPDX-License-Identifier: Apache-2.0
// OpenTimestamps proofs (docs/spec/opentimestamps-export.md): the detached .ots file as the paths from a digest to
// attestations.

import { concat, Cursor, reversed, sameBytes, toHex, utf8 } from "./bytes.js";
import { Malformed, Newer, NotExecutable } from "./errors.js";
import { sha256 } from "./sha256.js";

const MAGIC = concat(Uint8Array.of(0), utf8("OpenTimestamps"), Uint8Array.of(0, 0), utf8("Proof"), Uint8Array.of(0));
export const OTS_MAGIC = concat(MAGIC, Uint8Array.of(0xbf, 0x89, 0xe2, 0xe8, 0x84, 0xe8, 0x92, 0x94));
export const MAX_OTS_FILE = 65536;
const MAX_OPERATIONS = 255;
const MAX_MESSAGE = 4096;
const MAX_PAYLOAD = 8192;
const MAX_URI = 1000;
const MAX_ATTESTATIONS = 256;
const MAX_HEIGHT = 0xffffffffn;
const MARK = 0xff;
const ATTESTATION = 0;
const OTS_SHA256 = 0x08;
const HEXLIFY = 0xf3;
const NAME_OF = new Map([
  [0x02, "sha1"],
  [0x03, "ripemd160"],
  [OTS_SHA256, "sha256"],
  [0x67, "keccak256"],
  [0xf0, "append"],
  [0xf1, "prepend"],
  [0xf2, "reverse"],
  [HEXLIFY, "hexlify"],
]);
const WITH_ARGUMENT = new Set([0xf0, 0xf1]);
const DIGEST_SIZES = new Map([[0x02, 20], [0x03, 20], [OTS_SHA256, 32], [0x67, 32]]);
// SHA-1 collides; RIPEMD-160 and Keccak-256 are not in browsers: nothing may rest on them.
const BELIEVED = new Map([
  [OTS_SHA256, (message) => sha256(message)],
  [0xf0, (message, argument) => concat(message, argument)],
  [0xf1, (message, argument) => concat(argument, message)],
  [0xf2, (message) => reversed(message)],
  [HEXLIFY, (message) => utf8(toHex(message))],
]);
const PENDING_TAG = "83dfe30d2ef90c8e";
const BLOCK_TAGS = new Map([
  ["0588960d73d71901", "bitcoin"],
  ["06869a0d73d71b45", "litecoin"],
  ["30fe8087b5c7ead7", "ethereum"],
]);

class LebCursor extends Cursor {
  /** The next number in its shortest form (LEB128), at most `most`. */
  number(most, what) {
    let value = 0n;
    let shift = 0n;
    for (;;) {
      const byte = this.byte(what);
      value |= BigInt(byte & 0x7f) << shift;
      if (value > most || shift > 63n) throw new Malformed("ots.most", { what, most });
      if (byte < 0x80) {
        if (byte === 0 && shift) throw new Malformed("ots.shortest", { what, value, size: shift / 7n + 1n });
        return value;
      }
      shift += 7n;
    }
  }

  sized(most, what) {
    return this.take(Number(this.number(BigInt(most), `the length of ${what}`)), what);
  }
}

/** Read a whole .ots file: { hashName, digest, paths: [{ operations, attestation }] }. */
export function decodeOts(raw) {
  const reader = new LebCursor(raw, MAX_OTS_FILE, "OpenTimestamps file");
  if (!sameBytes(reader.take(OTS_MAGIC.length, "the magic bytes"), OTS_MAGIC)) throw new Malformed("ots.magic");
  const version = reader.number(0xffn, "the version");
  if (version !== 1n) throw new Newer("ots.version", { found: version });
  const hash = operation(reader.byte("a hash operation"), new Uint8Array());
  if (!DIGEST_SIZES.has(hash.tag)) throw new Malformed("ots.hash", { name: hash.name });
  const digest = reader.take(DIGEST_SIZES.get(hash.tag), "the digest");
  const paths = readPaths(reader, digest.length);
  reader.end();
  return { hashName: hash.name, digest, paths };
}

function operation(tag, argument) {
  const name = NAME_OF.get(tag);
  if (name === undefined) throw new Malformed("ots.tag", { found: tag.toString(16).padStart(2, "0") });
  if (WITH_ARGUMENT.has(tag) !== argument.length > 0) {
    const wanted = WITH_ARGUMENT.has(tag) ? "an" : "no";
    throw new Malformed("ots.argument", { wanted, name, found: argument.length });
  }
  return { tag, name, argument, key: `${tag}:${toHex(argument)}` };
}

function resultSize({ tag, name, argument }, size) {
  if (size < 1) throw new Malformed("ots.empty");
  const result = tag === HEXLIFY ? 2 * size : DIGEST_SIZES.has(tag) ? DIGEST_SIZES.get(tag) : size + argument.length;
  if (Math.max(size, result) > MAX_MESSAGE) {
    throw new Malformed("ots.message", { limit: MAX_MESSAGE, name, result, size });
  }
  return result;
}

/** Read the tree without recursion: one level of `nodes` for each operation on the way to where the reader stands. */
function readPaths(reader, messageSize) {
  const paths = [];
  const nodes = [{ size: messageSize, seen: new Set(), operation: null, hasMore: false }];
  for (;;) {
    let tag = reader.byte("a tag");
    let hasMore = tag === MARK;
    if (hasMore) tag = reader.byte("a tag");
    const node = nodes[nodes.length - 1];
    if (tag !== ATTESTATION) {
      checkBudget(nodes.length);
      const next = readOperation(reader, tag);
      checkNew(node, next.key, next.name);
      nodes.push({ size: resultSize(next, node.size), seen: new Set(), operation: next, hasMore });
      continue;
    }
    const attestation = readAttestation(reader);
    checkNew(node, attestation.key, attestation.type);
    paths.push({ operations: nodes.slice(1).map((each) => each.operation), attestation });
    if (paths.length > MAX_ATTESTATIONS) throw new Malformed("ots.attestations", { limit: MAX_ATTESTATIONS });
    while (!hasMore) {
      if (nodes.length === 1) return paths;
      hasMore = nodes.pop().hasMore;
    }
  }
}

function checkBudget(count) {
  if (count > MAX_OPERATIONS) throw new Malformed("ots.budget", { limit: MAX_OPERATIONS, found: count });
}

function checkNew(node, key, name) {
  if (node.seen.has(key)) throw new Malformed("ots.twice", { name });
  node.seen.add(key);
}

function readOperation(reader, tag) {
  const argument = WITH_ARGUMENT.has(tag) ? reader.sized(MAX_MESSAGE, "an argument") : new Uint8Array();
  return operation(tag, argument);
}

function readAttestation(reader) {
  const tag = toHex(reader.take(8, "an attestation's tag"));
  const payload = reader.sized(MAX_PAYLOAD, "an attestation's payload");
  const key = `attestation:${tag}:${toHex(payload)}`;
  if (tag !== PENDING_TAG && !BLOCK_TAGS.has(tag)) return { type: "unknown", value: tag + toHex(payload), key };
  const inner = new LebCursor(payload, MAX_PAYLOAD, "an attestation's payload");
  const type = BLOCK_TAGS.get(tag) || "pending";
  const value = type === "pending" ? readUri(inner) : inner.number(MAX_HEIGHT, "a height");
  inner.end();
  return { type, value, key };
}

function readUri(inner) {
  const uri = String.fromCharCode(...inner.sized(MAX_URI, "an address"));
  if (!/^[A-Za-z0-9\-._/:]*$/.test(uri)) throw new Malformed("ots.uri");
  return uri;
}

/** What `operations` make of `message`; NotExecutable where one of them is not believed. */
export function executeOperations(operations, message) {
  for (const each of operations) {
    if (!BELIEVED.has(each.tag)) throw new NotExecutable("ots.not-believed", { name: each.name });
  }
  for (const each of operations) {
    resultSize(each, message.length);
    message = BELIEVED.get(each.tag)(message, each.argument);
  }
  return message;
}
