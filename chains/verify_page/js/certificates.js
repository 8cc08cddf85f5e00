// SPDX-License-Identifier: Apache-2.0
// Certificates (X.509, RFC 5280), as much of them as time stamps need: who issued whom, since when and until when, and
// signatures, which are WebCrypto's (RSA and ECDSA). Which roots count is the visitor's word.

import { bytesOfBase64, concat, sameBytes, toHex } from "./bytes.js";
import { BITS_TAG, CONTEXT_0, CONTEXT_3, contentOf, dotted, explicit, INTEGER_TAG, integerOf, itemsIn } from "./der.js";
import { OCTETS_TAG, oidOf, readDer, SEQUENCE_TAG, SET_TAG, timeOf } from "./der.js";
import { Malformed } from "./errors.js";

export const MAX_PEM = 4 * 2 ** 20;
const BASIC_CONSTRAINTS = "551d13";
const KEY_USAGE = "551d0f";
const EXTENDED_KEY_USAGE = "551d25";
const TIME_STAMPING = "2b06010505070308";
const RSA_KEY = "2a864886f70d010101";
const EC_KEY = "2a8648ce3d0201";
const CURVES = new Map([
  ["2a8648ce3d030107", { name: "P-256", size: 32 }],
  ["2b81040022", { name: "P-384", size: 48 }],
  ["2b81040023", { name: "P-521", size: 66 }],
]);
/** Signature algorithms by their identifiers: [kind of key, digest]; null where the signer's digest is meant. */
const ALGORITHMS = new Map([
  [RSA_KEY, [RSA_KEY, null]],
  ["2a864886f70d01010b", [RSA_KEY, "SHA-256"]],
  ["2a864886f70d01010c", [RSA_KEY, "SHA-384"]],
  ["2a864886f70d01010d", [RSA_KEY, "SHA-512"]],
  ["2a8648ce3d040302", [EC_KEY, "SHA-256"]],
  ["2a8648ce3d040303", [EC_KEY, "SHA-384"]],
  ["2a8648ce3d040304", [EC_KEY, "SHA-512"]],
]);
const SHORT_NAMES = new Map([
  ["550403", "CN"],
  ["550407", "L"],
  ["550408", "ST"],
  ["55040a", "O"],
  ["55040b", "OU"],
  ["550406", "C"],
  ["550409", "STREET"],
  ["0992268993f22c640119", "DC"],
  ["0992268993f22c640101", "UID"],
]);

/** Read a certificate (DER); its serial number must be positive (RFC 5280 section 4.1.2.2). */
export function decodeCertificate(raw) {
  const [tbs, algorithm, signature] = itemsIn(readDer(raw), SEQUENCE_TAG, 3);
  const fields = itemsIn(tbs, SEQUENCE_TAG, 6);
  const first = fields[0].tag === CONTEXT_0 ? 1 : 0;
  const [serial, inner, issuer, validity, subject, key] = fields.slice(first);
  const [from, until] = itemsIn(validity, SEQUENCE_TAG, 2);
  const listed = fields.find(({ tag }) => tag === CONTEXT_3);
  const made = {
    raw,
    tbs: tbs.encoded,
    serial: integerOf(serial),
    issuer: issuer.encoded,
    subject: subject.encoded,
    from: timeOf(from),
    until: timeOf(until),
    key: key.encoded,
    algorithm,
    signature: bitsOf(signature),
    extensions: listed === undefined ? new Map() : extensionsIn(explicit(listed, CONTEXT_3)),
  };
  if (made.serial <= 0n) throw new Malformed("certificate.serial");
  if (!sameBytes(inner.encoded, algorithm.encoded)) throw new Malformed("certificate.algorithm");
  return made;
}

function bitsOf(value) {
  const content = contentOf(value, BITS_TAG);
  if (content[0] !== 0) throw new Malformed("certificate.bits");
  return content.subarray(1);
}

/** Each extension by its identifier: { isCritical, value }. */
function extensionsIn(value) {
  const found = new Map();
  for (const item of itemsIn(value, SEQUENCE_TAG)) {
    const parts = itemsIn(item, SEQUENCE_TAG, 2);
    const id = oidOf(parts[0]);
    if (found.has(id)) throw new Malformed("certificate.twice");
    const isCritical = parts.length > 2 && parts[1].content[0] === 0xff;
    found.set(id, { isCritical, value: readDer(contentOf(parts[parts.length - 1], OCTETS_TAG)) });
  }
  return found;
}

/** Whether a certificate is for time stamping and for nothing else, and says so critically (RFC 3161 section 2.3). */
export function usageOf({ extensions }) {
  const usage = extensions.get(EXTENDED_KEY_USAGE);
  if (usage === undefined) return "none";
  const purposes = itemsIn(usage.value, SEQUENCE_TAG, 1).map(oidOf);
  return usage.isCritical && purposes.length === 1 && purposes[0] === TIME_STAMPING ? "time stamping" : "other";
}

/** Whether a certificate may issue others, with `below` certificates between it and the last one. */
export function isAuthority({ extensions }, below) {
  const constraints = extensions.get(BASIC_CONSTRAINTS);
  if (constraints === undefined) return false;
  const parts = itemsIn(constraints.value, SEQUENCE_TAG);
  if (!parts.length || parts[0].content[0] !== 0xff) return false;
  if (parts.length > 1 && parts[1].tag === INTEGER_TAG && integerOf(parts[1]) < BigInt(below)) return false;
  const usage = extensions.get(KEY_USAGE);
  return usage === undefined || (contentOf(usage.value, BITS_TAG)[1] & 0x04) !== 0;
}

export function isValidAt({ from, until }, timeUs) {
  return from <= timeUs && timeUs <= until;
}

/** Whether `issuer` issued a certificate: by their names, and by the signature. */
export async function isIssuedBy(certificate, issuer) {
  if (!sameBytes(certificate.issuer, issuer.subject)) return false;
  const { tbs, algorithm, signature } = certificate;
  return (await isSignatureGood(issuer.key, algorithm, null, tbs, signature)) === true;
}

/** Whether a signature is good: true, false, or null where this page knows no such algorithm or key. */
export async function isSignatureGood(key, algorithm, digest, message, signature) {
  const known = ALGORITHMS.get(oidOf(itemsIn(algorithm, SEQUENCE_TAG, 1)[0]));
  const [keyAlgorithm] = itemsIn(readDer(key), SEQUENCE_TAG, 2);
  const [keyKind, curveId] = itemsIn(keyAlgorithm, SEQUENCE_TAG, 1);
  if (known === undefined || (known[1] || digest) === null) return null;
  const [kind, own] = known;
  const hash = own || digest;
  if (oidOf(keyKind) !== kind) return kind === RSA_KEY || kind === EC_KEY ? false : null;
  if (kind === RSA_KEY) return verified(key, { name: "RSASSA-PKCS1-v1_5", hash }, signature, message);
  const curve = CURVES.get(curveId === undefined ? "" : toHex(curveId.content));
  if (curve === undefined) return null;
  const flat = flatSignature(signature, curve.size);
  return flat !== null && verified(key, { name: "ECDSA", namedCurve: curve.name, hash }, flat, message);
}

async function verified(key, algorithm, signature, message) {
  try {
    const imported = await crypto.subtle.importKey("spki", key, algorithm, false, ["verify"]);
    return await crypto.subtle.verify(algorithm, imported, signature, message);
  } catch (error) {
    if (error instanceof DOMException) return false; // a key that is none
    throw error;
  }
}

/** r and s one behind the other, as WebCrypto wants them; null where they are too long. */
function flatSignature(signature, size) {
  let parts;
  try {
    parts = itemsIn(readDer(signature), SEQUENCE_TAG, 2).map((item) => contentOf(item, INTEGER_TAG));
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
  const flat = parts.slice(0, 2).map((part) => {
    const digits = part[0] === 0 ? part.subarray(1) : part;
    return digits.length > size ? null : concat(new Uint8Array(size - digits.length), digits);
  });
  return flat.includes(null) ? null : concat(...flat);
}

/** A name as RFC 4514 writes it, the last part first. */
export function nameText(encoded) {
  const sets = itemsIn(readDer(encoded), SEQUENCE_TAG).map((set) => itemsIn(set, SET_TAG, 1));
  return sets.reverse().map((attributes) => attributes.map(attributeText).join("+")).join(",");
}

function attributeText(value) {
  const [kind, text] = itemsIn(value, SEQUENCE_TAG, 2);
  const id = oidOf(kind);
  const plain = new TextDecoder().decode(text.content);
  const escaped = plain.replace(/[\\"+,;<>]/g, "\\$&").replaceAll("\0", "\\00");
  const begun = /^[# ]/.test(escaped) ? `\\${escaped}` : escaped;
  const whole = begun.length > 1 && begun.endsWith(" ") ? `${begun.slice(0, -1)}\\ ` : begun;
  return `${SHORT_NAMES.get(id) || dotted(id)}=${whole}`;
}

/** The certificates of a PEM file, at least one of which signs itself; others help to find a way to it. */
export async function certificatesIn(data) {
  if (crypto.subtle === undefined) throw new Malformed("certificate.no-webcrypto");
  if (data.length > MAX_PEM) throw new Malformed("form.size", { what: "PEM", limit: MAX_PEM, found: data.length });
  const text = new TextDecoder("latin1").decode(data);
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) || [];
  const found = blocks.map((block) => {
    const raw = bytesOfBase64(block.replace(/-----[^-]*-----|\s/g, ""));
    if (raw === null) throw new Malformed("certificate.none");
    return decodeCertificate(raw);
  });
  if (!found.length) throw new Malformed("certificate.none");
  for (const each of found) if (await isIssuedBy(each, each)) return found;
  throw new Malformed("certificate.no-root");
}
