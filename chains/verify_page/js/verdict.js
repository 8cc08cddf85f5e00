// SPDX-License-Identifier: Apache-2.0
// The verdict (docs/spec/verdict.md): all steps, what they come to, what is missing, and the facts. The same receipt
// and the same verifier give the same verdict as `anchorline verify --json` does, word for word.

import { networkOf } from "./bitcoin.js";
import { bigEndian, displayHex, toHex } from "./bytes.js";
import { continuedLogs, judgedLife, lifeFacts } from "./chain_life.js";
import { bindingFacts, judgedBindings } from "./bindings.js";
import { coSignatureFacts, judgedCoSignatures } from "./co_signatures.js";
import { correctionFacts, judgedCorrections } from "./corrections.js";
import { diagnose, linkFacts } from "./diagnosis.js";
import { erasureFacts, judgedErasure } from "./erasures.js";
import { waitFacts } from "./identity_evidence.js";
import { AUTHOR_TIME_EXTENSION, extensionOf, IDENTITY_EXTENSION, NOT_VALID_AFTER_EXTENSION } from "./entry.js";
import { absent, checkAuthor, checkChainPath, checkContent, checkDirectoryPaths, checkEntry } from "./steps.js";
import { checkKeysAndNote, checkLog, checkPromised, checkSeal, stepToJson } from "./steps.js";
import { attestationFacts, attestationSteps, bestAnchor, judgedAttestations } from "./steps_anchor.js";
import { otherAnchors, run } from "./steps_anchor.js";
import { policySteps } from "./policy_judging.js";
import { judgedTimestamps, timestampFacts, timestampSteps } from "./steps_timestamp.js";
import { say, TEXTS } from "./texts.js";

export const EXIT_CODES = {
  intact: 0,
  attested: 0,
  "time-stamped": 0,
  failed: 1,
  incomplete: 3,
  "not checked": 4,
  "content erased or withheld": 5,
  corrected: 6,
};
/** Failed, and nothing but who wrote it. */
const NOT_THE_AUTHOR = 7;
const OF_AUTHOR = ["another-author", "key-not-valid-then"];

const CHECKS_OF_ENTRY = [[2, checkContent], [3, checkAuthor]];
const CHECKS_OF_SEAL = [[4, checkChainPath], [5, checkKeysAndNote], [6, checkDirectoryPaths], [7, checkSeal]];
const CHECKS_OF_LOG = [[8, checkLog], [9, checkPromised]];

/**
 * Judge a receipt. `verifier` is { contentDigest or null, card or null, anyLog, views, depth (BigInt), check }, where
 * check(publicKey, message, signature) says whether an Ed25519 signature is good; and author, who must have signed.
 */
export async function judge(receipt, verifier) {
  const { sealed } = receipt;
  const { steps: ofLife, life } = await judgedLife(receipt, verifier, judge);
  const steps = [await run(1, () => checkEntry(receipt, continuedLogs(receipt, life)))];
  for (const [number, check] of CHECKS_OF_ENTRY) steps.push(await run(number, () => check(receipt, verifier)));
  for (const [number, check] of CHECKS_OF_SEAL) {
    steps.push(sealed === null ? absent(number, "absent.seal") : await run(number, () => check(receipt, verifier)));
  }
  for (const [number, check] of CHECKS_OF_LOG) steps.push(await run(number, () => check(receipt, verifier)));
  const anchored = sealed === null ? notAnchored() : await bestAnchor(receipt, verifier);
  const attestations = sealed === null ? [] : judgedAttestations(sealed, verifier);
  const timestamps = sealed === null ? [] : await judgedTimestamps(sealed, verifier);
  steps.push(...anchored.steps, ...timestampSteps(timestamps), ...attestationSteps(attestations));
  const later = await judgedCorrections(receipt, verifier);
  const signed = await judgedCoSignatures(receipt, verifier);
  const erased = await judgedErasure(receipt, verifier);
  steps.push(...later.steps, ...(await policySteps(receipt, verifier)), ...erased.steps, ...ofLife, ...signed.steps);
  const { steps: ofBindings, bindings } = await judgedBindings(receipt, verifier, provedMsOf(anchored));
  steps.push(...ofBindings);
  const said = { corrections: later.corrections, life, coSignatures: signed.coSignatures, erasure: erased.erasure };
  const found = { anchor: anchored.anchor, attestations, timestamps, bindings, ...said };
  return conclude(receipt, verifier, steps, found);
}

/** The time of the block by which the entry was there, in Unix ms, where steps 10 to 12 hold; else null. */
function provedMsOf({ anchor, steps }) {
  const held = steps.filter(({ number, state }) => number >= 10 && number <= 12 && state === "ok");
  return anchor === null || held.length < 3 ? null : anchor.header.timeS * 1000n;
}

function notAnchored() {
  return { anchor: null, steps: [10, 11, 12, 13].map((number) => absent(number, "absent.anchor")) };
}

function conclude(receipt, verifier, steps, found) {
  const by = new Map(steps.map((step) => [step.number, step]));
  const outcome = outcomeOf(receipt, verifier, by);
  const facts = factsOf(receipt, verifier, by, found);
  const diagnosis = diagnose(receipt, verifier, by, outcome, facts);
  return {
    outcome,
    exit_code: OF_AUTHOR.includes(diagnosis.finding) ? NOT_THE_AUTHOR : EXIT_CODES[outcome],
    ...diagnosis,
    reasons: steps.filter(({ reason }) => reason !== null).map(({ reason }) => reason),
    missing: missingOf(receipt, verifier, by),
    steps: steps.map((step) => stepToJson(step, TEXTS[`step.${step.number}`])),
    facts,
  };
}

function stateOf(by, number) {
  return by.has(number) ? by.get(number).state : "";
}

/** A failure first, then what nobody could check, then what is not there yet. */
function outcomeOf(receipt, verifier, by) {
  if ([...by.values()].some(({ state }) => state === "failed")) return "failed";
  if (stateOf(by, 1) === "not checked") return "not checked";
  const lacking = lacksBitcoin(by);
  const instead = insteadOf(by, verifier);
  if (lacking !== null && instead === null) return lacking;
  if (stateOf(by, 8) === "not checked" && !verifier.anyLog) return "incomplete";
  if (verifier.contentDigest !== null && receipt.content.state !== "shown") return "content erased or withheld";
  const isAsked = (verifier.author ?? null) !== null || extensionOf(receipt.entry, IDENTITY_EXTENSION) !== null;
  if (stateOf(by, 3) === "not checked" && isAsked) return "not checked";
  if (stateOf(by, 17) === "not checked") return "not checked";
  if (stateOf(by, 18) === "ok" && receipt.content.state === "erased") return "content erased or withheld";
  if (stateOf(by, 16) === "ok") return "corrected";
  return lacking === null ? "intact" : instead;
}

/** What may stand where the log's own anchor was not checked: it has a name of its own, never intact. */
function insteadOf(by, { acceptTimestamp = false }) {
  if (stateOf(by, 15) === "ok") return "attested";
  return stateOf(by, 14) === "ok" && acceptTimestamp ? "time-stamped" : null;
}

/** The outcome where no block of the best chain is known to hold the checkpoint, or null where one is. */
export function lacksBitcoin(by) {
  if (stateOf(by, 10) === "absent") return "incomplete";
  if (stateOf(by, 12) !== "not checked") return null;
  return by.get(12).isShallow ? "incomplete" : "not checked";
}

function missingOf(receipt, verifier, by) {
  const missing = [];
  const addUnchecked = (number) => stateOf(by, number) === "not checked" && missing.push(by.get(number).text);
  addUnchecked(1);
  addUnchecked(2);
  addUnchecked(3);
  if (receipt.sealed === null) missing.push(TEXTS["missing.seal"]);
  else if (stateOf(by, 10) === "absent") missing.push(say("missing.anchor", { text: by.get(10).text }));
  else addUnchecked(12);
  if (stateOf(by, 8) === "not checked" && !verifier.anyLog) missing.push(TEXTS["missing.log"]);
  addUnchecked(13);
  addUnchecked(15);
  addUnchecked(16);
  addUnchecked(17);
  addUnchecked(18);
  addUnchecked(19);
  addUnchecked(20);
  addUnchecked(21);
  addUnchecked(14);
  if (stateOf(by, 14) === "ok" && lacksBitcoin(by) !== null && insteadOf(by, verifier) === null) {
    missing.push(say("missing.timestamp", { text: by.get(14).text }));
  }
  return missing;
}

function factsOf({ entry, log, sealed }, verifier, by, found) {
  const { anchor, attestations, timestamps, corrections, life, coSignatures, erasure, bindings } = found;
  const rules = networkOf(log, verifier.networks);
  const facts = {
    entry_hash: toHex(entry.hash),
    chain_id: toHex(entry.chainId),
    log_id: toHex(log.hash),
    origin: log.origin,
    network: rules === null ? null : rules.name,
    proof_of_work: rules === null ? null : rules.worth,
  };
  const stated = [["author_time_ms", AUTHOR_TIME_EXTENSION], ["not_valid_after_ms", NOT_VALID_AFTER_EXTENSION]];
  for (const [name, type] of stated) {
    const value = extensionOf(entry, type);
    if (value !== null) facts[name] = bigEndian(value);
  }
  const identity = extensionOf(entry, IDENTITY_EXTENSION);
  if (identity !== null) facts.identity = toHex(identity);
  const { waits = [] } = by.get(3);
  if (waits.length) facts.waits = waits.map(waitFacts);
  if (entry.links.length) facts.links = linkFacts(entry);
  if (sealed === null) return facts;
  const { checkpoint, chain, head, seal } = sealed;
  Object.assign(facts, {
    leaf_index: chain.index,
    tree_size: head.leaf.treeSize,
    checkpoint_size: checkpoint.size,
    checkpoint_root: toHex(checkpoint.root),
    sealed_at_ms: seal.leaf.sealedAtMs,
    sealed_after: { height: seal.leaf.blockHeight, block: displayHex(seal.leaf.blockHash) },
  });
  Object.assign(facts, blockFacts(anchor, by));
  if (timestamps.length) facts.time_stamps = timestampFacts(timestamps);
  if (attestations.length) facts.attestations = attestationFacts(attestations);
  if (corrections.length) facts.corrections = correctionFacts(corrections);
  if (erasure !== null) facts.erasure = erasureFacts(erasure);
  if (life.length) facts.chain_life = lifeFacts(life);
  if (bindings.length) facts.certificates = bindingFacts(bindings);
  if (coSignatures.length) facts.co_signatures = coSignatureFacts(coSignatures);
  const others = otherAnchors(sealed);
  if (others.length) facts.other_anchors = others;
  return facts;
}

/** The block of the anchor and how deep it is, or nothing where it is in none. */
export function blockFacts(anchor, by) {
  return anchor !== null && isInBlock(by) ? { anchored_in: anchoredIn(anchor, by.get(12).known) } : {};
}

/** The checkpoint is in the anchor's block, which may still be one that nobody was asked about. */
function isInBlock(by) {
  return stateOf(by, 10) === "ok" && stateOf(by, 11) === "ok" && stateOf(by, 12) !== "failed";
}

function anchoredIn({ height, header, txid }, known) {
  const facts = { height, block: displayHex(header.hash), time_s: header.timeS, transaction: displayHex(txid) };
  if (known === undefined) return facts;
  if (known.confirmations !== null) facts.confirmations = known.confirmations;
  if (known.work !== null) facts.work = known.work.toString(16).padStart(64, "0");
  return facts;
}
