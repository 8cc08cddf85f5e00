// SPDX-License-Identifier: Apache-2.0
// Certificates (X.509, RFC 5280), as much of them as time stamps and bindings to identities need: who issued whom, since
// when and until when, for what, and signatures, which are WebCrypto's (RSA and ECDSA). Roots are the visitor's word.

import { bigEndian, bytesOfBase64, bytesOfHex, concat, sameBytes, toHex } from "./bytes.js";
import { BITS_TAG, CONTEXT_0, CONTEXT_2, CONTEXT_3, contentOf, dotted, explicit, INTEGER_TAG, integerOf, itemsIn } from "./der.js";
import { OCTETS_TAG, oidOf, readDer, SEQUENCE_TAG, SET_TAG, timeOf } from "./der.js";
import { checkInBigInt } from "./ed25519.js";
import { Malformed } from "./errors.js";

export const MAX_PEM = 4 * 2 ** 20;
const BASIC_CONSTRAINTS = "551d13";
const KEY_USAGE = "551d0f";
const QC_STATEMENTS = "2b06010505070103";
/** Extensions that may be critical in a way to a root: what is not here must be obeyed, and is not. */
const UNDERSTOOD = [BASIC_CONSTRAINTS, KEY_USAGE, "551d25", "551d11", "551d20"];
const EXTENDED_KEY_USAGE = "551d25";
const TIME_STAMPING = "2b06010505070308";
const RSA_KEY = "2a864886f70d010101";
const EC_KEY = "2a8648ce3d0201";
const PSS_KEY = "2a864886f70d01010a";
const ED25519_KEY = "2b6570";
const PLAIN_RSA = bytesOfHex("300d06092a864886f70d0101010500");
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
const ED25519_PROOF = 5;
const LEAST_RSA_BITS = 2048;
/** The digest of each algorithm of a proof, of the message or of what signed attributes hold. */
export const PROOF_DIGESTS = new Map([[1, "SHA-256"], [2, "SHA-256"], [3, "SHA-256"], [4, "SHA-384"], [5, "SHA-512"]]);
const PROOF_WAYS = new Map([
  [1, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }],
  [2, { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 }],
  [3, { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }],
  [4, { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" }],
]);
/** Digests that are named apart from a signature. */
export const DIGESTS = new Map([
  ["608648016503040201", "SHA-256"],
  ["608648016503040202", "SHA-384"],
  ["608648016503040203", "SHA-512"],
]);
const QC_TYPE = "04008e460106";
const QC_WORDS = new Map([
  ["04008e460101", "a qualified certificate of the EU"],
  ["04008e460104", "with its key in a qualified device"],
]);
const QC_TYPES = new Map([
  ["04008e46010601", "for electronic signatures"],
  ["04008e46010602", "for electronic seals"],
  ["04008e46010603", "for web sites"],
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

export function bitsOf(value) {
  const content = contentOf(value, BITS_TAG);
  if (content[0] !== 0) throw new Malformed("certificate.bits");
  return content.subarray(1);
}

/** Each extension by its identifier: { isCritical, value }. */
export function extensionsIn(value) {
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

/** Whether a certificate is for signatures, by its key usage where it has one. */
export function isForSigning(certificate) {
  const usage = certificate.extensions.get(KEY_USAGE);
  return isUnderstood(certificate) && (usage === undefined || (contentOf(usage.value, BITS_TAG)[1] & 0xc0) !== 0);
}

/** Whether all that is critical in a certificate is known here. */
export function isUnderstood({ extensions }) {
  return [...extensions].every(([id, { isCritical }]) => !isCritical || UNDERSTOOD.includes(id));
}

/** What a certificate says of itself by its QcStatements (ETSI EN 319 412-5); unknown ones say nothing. */
export function qualifiedWords({ extensions }) {
  const found = extensions.get(QC_STATEMENTS);
  const words = [];
  for (const item of found === undefined ? [] : itemsIn(found.value, SEQUENCE_TAG)) {
    const [name, types] = itemsIn(item, SEQUENCE_TAG, 1);
    if (QC_WORDS.has(oidOf(name))) words.push(QC_WORDS.get(oidOf(name)));
    if (oidOf(name) !== QC_TYPE || types === undefined) continue;
    for (const type of itemsIn(types, SEQUENCE_TAG, 1)) if (QC_TYPES.has(oidOf(type))) words.push(QC_TYPES.get(oidOf(type)));
  }
  return [...new Set(words)];
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

/** Whether a certificate may sign revocation lists, by its key usage where it has one. */
export function mayList({ extensions }) {
  const usage = extensions.get(KEY_USAGE);
  return usage === undefined || (contentOf(usage.value, BITS_TAG)[1] & 0x02) !== 0;
}

export function isValidAt({ from, until }, timeUs) {
  return from <= timeUs && timeUs <= until;
}

/** Whether `issuer` issued a certificate: by their names, and by the signature. */
export async function isIssuedBy(certificate, issuer) {
  return sameBytes(certificate.issuer, issuer.subject) && isSignedByKeyOf(certificate, issuer);
}

/** Whether the key of `issuer` signed a certificate or a list. */
export async function isSignedByKeyOf({ tbs, algorithm, signature }, issuer) {
  const id = algorithmOf(algorithm);
  const [keyAlgorithm, bits] = itemsIn(readDer(issuer.key), SEQUENCE_TAG, 2);
  const kind = algorithmOf(keyAlgorithm);
  if (id === ED25519_KEY) return kind === id && checkInBigInt(bitsOf(bits), tbs, signature);
  if (id !== PSS_KEY) return (await isSignatureGood(issuer.key, algorithm, null, tbs, signature)) === true;
  const way = pssParameters(algorithm);
  return way !== null && [RSA_KEY, PSS_KEY].includes(kind) && verified(plainRsa(issuer.key), way, signature, tbs);
}

/** Whether a certificate's key made a proof (docs/spec/identity.md) by an algorithm that this page knows. */
export async function isProofGood(key, algorithm, signed, signature, check) {
  const [keyAlgorithm, point] = itemsIn(readDer(key), SEQUENCE_TAG, 2);
  const [keyKind, curveId] = itemsIn(keyAlgorithm, SEQUENCE_TAG, 1);
  const kind = oidOf(keyKind);
  const way = PROOF_WAYS.get(algorithm);
  if (kind === ED25519_KEY) return algorithm === ED25519_PROOF && check(bitsOf(point), signed, signature);
  if (kind === RSA_KEY || kind === PSS_KEY) {
    if (way === undefined || !way.name.startsWith("RSA") || rsaBits(bitsOf(point)) < LEAST_RSA_BITS) return false;
    return verified(plainRsa(key), way, signature, signed);
  }
  const curve = CURVES.get(curveId === undefined ? "" : toHex(curveId.content));
  const isMeant = way !== undefined && kind === EC_KEY && curve !== undefined && way.namedCurve === curve.name;
  return isMeant && signature.length === 2 * curve.size && verified(key, way, signature, signed);
}

/** The identifier of an algorithm, whatever its parameters are (RFC 5280 section 4.1.1.2). */
export function algorithmOf(value) {
  return oidOf(itemsIn(value, SEQUENCE_TAG, 1)[0]);
}

function rsaBits(key) {
  const [modulus] = itemsIn(readDer(key), SEQUENCE_TAG, 2);
  return bigEndian(contentOf(modulus, INTEGER_TAG)).toString(2).length;
}

/** A key that is for PSS alone by its name, under the name that WebCrypto knows. */
function plainRsa(key) {
  const [algorithm, bits] = itemsIn(readDer(key), SEQUENCE_TAG, 2);
  if (algorithmOf(algorithm) !== PSS_KEY) return key;
  const content = concat(PLAIN_RSA, bits.encoded);
  return concat(Uint8Array.of(SEQUENCE_TAG, 0x82, content.length >> 8, content.length & 0xff), content);
}

/** { hash, saltLength } of a signature by PSS (RFC 4055 section 3.1), or null where it is none of ours. */
function pssParameters(algorithm) {
  const [, parameters] = itemsIn(algorithm, SEQUENCE_TAG, 1);
  const parts = new Map((parameters === undefined ? [] : itemsIn(parameters, SEQUENCE_TAG)).map((item) => [item.tag, item]));
  if (!parts.has(CONTEXT_0) || !parts.has(CONTEXT_2)) return null;
  const hash = DIGESTS.get(algorithmOf(explicit(parts.get(CONTEXT_0), CONTEXT_0)));
  const saltLength = Number(integerOf(explicit(parts.get(CONTEXT_2), CONTEXT_2)));
  return hash === undefined ? null : { name: "RSA-PSS", hash, saltLength };
}

/** Whether a signature is good: true, false, or null where this page knows no such algorithm or key. */
export async function isSignatureGood(key, algorithm, digest, message, signature) {
  const known = ALGORITHMS.get(algorithmOf(algorithm));
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
