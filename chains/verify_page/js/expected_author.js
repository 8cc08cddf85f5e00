// SPDX-License-Identifier: Apache-2.0
// Whom the visitor expects as the author: { identity, key }, one of them bytes and the other null; and the card of an
// identity, whose statement gives the chain id (docs/spec/identity.md).

import { bigEndianBytes, fromHex, HASH_SIZE, sameBytes } from "./bytes.js";
import { Malformed, Refused } from "./errors.js";
import { BEGIN, decodeStatement, identityChainId, MAX_STATEMENT } from "./identity.js";
import { Fields, parseStrict } from "./strictjson.js";
import { say, TEXTS } from "./texts.js";

export const IDENTITY_CARD_FORMAT = "anchorline-identity-card/1";
export const MAX_IDENTITY_CARD = 2 * MAX_STATEMENT + 200;
const DID_KEY = "did:key:z";
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const ED25519_CODEC = 0xed01n;
const DID_DIGITS = 47;

/** Read a chain id in hex, or the did:key of an Ed25519 key. */
export function expectedAuthor(text) {
  if (text.startsWith(DID_KEY)) return { identity: null, key: keyOfDid(text) };
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw new Malformed("author.text", { text: text.slice(0, 60) });
  return { identity: fromHex(text.toLowerCase(), "identity", HASH_SIZE), key: null };
}

/** Read the card of an identity: { identity, key, names }. */
export function decodeIdentityCard(data) {
  const fields = new Fields(parseStrict(data, "identity card", MAX_IDENTITY_CARD), "identity card");
  fields.format(IDENTITY_CARD_FORMAT);
  const begin = decodeStatement(fields.hex("begin", { maximum: MAX_STATEMENT }));
  fields.end();
  if (begin.operation !== BEGIN) throw new Malformed("author.not-begin");
  return { identity: identityChainId(begin), key: null, names: begin.names };
}

/** Refuse any other author than the one who is expected. */
export function checkExpected({ identity, key }, publicKey, named) {
  if (key !== null && !sameBytes(key, publicKey)) {
    throw new Refused("another-author", "3.another-key", { key: publicKey, expected: key });
  }
  if (identity === null || (named !== null && sameBytes(identity, named))) return;
  const name = named === null ? TEXTS["3.no-name"] : say("3.name", { identity: named });
  throw new Refused("another-author", "3.another", { key: publicKey, named: name, expected: identity });
}

/** An entry that nobody signed is nobody's. */
export function refuseUnsigned({ identity, key }) {
  if (key !== null) throw new Refused("another-author", "3.unsigned-key", { expected: key });
  throw new Refused("another-author", "3.unsigned-identity", { expected: identity });
}

function keyOfDid(name) {
  const digits = [...name.slice(DID_KEY.length)].map((digit) => BASE58.indexOf(digit));
  const isName = digits.length === DID_DIGITS && !digits.includes(-1);
  const number = isName ? digits.reduce((value, digit) => value * 58n + BigInt(digit), 0n) : 0n;
  if (number >> 256n !== ED25519_CODEC) throw new Malformed("author.did", { name: name.slice(0, 60) });
  return bigEndianBytes(number & ((1n << 256n) - 1n), HASH_SIZE);
}
