// SPDX-License-Identifier: Apache-2.0
// The diagnosis (docs/spec/verdict.md, Findings): one word for a judged receipt, and the paragraph that says it.

import { networkOf } from "./bitcoin.js";
import { sameBytes, toHex } from "./bytes.js";
import { say, TEXTS, utc } from "./texts.js";

/** Of what fails, the first here is told: from whose receipt it is, down to the file, then from the block down. */
const FAILURES = [
  "wrong-network",
  "another-log",
  "log-signature-wrong",
  "chain-not-in-directory",
  "entry-altered",
  "not-in-chain",
  "entry-of-another-chain",
  "seal-wrong",
  "digest-altered",
  "signature-wrong",
  "author-key-history-wrong",
  "promise-wrong",
  "content-changed",
  "block-invalid",
  "block-not-on-best-chain",
  "transaction-not-in-block",
  "root-not-in-transaction",
  "thread-wrong",
  "time-stamp-wrong",
  "attestation-wrong",
  "correction-wrong",
  "policy-evidence-wrong",
  "policy-not-followed",
  "erasure-wrong",
  "chain-life-wrong",
  "co-signature-wrong",
  "certificate-binding-wrong",
  "part-unreadable",
  "another-author",
  "key-not-valid-then",
];
const OF_STEP = new Map([
  [1, "entry-of-another-chain"],
  [2, "content-changed"],
  [3, "signature-wrong"],
  [4, "not-in-chain"],
  [5, "log-signature-wrong"],
  [6, "chain-not-in-directory"],
  [7, "seal-wrong"],
  [8, "another-log"],
  [9, "promise-wrong"],
  [10, "root-not-in-transaction"],
  [11, "transaction-not-in-block"],
  [12, "block-invalid"],
  [13, "thread-wrong"],
  [14, "time-stamp-wrong"],
  [15, "attestation-wrong"],
  [16, "correction-wrong"],
  [17, "policy-evidence-wrong"],
  [18, "erasure-wrong"],
  [19, "chain-life-wrong"],
  [20, "co-signature-wrong"],
  [21, "certificate-binding-wrong"],
]);
const OF_REASON = new Map([
  ["1 entry-meant-for-another-log", "another-log"],
  ["2 content-commitment-mismatch", "digest-altered"],
  ["3 another-author", "another-author"],
  ["3 author-key-not-valid", "key-not-valid-then"],
  ["3 author-key-history-wrong", "author-key-history-wrong"],
  ["7 head-does-not-match-entry", "entry-of-another-chain"],
  ["17 policy-not-followed", "policy-not-followed"],
  ["12 another-network", "wrong-network"],
  ["12 target-above-network-limit", "wrong-network"],
  ["12 block-is-not-the-given-one", "block-not-on-best-chain"],
]);
/** Each was made over the entry by somebody; where two do not fit it, it is the entry that is another. */
const MADE_OVER_ENTRY = ["content-commitment-mismatch", "author-signature-wrong", "chain-path-wrong"];
const RELATIONS = ["", "supersedes", "retracts", "derived from", "assesses", "refers to", "erases", "cosigns"];
/** Links that change what another entry is worth; the others are facts only. */
const TOLD = ["supersedes", "retracts", "erases"];
const BRACKET = [4, 5, 6, 7, 10, 11];

/** { finding, meaning } of a judged receipt; `by` are its steps by their numbers. */
export function diagnose(receipt, verifier, by, outcome, facts) {
  const isFailed = outcome === "failed";
  const finding = isFailed ? failureOf(receipt, verifier, by) : findingOf(receipt, verifier, by, outcome, facts);
  const sentences = [TEXTS[`finding.${finding}`], ...bracketSentence(by, facts)];
  if (!isFailed) sentences.push(...toldErasure(facts), ...toldLinks(facts));
  return { finding, meaning: sentences.join(" ") };
}

/** When and why the content was erased, where a later entry of the chain says so. */
function toldErasure({ erasure }) {
  if (erasure === undefined) return [];
  return [say("finding.told-erasure", { time: utc(erasure.erased_at_ms), reason: erasure.reason })];
}

/** A sentence for each other entry that this one says it supersedes, retracts or erases. */
export function toldLinks({ links = [] }) {
  const told = links.filter(({ relation }) => TOLD.includes(relation));
  return told.map(({ relation, entry_hash: entry }) => say("finding.link", { relation, entry }));
}

/** The links of an entry: what it says of other entries, in its author's words. */
export function linkFacts({ links }) {
  return links.map(({ relation, chainId, entryHash }) => {
    return { relation: RELATIONS[relation] || String(relation), chain_id: toHex(chainId), entry_hash: toHex(entryHash) };
  });
}

function failureOf(receipt, verifier, by) {
  const failing = [...by.values()].filter(({ state }) => state === "failed");
  const found = failing.map(({ number, reason }) => {
    if (reason === "malformed") return "part-unreadable";
    return OF_REASON.get(`${number} ${reason}`) || OF_STEP.get(number);
  });
  if (found.includes("another-log") && isOtherNetwork(receipt, verifier)) found.push("wrong-network");
  if (isEntryAltered(receipt, failing)) found.push("entry-altered");
  return FAILURES.find((finding) => found.includes(finding));
}

/** Whether the card is of another network than the receipt's log. */
function isOtherNetwork({ log }, { card }) {
  if (card === null) return false;
  return !sameBytes(card.log.genesis, log.genesis) || !sameBytes(card.log.messageStart, log.messageStart);
}

/** Whether two things that were made over the entry do not fit it: one alone may itself be what was altered. */
function isEntryAltered({ entry, promise }, failing) {
  const contradicting = failing.filter(({ reason }) => MADE_OVER_ENTRY.includes(reason)).length;
  if (promise === null || !failing.some(({ number }) => number === 9)) return contradicting > 1;
  const { chainId, entryHash } = promise.leaf;
  const isPromised = sameBytes(chainId, entry.chainId) && sameBytes(entryHash, entry.hash);
  return contradicting + (isPromised ? 0 : 1) > 1;
}

/** The finding where no step failed. */
function findingOf({ log, sealed, content }, verifier, by, outcome, facts) {
  if (outcome === "corrected") return correctionOf(facts);
  if (outcome === "not checked") {
    if (by.get(1).state === "not checked") return "not-understood";
    if (by.get(12).state !== "not checked" || standsIn(by, verifier)) {
      const isOfPolicy = by.has(17) && by.get(17).state === "not checked";
      return isOfPolicy ? "policy-not-checked" : "author-not-checked";
    }
    return networkOf(log, verifier.networks) === null ? "network-unknown" : "block-not-checked";
  }
  if (outcome === "incomplete") return lackingOf(sealed, by, verifier);
  if (outcome === "content erased or withheld") return goneBy(content, facts);
  if (outcome === "attested" || outcome === "time-stamped") return outcome;
  return by.get(2).state === "ok" ? "intact" : "entry-intact";
}

/** Why there is nothing to compare with: withheld, erased as a later entry states, or as the service says. */
function goneBy({ state }, { erasure }) {
  return state === "erased" && erasure !== undefined ? "erased" : `content-${state}`;
}

/** What was done to the entry: withdrawn, whatever else was said; else replaced. */
function correctionOf({ corrections, entry_hash: entryHash }) {
  const said = corrections.filter(({ corrects }) => corrects === entryHash).map(({ relation }) => relation);
  return said.includes("retracts") ? "retracted" : "superseded";
}

/** What an incomplete verdict lacks: an anchor, unless something stands in for it, else the card. */
function lackingOf(sealed, by, verifier) {
  if (standsIn(by, verifier)) return "log-not-identified";
  if (sealed === null) return "not-sealed";
  if (by.get(10).state === "absent") return "not-anchored";
  return by.get(12).isShallow ? "not-deep-enough" : "log-not-identified";
}

/** Whether an attestation, or a time stamp that is enough for the visitor, stands in for the log's anchor. */
function standsIn(by, { acceptTimestamp = false }) {
  const isOk = (number) => by.has(number) && by.get(number).state === "ok";
  return isOk(15) || (acceptTimestamp && isOk(14));
}

/** Since when it is so, where that is established; a block that nobody confirmed establishes nothing. */
function bracketSentence(by, facts) {
  const isSealed = BRACKET.every((number) => by.get(number).state === "ok");
  const isKnown = by.get(12).state === "ok" || by.get(12).isShallow === true;
  if (!(isSealed && isKnown) || by.get(8).state === "failed") return [];
  const { sealed_after: after, anchored_in: anchored, network } = facts;
  const time = utc(anchored.time_s * 1000n);
  return [say("finding.bracket", { after: after.height, height: anchored.height, network, time })];
}
