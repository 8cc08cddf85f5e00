// SPDX-License-Identifier: Apache-2.0
// The envelope of an entry (docs/spec/envelope.md): its content encrypted, and the key to it wrapped for each reader.
// Opened here with a reader's key, and held against what the entry commits to.

import { bigEndian, concat, Cursor, HASH_SIZE, sameBytes, startsWith, toHex, utf8 } from "./bytes.js";
import { contentCommitment, extensionOf } from "./entry.js";
import { Malformed, Newer, Refused } from "./errors.js";
import { openAes, openSealed, privateKeyOf } from "./hpke.js";
import { sha256 } from "./sha256.js";

export const ENVELOPE_MAGIC = utf8("ALE");
const ENVELOPE_VERSION = 1;
const WRAP_SIZE = 80;
const MAX_READERS = 256;
const ENVELOPE_NONCE_SIZE = 12;
const ENVELOPE_SALT_SIZE = 16;
const LENGTH_SIZE = 8;
const LEAST_BOX = 284;
const MAX_BOX = 17301532;
export const MAX_ENVELOPE = 38 + MAX_READERS * (HASH_SIZE + WRAP_SIZE) + MAX_BOX;
export const ENVELOPE_EXTENSION = 8;
const KEY_SIZE = 32;
const BOX_DOMAIN = utf8("anchorline/envelope/v1\n");
const WRAP_DOMAIN = utf8("anchorline/envelope-key/v1\n");
const READER_DOMAIN = utf8("anchorline/reader/v1\n");
const CHECK_SIZE = 4;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** Read an envelope: { entryHash, keys: [{ reader, wrap }], box }; Malformed, or Newer for another version. */
export function decodeEnvelope(data) {
  const reader = new Cursor(data, MAX_ENVELOPE, "envelope");
  if (!startsWith(reader.take(ENVELOPE_MAGIC.length, "envelope"), ENVELOPE_MAGIC)) throw new Malformed("envelope.magic");
  const version = reader.byte("envelope");
  if (version !== ENVELOPE_VERSION) throw new Newer("envelope.version", { found: version });
  const entryHash = reader.take(HASH_SIZE, "entry_hash");
  const count = reader.length(2, "number of readers");
  if (count > MAX_READERS) throw new Malformed("envelope.readers", { limit: MAX_READERS, found: count });
  const keys = Array.from({ length: count }, () => {
    return { reader: reader.take(HASH_SIZE, "a reader"), wrap: reader.take(WRAP_SIZE, "a wrapped key") };
  });
  const ids = keys.map((each) => toHex(each.reader));
  if (ids.some((id, place) => place > 0 && ids[place - 1] >= id)) throw new Malformed("envelope.order");
  const box = reader.take(reader.left(), "envelope");
  if (box.length < LEAST_BOX || box.length > MAX_BOX) {
    throw new Malformed("envelope.box", { least: LEAST_BOX, most: MAX_BOX, found: box.length });
  }
  return { entryHash, keys, box };
}

/** A reader's key of its 32 private bytes: { own, publicKey, reader, text }. */
export async function readerKeyOf(privateBytes) {
  const key = await privateKeyOf(privateBytes);
  const reader = sha256(READER_DOMAIN, key.publicKey);
  return { ...key, reader, text: `reader_${base32(concat(key.publicKey, reader.slice(0, CHECK_SIZE)))}` };
}

/** What is in the envelope of an entry, as the entry commits to it: { salt, digest, content }; Refused otherwise. */
export async function openEnvelope(envelope, entry, key) {
  checkBelongs(envelope, entry);
  const { box } = envelope;
  const contentKey = await contentKeyFor(envelope, key);
  const bound = concat(BOX_DOMAIN, entry.chainId, entry.commitment);
  const text = await openAes(contentKey, box.slice(0, ENVELOPE_NONCE_SIZE), box.slice(ENVELOPE_NONCE_SIZE), bound);
  if (text === null) throw new Refused("content-does-not-open", "envelope.content", { entry: entry.hash });
  const { salt, content } = unpadded(text);
  const digest = sha256(content);
  if (!sameBytes(contentCommitment(salt, digest), entry.commitment)) {
    throw new Refused("content-is-not-what-the-entry-commits-to", "envelope.commitment", { entry: entry.hash });
  }
  return { salt, digest, content };
}

/** Refused unless the envelope is the one that the entry names. */
function checkBelongs({ entryHash, box }, entry) {
  const named = extensionOf(entry, ENVELOPE_EXTENSION);
  if (named === null) throw new Refused("entry-has-no-envelope", "envelope.none", { entry: entry.hash });
  if (!sameBytes(entryHash, entry.hash)) {
    throw new Refused("envelope-of-another-entry", "envelope.another", { found: entryHash, entry: entry.hash });
  }
  if (!sameBytes(sha256(box), named)) throw new Refused("envelope-changed", "envelope.changed", { entry: entry.hash });
}

async function contentKeyFor({ keys, entryHash }, key) {
  const found = keys.find(({ reader }) => sameBytes(reader, key.reader));
  if (found === undefined) throw new Refused("not-a-reader", "envelope.no-reader", { entry: entryHash, reader: key.reader });
  const contentKey = await openSealed(key, found.wrap, concat(WRAP_DOMAIN, entryHash));
  if (contentKey !== null && contentKey.length === KEY_SIZE) return contentKey;
  throw new Refused("wrapped-key-does-not-open", "envelope.key", { reader: key.reader });
}

/** Salt and content of what was encrypted; Refused where more than zeros is behind. */
function unpadded(text) {
  const start = ENVELOPE_SALT_SIZE + LENGTH_SIZE;
  const size = bigEndian(text.slice(ENVELOPE_SALT_SIZE, start));
  const left = text.length - start;
  if (size > BigInt(left)) throw new Refused("padding-wrong", "envelope.length", { size, left });
  const end = start + Number(size);
  if (text.subarray(end).some((byte) => byte !== 0)) throw new Refused("padding-wrong", "envelope.padding");
  return { salt: text.slice(0, ENVELOPE_SALT_SIZE), content: text.slice(start, end) };
}

/** RFC 4648 section 6 in lower case, without padding. */
function base32(bytes) {
  let text = "";
  let bits = 0;
  let rest = 0;
  for (const byte of bytes) {
    rest = ((rest << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32[(rest >> (bits - 5)) & 31];
  }
  return bits ? text + BASE32[(rest << (5 - bits)) & 31] : text;
}
