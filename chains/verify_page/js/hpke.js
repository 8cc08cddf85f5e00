// SPDX-License-Identifier: Apache-2.0
// HPKE (RFC 9180), opening in base mode, single-shot: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. X25519, HMAC
// and AES are WebCrypto's. Readers of envelopes stand on it.

import { bytesOfBase64, concat, utf8 } from "./bytes.js";
import { Malformed } from "./errors.js";

const KEM_SUITE = concat(utf8("KEM"), Uint8Array.of(0x00, 0x20));
const HPKE_SUITE = concat(utf8("HPKE"), Uint8Array.of(0x00, 0x20, 0x00, 0x01, 0x00, 0x02));
const HPKE_LABEL = utf8("HPKE-v1");
const NO_BYTES = new Uint8Array(0);
const HPKE_HASH = 32;
const ENCAPSULATED = 32;
// PrivateKeyInfo of an X25519 key, up to its 32 bytes (RFC 8410 section 7): the form that WebCrypto imports.
const PRIVATE_KEY_INFO = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20);

/** A private key of X25519: { own, publicKey }; Malformed where this browser has no X25519. */
export async function privateKeyOf(bytes) {
  if (crypto.subtle === undefined) throw new Malformed("envelope.no-webcrypto");
  try {
    const own = await crypto.subtle.importKey("pkcs8", concat(PRIVATE_KEY_INFO, bytes), "X25519", true, ["deriveBits"]);
    const { x } = await crypto.subtle.exportKey("jwk", own);
    return { own, publicKey: bytesOfBase64(`${x.replaceAll("-", "+").replaceAll("_", "/")}=`) };
  } catch (error) {
    if (error instanceof DOMException) throw new Malformed("envelope.no-x25519");
    throw error;
  }
}

/** The plaintext of what was sealed for a key under `info`, or null where it does not open. */
export async function openSealed({ own, publicKey }, sealed, info) {
  try {
    const encapsulated = sealed.slice(0, ENCAPSULATED);
    const { key, nonce } = await schedule(await sharedSecret(own, publicKey, encapsulated), info);
    return await openAes(key, nonce, sealed.slice(ENCAPSULATED), NO_BYTES);
  } catch (error) {
    if (error instanceof DOMException) return null; // of small order (all zeros would be shared)
    throw error;
  }
}

/** What AES-256-GCM opens, or null. */
export async function openAes(key, nonce, ciphertext, bound) {
  const imported = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  try {
    const how = { name: "AES-GCM", iv: nonce, additionalData: bound };
    return new Uint8Array(await crypto.subtle.decrypt(how, imported, ciphertext));
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

/** Decap (section 4.1). */
async function sharedSecret(own, publicKey, encapsulated) {
  const other = await crypto.subtle.importKey("raw", encapsulated, "X25519", true, []);
  const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: other }, own, 256));
  const extracted = await labeledExtract(KEM_SUITE, NO_BYTES, "eae_prk", shared);
  return labeledExpand(KEM_SUITE, extracted, "shared_secret", concat(encapsulated, publicKey), HPKE_HASH);
}

/** KeySchedule in base mode (section 5.1): the key and the nonce of the first and only message. */
async function schedule(shared, info) {
  const pskHash = await labeledExtract(HPKE_SUITE, NO_BYTES, "psk_id_hash", NO_BYTES);
  const infoHash = await labeledExtract(HPKE_SUITE, NO_BYTES, "info_hash", info);
  const context = concat(Uint8Array.of(0), pskHash, infoHash);
  const secret = await labeledExtract(HPKE_SUITE, shared, "secret", NO_BYTES);
  const key = await labeledExpand(HPKE_SUITE, secret, "key", context, 32);
  return { key, nonce: await labeledExpand(HPKE_SUITE, secret, "base_nonce", context, 12) };
}

function labeledExtract(suite, salt, label, secret) {
  // No salt is as many zeros as a hash has bytes (RFC 5869 section 2.2); WebCrypto takes no empty key.
  const key = salt.length ? salt : new Uint8Array(HPKE_HASH);
  return hmac(key, concat(HPKE_LABEL, suite, utf8(label), secret));
}

/** One block of HKDF-Expand is enough: 32 bytes at most. */
async function labeledExpand(suite, key, label, info, size) {
  const labeled = concat(Uint8Array.of(0, size), HPKE_LABEL, suite, utf8(label), info, Uint8Array.of(1));
  return (await hmac(key, labeled)).slice(0, size);
}

async function hmac(key, message) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}
