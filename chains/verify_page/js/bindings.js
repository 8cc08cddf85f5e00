// SPDX-License-Identifier: Apache-2.0
// Step 21 (docs/spec/identity.md): certificates (X.509) that are bound to the identity which the author names, where some
// are. Both keys must have signed; who vouches for a certificate is the visitor's word, and so are lists of revoked ones.

import { concat, sameBytes, toHex, utf8 } from "./bytes.js";
import { decodeCertificate, isAuthority, isForSigning, isIssuedBy, isUnderstood, isValidAt } from "./certificates.js";
import { isProofGood, nameText, PROOF_DIGESTS, qualifiedWords } from "./certificates.js";
import { contentOf, itemsIn, OCTETS_TAG, oidOf, readDer, SET_TAG } from "./der.js";
import { decodeEntry, extensionOf, IDENTITY_EXTENSION } from "./entry.js";
import { expected, Malformed, Refused } from "./errors.js";
import { BIND, statementOf } from "./identity.js";
import { identityEvidence, placeOfSeal, provedHistory } from "./identity_evidence.js";
import { MAX_BINDINGS } from "./identity_history.js";
import { revocationOf } from "./revocations.js";
import { sha256 } from "./sha256.js";
import { failed, notChecked, ok } from "./steps.js";
import { run } from "./steps_anchor.js";
import { Fields } from "./strictjson.js";
import { say, TEXTS, utc } from "./texts.js";
import { CONTENT_TYPE, MESSAGE_DIGEST, signedAttributes } from "./timestamps.js";

const CERTIFICATE_DOMAIN = utf8("anchorline/identity-certificate/v1\n");
const MAX_CERTIFICATE = 8192;
const MAX_CHAIN = 8;
const CHAINS_WHAT = "receipt.evidence (certificates)";
const PLAIN_DATA = "2a864886f70d010701";

/**
 * { steps, bindings }: step 21, or no step where the identity bound no certificate; and each of them as it was judged.
 * `provedMs` is the time of the block by which the entry, and so each binding, was there, or null.
 */
export async function judgedBindings(receipt, verifier, provedMs) {
  const { entry, log, sealed } = receipt;
  const identity = extensionOf(entry, IDENTITY_EXTENSION);
  const history = identity === null || sealed === null ? null : await historyWithBindings(receipt, identity, verifier);
  if (history === null) return { steps: [], bindings: [] };
  const place = placeOfSeal(sealed.seal, log, sealed);
  const isOver = ({ until }) => until !== null && until.sealNumber <= place.sealNumber;
  const bindings = history.bindings.filter((binding) => !isOver(binding));
  if (!bindings.length) return { steps: [], bindings: [] };
  const judged = [];
  const step = await run(21, async () => {
    const chains = shownChains(sealed);
    for (const binding of bindings) {
      judged.push({ ...(await judgedBinding(binding, history, place, chains, verifier, provedMs)), provedMs });
    }
    return bindingStep(judged, identity);
  });
  return { steps: [step], bindings: judged };
}

/** The history of an identity that states a binding, else null; step 3 says what is wrong with one that does not hold. */
async function historyWithBindings(receipt, identity, { check }) {
  try {
    const shown = identityEvidence(receipt.sealed);
    if (shown === null || !shown.entries.some((raw) => isBinding(statementOf(decodeEntry(raw))))) return null;
    return await provedHistory(receipt, shown, identity, check);
  } catch (error) {
    expected(error);
    return null;
  }
}

function isBinding(statement) {
  return statement !== null && statement[0] === 1 && statement[1] === BIND;
}

/** Every chain that the receipt shows, the bound certificate first in each; Malformed where they are shown twice. */
function shownChains({ evidence }) {
  const found = evidence.filter((item) => item.get("type") === "certificates");
  if (found.length > 1) throw new Malformed("21.twice");
  if (!found.length) return [];
  const fields = new Fields(found[0], CHAINS_WHAT);
  fields.text("type");
  const chains = fields.array("chains", MAX_BINDINGS);
  fields.end();
  return chains.map(chainOfCertificates);
}

function chainOfCertificates(value) {
  const items = new Fields(new Map([["chain", value]]), CHAINS_WHAT).array("chain", MAX_CHAIN);
  if (!items.length) throw new Malformed("21.empty");
  return items.map((item) => {
    return new Fields(new Map([["certificate", item]]), CHAINS_WHAT).hex("certificate", { maximum: MAX_CERTIFICATE });
  });
}

async function judgedBinding(binding, { chainId }, place, chains, verifier, provedMs) {
  const isLater = binding.since.sealNumber >= place.sealNumber;
  const chain = chains.find(([first]) => sameBytes(sha256(first), binding.hash));
  if (chain === undefined) return { binding, isLater, unjudged: TEXTS["21.not-shown"] };
  if (crypto.subtle === undefined) return { binding, isLater, unjudged: TEXTS["21.unread"] };
  const message = concat(CERTIFICATE_DOMAIN, chainId, binding.hash);
  try {
    const found = await checkedCertificate(chain.map(decodeCertificate), binding, message, verifier);
    if (found === null) return { binding, isLater, unjudged: TEXTS["21.algorithm"] };
    const { revokedAtMs } = found;
    if (revokedAtMs === null || (provedMs !== null && provedMs < revokedAtMs)) return { binding, isLater, found };
    return { binding, isLater, found, error: bindingWrong("21.revoked", { time: utc(revokedAtMs) }) };
  } catch (error) {
    return { binding, isLater, error: expected(error) };
  }
}

/** What a certificate says whose key signed the identity; null where it signed with an algorithm that is unknown here. */
async function checkedCertificate([certificate, ...others], { proof, since }, message, verifier) {
  const { authorities = null, lists = null, check } = verifier;
  if (!PROOF_DIGESTS.has(proof.algorithm)) return null;
  await checkProof(certificate, proof, message, check);
  if (!isForSigning(certificate)) throw bindingWrong("21.not-for-signing");
  const timeUs = since.sealedAtMs * 1000n;
  if (!isValidAt(certificate, timeUs)) throw bindingWrong("21.not-valid", { time: utc(since.sealedAtMs) });
  const roots = await rootsAbove(certificate, others, authorities || [], timeUs);
  const revocation = await revocationAmong(certificate, others, authorities || [], lists || []);
  return {
    ...revocation,
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    qualified: qualifiedWords(certificate),
    vouchedBy: roots.length ? roots.map(({ subject }) => nameText(subject)).sort()[0] : null,
  };
}

/** What the lists say of a certificate, and of those shown above it: one that was revoked is enough. */
async function revocationAmong(certificate, others, trusted, lists) {
  if (!lists.length) return { revokedAtMs: null, listedAtMs: null };
  const issuers = [...others, ...trusted];
  const { revokedAtMs, listedAtMs } = await revocationOf(certificate, issuers, lists);
  const revoked = [revokedAtMs];
  for (let level = [certificate], left = others; level.length; left = left.filter((item) => !level.includes(item))) {
    const above = [];
    for (const item of left) if (await isIssuedByOne(level, item)) above.push(item);
    for (const item of above) revoked.push((await revocationOf(item, issuers, lists)).revokedAtMs);
    level = above;
  }
  const times = revoked.filter((time) => time !== null);
  return { revokedAtMs: times.length ? times.reduce((one, other) => (other < one ? other : one)) : null, listedAtMs };
}

async function checkProof(certificate, { algorithm, attributes, signature }, message, check) {
  let signed = message;
  if (attributes.length) {
    signed = attributes;
    const digest = await crypto.subtle.digest(PROOF_DIGESTS.get(algorithm), message);
    if (!sameBytes(digestIn(attributes), new Uint8Array(digest))) throw bindingWrong("21.something-else");
  }
  const isGood = await isProofGood(certificate.key, algorithm, signed, signature, check);
  if (!isGood) throw bindingWrong("21.not-signed");
}

/** The digest in signed attributes (CMS), which must be those of plain data, each once. */
function digestIn(attributes) {
  const values = signedAttributes(itemsIn(readDer(attributes), SET_TAG, 1));
  if (values === null || !values.has(CONTENT_TYPE) || !values.has(MESSAGE_DIGEST)) throw new Malformed("21.attributes");
  if (oidOf(values.get(CONTENT_TYPE)) !== PLAIN_DATA) throw new Malformed("21.attributes");
  return contentOf(values.get(MESSAGE_DIGEST), OCTETS_TAG);
}

function bindingWrong(key, values = {}) {
  return new Refused("certificate-binding-wrong", "21.wrong", { cause: say(key, values) });
}

/** The trusted roots to which ways lead; each certificate is looked at once, where the fewest are below it. */
async function rootsAbove(certificate, pool, trusted, timeUs) {
  const isIn = (list, { raw }) => list.some((each) => sameBytes(each.raw, raw));
  let waiting = [...pool, ...trusted].filter((item) => isValidAt(item, timeUs) && !isIn([certificate], item));
  const roots = isIn(trusted, certificate) && (await isIssuedBy(certificate, certificate)) ? [certificate] : [];
  for (let level = [certificate], below = 0; level.length; below++) {
    const above = [];
    for (const item of waiting) {
      if (isIn(above, item) || !isUnderstood(item) || !isAuthority(item, below)) continue;
      if (await isIssuedByOne(level, item)) above.push(item);
    }
    for (const item of above) if (isIn(trusted, item) && (await isIssuedBy(item, item))) roots.push(item);
    waiting = waiting.filter((item) => !isIn(above, item));
    level = above;
  }
  return roots;
}

async function isIssuedByOne(certificates, issuer) {
  for (const each of certificates) if (await isIssuedBy(each, issuer)) return true;
  return false;
}

/** One that holds is enough; else one that does not hold fails the step; else nobody vouched for any. */
function bindingStep(judged, identity) {
  const good = judged.filter(isVouchedFor);
  const wrong = judged.find(({ error }) => error !== undefined);
  if (good.length) {
    const others = wrong === undefined ? "" : TEXTS["15.other-fails"];
    const roots = [...new Set(good.map(({ found }) => found.vouchedBy))].sort().join(" and ");
    const said = good.map(bindingSentence).join("; ");
    const revoked = TEXTS[good.every(isListed) ? "21.not-revoked" : "21.not-asked"];
    return ok(21, "21.ok", { identity, said, others }, say("21.believed", { roots, revoked }));
  }
  if (wrong !== undefined) return failed(21, wrong.error.message, wrong.error.reason);
  return notChecked(21, "21.ok", { identity, said: judged.map(bindingSentence).join("; "), others: "" });
}

function isVouchedFor({ found, error }) {
  return error === undefined && found !== undefined && found.vouchedBy !== null;
}

/** Whether its issuer's lists say that it was not revoked by then: one from later does not name it so early. */
function isListed({ found, provedMs }) {
  if (provedMs === null) return false;
  return found.revokedAtMs !== null || (found.listedAtMs !== null && found.listedAtMs >= provedMs);
}

function bindingSentence(item) {
  const { binding, isLater, found, unjudged = "" } = item;
  const values = { seal: binding.since.sealNumber, later: isLater ? TEXTS["21.later"] : "" };
  if (found === undefined) return say("21.unjudged", { ...values, hash: binding.hash, why: unjudged });
  const { subject, issuer, qualified, vouchedBy } = found;
  const words = qualified.length ? say("21.qualified", { words: qualified.join(", ") }) : "";
  const said = say("21.bound", { ...values, subject, issuer, qualified: words });
  return vouchedBy === null ? say("21.nobody", { said }) : say("21.vouched", { said, root: vouchedBy }) + listedSentence(item);
}

/** What its issuer's lists say of a certificate that counts. */
function listedSentence(item) {
  const { revokedAtMs, listedAtMs } = item.found;
  if (revokedAtMs !== null) return say("21.revoked-later", { time: utc(revokedAtMs) });
  if (listedAtMs === null) return "";
  return say("21.not-named", { time: utc(listedAtMs) }) + (isListed(item) ? "" : TEXTS["21.list-before"]);
}

/** The bindings as `facts.certificates` shows them. */
export function bindingFacts(bindings) {
  return bindings.map((item) => {
    const { binding, found, error } = item;
    const state = isVouchedFor(item) ? "ok" : error === undefined ? "not checked" : "failed";
    const facts = {
      state,
      reason: error === undefined ? null : error.reason,
      sha256: toHex(binding.hash),
      since_seal: binding.since.sealNumber,
      until_seal: binding.until === null ? null : binding.until.sealNumber,
    };
    if (found === undefined) return facts;
    const { subject, issuer, qualified, vouchedBy } = found;
    const said = { ...facts, subject, issuer, qualified, vouched_by: vouchedBy };
    const { revokedAtMs, listedAtMs } = found;
    if (revokedAtMs === null && listedAtMs === null) return said;
    return { ...said, revoked_at_ms: revokedAtMs, listed_at_ms: listedAtMs };
  });
}
