// SPDX-License-Identifier: Apache-2.0
// Revocation lists (X.509 CRLs, RFC 5280 section 5) that the visitor brings, and what they say of a certificate. When a
// revocation counts, step 21 decides (docs/spec/identity.md).

import { bytesOfBase64, sameBytes } from "./bytes.js";
import { bitsOf, extensionsIn, isIssuedBy, isSignedByKeyOf, isValidAt, mayList } from "./certificates.js";
import { CONTEXT_0, explicit, INTEGER_TAG, integerOf, itemsIn, oidOf, readDer, SEQUENCE_TAG, timeOf } from "./der.js";
import { Malformed } from "./errors.js";

export const MAX_LISTS = 64 * 2 ** 20;
const INVALIDITY_DATE = "551d18";
const PEM_LISTS = /-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----/g;

/** The lists of a file, PEM or DER, at least one; Malformed for anything else, and for a list that is not a whole one. */
export function listsIn(data) {
  if (crypto.subtle === undefined) throw new Malformed("certificate.no-webcrypto");
  if (data.length > MAX_LISTS) throw new Malformed("form.size", { what: "CRL", limit: MAX_LISTS, found: data.length });
  const isDer = data[0] === SEQUENCE_TAG;
  const blocks = isDer ? [] : new TextDecoder("latin1").decode(data).match(PEM_LISTS) || [];
  const raws = isDer ? [data] : blocks.map((block) => bytesOfBase64(block.replace(/-----[^-]*-----|\s/g, "")));
  if (!raws.length || raws.includes(null)) throw new Malformed("lists.none");
  return raws.map(revocationListOf);
}

function revocationListOf(raw) {
  const [tbs, algorithm, signature] = itemsIn(readDer(raw), SEQUENCE_TAG, 3);
  const fields = itemsIn(tbs, SEQUENCE_TAG, 3);
  const [inner, issuer, made, ...rest] = fields.slice(fields[0].tag === INTEGER_TAG ? 1 : 0);
  if (!sameBytes(inner.encoded, algorithm.encoded)) throw new Malformed("certificate.algorithm");
  const revoked = rest.find(({ tag }) => tag === SEQUENCE_TAG);
  const more = rest.find(({ tag }) => tag === CONTEXT_0);
  const extensions = more === undefined ? new Map() : extensionsIn(explicit(more, CONTEXT_0));
  if ([...extensions.values()].some(({ isCritical }) => isCritical)) throw new Malformed("lists.critical");
  const entries = revoked === undefined ? [] : itemsIn(revoked, SEQUENCE_TAG);
  const signed = { tbs: tbs.encoded, algorithm, signature: bitsOf(signature) };
  return { ...signed, issuer: issuer.encoded, madeUs: timeOf(made), entries };
}

/**
 * { revokedAtMs, listedAtMs }: since when a certificate does not count by the lists that one of the issuers signed, and
 * when the newest of those lists was made that would name it; or null. One from after its end need not name it.
 */
export async function revocationOf(certificate, issuers, lists) {
  const revoked = [];
  const made = [];
  for (const list of lists) {
    if (!(await isListOfOne(list, issuers, certificate))) continue;
    const parts = list.entries.map((entry) => itemsIn(entry, SEQUENCE_TAG, 2));
    const found = parts.find(([serial]) => integerOf(serial) === certificate.serial);
    if (found !== undefined) revoked.push(sinceUs(found));
    if (list.madeUs <= certificate.until) made.push(list.madeUs);
  }
  const earliest = revoked.reduce((one, other) => (one === null || other < one ? other : one), null);
  const newest = made.reduce((one, other) => (one === null || other > one ? other : one), null);
  return { revokedAtMs: msOf(earliest), listedAtMs: msOf(newest) };
}

async function isListOfOne(list, issuers, certificate) {
  for (const issuer of issuers) {
    if (!sameBytes(list.issuer, issuer.subject) || !mayList(issuer) || !isValidAt(issuer, list.madeUs)) continue;
    if ((await isSignedByKeyOf(list, issuer)) && (await isIssuedBy(certificate, issuer))) return true;
  }
  return false;
}

/** Since when a certificate does not count: the issuer may know of a time before the revocation. */
function sinceUs([, at, more]) {
  const invalid = more === undefined ? undefined : extensionsIn(more).get(INVALIDITY_DATE);
  const [revokedUs, invalidUs] = [timeOf(at), invalid === undefined ? null : timeOf(invalid.value)];
  return invalidUs !== null && invalidUs < revokedUs ? invalidUs : revokedUs;
}

function msOf(timeUs) {
  return timeUs === null ? null : timeUs / 1000n;
}
