// SPDX-License-Identifier: Apache-2.0
// Time stamps of RFC 3161 (docs/spec/timestamp.md): tokens read, and checked up to a certificate that the visitor
// trusts, as of the time that they say. Signatures are WebCrypto's; revocation is not checked.

import { bigEndian, sameBytes } from "./bytes.js";
import { algorithmOf, decodeCertificate, DIGESTS, isAuthority, isIssuedBy, isSignatureGood } from "./certificates.js";
import { isValidAt, nameText, usageOf } from "./certificates.js";
import { CONTEXT_0, contentOf, dotted, explicit, INTEGER_TAG, integerOf, itemsIn, OCTETS_TAG } from "./der.js";
import { oidOf, readDer, retagged, SEQUENCE_TAG, SET_TAG, timeOf } from "./der.js";
import { Malformed, Refused } from "./errors.js";
import { say } from "./texts.js";

const SIGNED_DATA = "2a864886f70d010702";
const TST_INFO = "2a864886f70d0109100104";
export const CONTENT_TYPE = "2a864886f70d010903";
export const MESSAGE_DIGEST = "2a864886f70d010904";
const NAMED_V1 = "2a864886f70d010910020c";
const NAMED_V2 = "2a864886f70d010910022f";
const SHA_256 = "608648016503040201";
// Each pair of them may cost a signature check. Real tokens carry two to four.
const MAX_CERTIFICATES = 16;

/** What a token says whose signature holds; `vouchedBy` is null where no certificate of the visitor's leads to it. */
export async function checkedToken(raw, imprint, trusted) {
  const token = readToken(raw);
  if (token.imprintAlgorithm !== SHA_256 || !sameBytes(token.imprint, imprint)) {
    throw new Refused("timestamp-of-something-else", "14.another", { found: token.imprint, imprint });
  }
  const signer = await checkedSigner(token);
  const pool = distinct([...trusted, ...token.certificates]);
  const isTrusted = (item) => trusted.some((each) => sameBytes(each.raw, item.raw));
  if (!(await rootsOver(signer, pool)).some(isTrusted)) return stampOf(token, signer, null);
  const valid = pool.filter((item) => isValidAt(item, token.timeUs));
  const roots = (await rootsOver(signer, valid)).filter(isTrusted);
  if (!roots.length || !isValidAt(signer, token.timeUs)) {
    throw wrongCertificate("14.not-valid", { time: timeText(token.timeUs - (token.timeUs % 1000000n)) });
  }
  const isGood = await isSignedToken(token, signer);
  if (isGood === null) return { ...stampOf(token, signer, null), isUnknownAlgorithm: true };
  if (!isGood) throw new Refused("timestamp-signature-wrong", "14.signature");
  if (!(await hasWay(signer, valid, isTrusted))) throw new Refused("timestamp-signature-wrong", "14.way");
  return stampOf(token, signer, roots.map(({ subject }) => nameText(subject)).sort()[0]);
}

function wrongCertificate(key, values = {}) {
  return new Refused("timestamp-certificate-wrong", "14.certificate", { cause: say(key, values) });
}

function distinct(certificates) {
  return certificates.filter((one, place) => certificates.findIndex(({ raw }) => sameBytes(raw, one.raw)) === place);
}

function stampOf(token, signer, vouchedBy) {
  const { timeUs, accuracyUs, policy, serial } = token;
  return { authority: nameText(signer.subject), timeUs, accuracyUs, policy, serial, vouchedBy };
}

/** The certificate that signed, which the signed attributes name by its hash and which is for time stamping alone. */
async function checkedSigner({ certificates, signer: { issuer, serial, named } }) {
  for (const certificate of certificates) {
    const isNamed = sameBytes(certificate.issuer, issuer) && certificate.serial === serial;
    if (!isNamed || !named.length || !(await hasHashes(certificate, named))) continue;
    const usage = usageOf(certificate);
    if (usage === "time stamping") return certificate;
    throw wrongCertificate(usage === "none" ? "14.no-usage" : "14.other-usage");
  }
  throw wrongCertificate("14.no-signer");
}

async function hasHashes({ raw }, named) {
  for (const [digest, hash] of named) {
    if (!sameBytes(new Uint8Array(await crypto.subtle.digest(digest, raw)), hash)) return false;
  }
  return true;
}

/** Every root that a way leads to, from the signer over certificates of `pool`; each is looked at once. */
async function rootsOver(signer, pool) {
  const reached = [signer];
  for (let at = 0; at < reached.length; at++) {
    for (const item of pool) {
      if (reached.some(({ raw }) => sameBytes(raw, item.raw))) continue;
      if (await isIssuedBy(reached[at], item)) reached.push(item);
    }
  }
  const roots = [];
  for (const item of reached) if (await isIssuedBy(item, item)) roots.push(item);
  return roots;
}

/** Whether a way of certificates that may issue others leads to a root that is trusted (RFC 5280 section 6.1). */
async function hasWay(last, pool, isTrusted, below = 0) {
  for (const item of pool) {
    if (below > MAX_CERTIFICATES || !isAuthority(item, below) || !(await isIssuedBy(last, item))) continue;
    if (isTrusted(item) && (await isIssuedBy(item, item))) return true;
    const others = pool.filter((each) => each !== item);
    if (await hasWay(item, others, isTrusted, below + 1)) return true;
  }
  return false;
}

/** Whether the signature holds: over the attributes, which hold the digest of what is said; null if it is unknown. */
async function isSignedToken({ info, signer }, certificate) {
  const { digest, messageDigest, attributes, algorithm, signature } = signer;
  const found = new Uint8Array(await crypto.subtle.digest(digest, info));
  if (!sameBytes(found, messageDigest)) return false;
  return isSignatureGood(certificate.key, algorithm, digest, retagged(attributes, SET_TAG), signature);
}

// --- reading

/** Read a token (CMS signed data over a TSTInfo, RFC 3161 section 2.4.2); nothing of it is checked but its form. */
function readToken(raw) {
  const [kind, wrapped] = itemsIn(readDer(raw), SEQUENCE_TAG, 2);
  if (oidOf(kind) !== SIGNED_DATA) throw new Malformed("14.form");
  const signed = itemsIn(explicit(wrapped, CONTEXT_0), SEQUENCE_TAG, 4);
  const [contentKind, content] = itemsIn(signed[2], SEQUENCE_TAG, 2);
  if (oidOf(contentKind) !== TST_INFO) throw new Malformed("14.form");
  const info = contentOf(explicit(content, CONTEXT_0), OCTETS_TAG);
  const carried = signed[3].tag === CONTEXT_0 ? itemsIn(signed[3], CONTEXT_0) : [];
  if (carried.length > MAX_CERTIFICATES) throw new Malformed("14.certificates", { limit: MAX_CERTIFICATES });
  const signers = itemsIn(signed[signed.length - 1], SET_TAG, 1);
  if (signers.length !== 1) throw new Malformed("14.signers", { found: signers.length });
  const signer = signerFrom(signers[0]);
  const certificates = carried.map(({ encoded }) => decodeCertificate(encoded.slice()));
  return { info, certificates, signer, ...infoFrom(info) };
}

function infoFrom(info) {
  const fields = itemsIn(readDer(info), SEQUENCE_TAG, 5);
  const [algorithm, hashed] = itemsIn(fields[2], SEQUENCE_TAG, 2);
  const accuracy = fields.slice(5).find(({ tag }) => tag === SEQUENCE_TAG);
  return {
    policy: dotted(oidOf(fields[1])),
    imprintAlgorithm: algorithmOf(algorithm),
    imprint: contentOf(hashed, OCTETS_TAG),
    serial: integerOf(fields[3]),
    timeUs: timeOf(fields[4]),
    accuracyUs: accuracy === undefined ? null : accuracyOf(accuracy),
  };
}

function accuracyOf(value) {
  const units = new Map([[INTEGER_TAG, 1000000n], [0x80, 1000n], [0x81, 1n]]);
  return itemsIn(value, SEQUENCE_TAG).reduce((sum, { tag, content }) => {
    if (!units.has(tag) || !content.length || content[0] & 0x80) throw new Malformed("14.form");
    return sum + bigEndian(content) * units.get(tag);
  }, 0n);
}

function signerFrom(value) {
  const parts = itemsIn(value, SEQUENCE_TAG, 6);
  const [, who, digestAlgorithm, attributes, algorithm, signature] = parts;
  const [issuer, serial] = itemsIn(who, SEQUENCE_TAG, 2);
  const values = signedAttributes(itemsIn(attributes, CONTEXT_0, 1));
  const type = values === null ? undefined : values.get(CONTENT_TYPE);
  if (type === undefined || oidOf(type) !== TST_INFO) throw new Malformed("14.attributes");
  const named = [];
  if (values.has(NAMED_V1)) named.push(["SHA-1", contentOf(firstNamed(values.get(NAMED_V1))[0], OCTETS_TAG)]);
  if (values.has(NAMED_V2)) named.push(hashOfV2(firstNamed(values.get(NAMED_V2))));
  return {
    issuer: issuer.encoded,
    serial: integerOf(serial),
    digest: digestNamed(itemsIn(digestAlgorithm, SEQUENCE_TAG, 1)[0]),
    attributes,
    messageDigest: contentOf(values.get(MESSAGE_DIGEST), OCTETS_TAG),
    algorithm,
    signature: contentOf(signature, OCTETS_TAG),
    named,
  };
}

/** The first value of each signed attribute by its identifier (RFC 5652 section 5.3); null where one is twice. */
export function signedAttributes(attributes) {
  const pairs = attributes.map((each) => itemsIn(each, SEQUENCE_TAG, 2));
  const values = new Map(pairs.map(([id, set]) => [oidOf(id), itemsIn(set, SET_TAG, 1)[0]]));
  return values.size === pairs.length ? values : null;
}

/** The parts of the first ESSCertID, which is the signer's (RFC 5035 sections 3 and 4). */
function firstNamed(attribute) {
  const [listed] = itemsIn(attribute, SEQUENCE_TAG, 1);
  return itemsIn(itemsIn(listed, SEQUENCE_TAG, 1)[0], SEQUENCE_TAG, 1);
}

/** [digest, hash] of an ESSCertIDv2, whose digest is SHA-256 unless it says another. */
function hashOfV2(parts) {
  if (parts[0].tag === OCTETS_TAG) return ["SHA-256", parts[0].content];
  return [digestNamed(itemsIn(parts[0], SEQUENCE_TAG, 1)[0]), contentOf(parts[1], OCTETS_TAG)];
}

function digestNamed(id) {
  const found = oidOf(id);
  if (DIGESTS.has(found)) return DIGESTS.get(found);
  throw new Malformed("14.digest", { found: dotted(found) });
}

// --- in words

/** When, as RFC 3339 UTC, with as much precision as there is. */
export function timeText(timeUs) {
  const rest = ((timeUs % 1000000n) + 1000000n) % 1000000n;
  const whole = new Date(Number((timeUs - rest) / 1000n)).toISOString().slice(0, 19);
  return rest ? `${whole}.${String(rest).padStart(6, "0")}Z` : `${whole}Z`;
}

/** How exact, in words. */
export function accuracyText(accuracyUs) {
  if (accuracyUs === null) return say("14.no-accuracy");
  return say("14.accuracy", { seconds: Number((Number(accuracyUs) / 1e6).toPrecision(6)) });
}
