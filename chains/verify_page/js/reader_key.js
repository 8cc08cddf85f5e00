// SPDX-License-Identifier: Apache-2.0
// The file of a reader's key (docs/spec/envelope.md, "Files of keys"): in clear, or under a password as a key file is
// (docs/spec/key-file.md). Nothing of it leaves the page, and no message repeats a secret.

import { bytesOfHex, toHex, utf8 } from "./bytes.js";
import { readerKeyOf } from "./envelope.js";
import { Malformed, Refused } from "./errors.js";
import { openAes } from "./hpke.js";
import { scrypt } from "./scrypt.js";
import { Fields, parseStrict } from "./strictjson.js";

export const READER_KEY_FORMAT = "anchorline-reader-key/1";
export const MAX_READER_KEY = 10000;
const SECRET_SIZE = 32;
const KEY_SALT_SIZE = 16;
const KEY_NONCE_SIZE = 12;
// The secret in hex, filled up with zeros to 256 bytes, and the tag behind.
const CIPHERTEXT_SIZE = 272;
// What a file may ask of this machine: more is a damaged file, or a trap.
const RANGES = { n: [2n ** 14n, 2n ** 20n], r: [8n, 16n], p: [1n, 4n] };
const MAX_MEMORY = 2n ** 28n;

/** Read a file: { publicText, plain (32 bytes) or null, encrypted: { cost, salt, nonce, ciphertext } or null }. */
export function decodeReaderKey(data) {
  const what = "reader's key";
  const fields = new Fields(parseStrict(data, what, MAX_READER_KEY), what);
  fields.format(READER_KEY_FORMAT);
  const file = { publicText: fields.text("public"), plain: null, encrypted: null };
  if (fields.has("plain")) file.plain = fields.hex("plain", { exact: SECRET_SIZE });
  else file.encrypted = encryptedFromJson(new Fields(fields.take("encrypted"), `${what}.encrypted`));
  fields.end();
  return file;
}

function encryptedFromJson(fields) {
  const stretched = new Fields(fields.take("scrypt"), "scrypt");
  const cost = Object.fromEntries(Object.keys(RANGES).map((name) => [name, stretched.integer(name)]));
  const salt = stretched.hex("salt", { exact: KEY_SALT_SIZE });
  stretched.end();
  const cipher = new Fields(fields.take("aes_256_gcm"), "aes_256_gcm");
  const nonce = cipher.hex("nonce", { exact: KEY_NONCE_SIZE });
  const ciphertext = cipher.hex("ciphertext", { exact: CIPHERTEXT_SIZE });
  cipher.end();
  fields.end();
  checkCost(cost);
  return { cost, salt, nonce, ciphertext };
}

function checkCost({ n, r, p }) {
  for (const [name, value] of Object.entries({ n, r, p })) {
    const [low, high] = RANGES[name];
    if (value < low || value > high) throw new Malformed("key.cost", { name, low, high, found: value });
  }
  if (n & (n - 1n) || 128n * n * r > MAX_MEMORY) throw new Malformed("key.memory", { n, r });
}

/** The key of a file (see readerKeyOf); `password` counts where the file is encrypted. Refused where it does not open. */
export async function unlockedKey(file, password, advance) {
  const { publicText, plain, encrypted } = file;
  const secret = encrypted === null ? plain : await decrypted(publicText, encrypted, password, advance);
  const key = secret === null ? null : await readerKeyOf(secret);
  if (key === null || key.text !== publicText) throw new Refused("wrong-password", "key.wrong");
  return key;
}

/** The 32 bytes under a password, or null: another password, or a file that was changed. */
async function decrypted(publicText, { cost, salt, nonce, ciphertext }, password, advance) {
  const { n, r, p } = cost;
  const asNumbers = { n: Number(n), r: Number(r), p: Number(p) };
  const key = await scrypt(utf8(password.normalize("NFC")), salt, asNumbers, advance);
  const bound = utf8(`${READER_KEY_FORMAT}\n${publicText}\nscrypt ${n} ${r} ${p} ${toHex(salt)}\n`);
  const padded = await openAes(key, nonce, ciphertext, bound);
  if (padded === null) return null;
  const secret = bytesOfHex(new TextDecoder("latin1").decode(padded).replace(/\0*$/, ""));
  return secret === null || secret.length !== SECRET_SIZE ? null : secret;
}

/** How many rounds of scrypt a file asks for. */
export function roundsOf({ encrypted }) {
  return encrypted === null ? 0 : 2 * Number(encrypted.cost.n * encrypted.cost.p);
}
