// SPDX-License-Identifier: Apache-2.0
// Step 19 (docs/spec/chain-life.md): that the receipt's chain was closed, or continues one of another log, where the
// receipt shows it; and the statements by which entries say so.

import { Cursor, exactly, HASH_SIZE, isPlainLine, MAX_REASON, sameBytes, strictText, toHex } from "./bytes.js";
import { CLOSING_EXTENSION, decodeEntry, extensionOf, MAX_ENTRY } from "./entry.js";
import { TRANSFER_EXTENSION, unknownCriticalExtension } from "./entry.js";
import { Malformed, Newer, Refused } from "./errors.js";
import { keyFacts, laterKeys, toldSigners } from "./later_entries.js";
import { checkInclusion, MAX_PATH } from "./merkle.js";
import { chainFromJson, proofFromJson, receiptFromJson } from "./receipt.js";
import { notChecked, ok } from "./steps.js";
import { run } from "./steps_anchor.js";
import { Fields } from "./strictjson.js";
import { say, TEXTS, utc } from "./texts.js";

const LIFE = "chain-life-wrong";
const LIFE_WHAT = "receipt.evidence (chain-life)";
const CONTINUATION_EXTENSION = 15;
const STATEMENTS = new Map([
  [CLOSING_EXTENSION, closingOf],
  [TRANSFER_EXTENSION, transferOf],
  [CONTINUATION_EXTENSION, continuationOf],
]);
/** Outcomes that lead to a block that the visitor knows, or to what he takes instead. */
const PROVED_OUTCOMES = ["intact", "attested", "time-stamped", "corrected"];

/** { steps, life }: step 19, or no step where nothing is shown; and what is shown, where all of it holds. */
export async function judgedLife(receipt, verifier, judge) {
  const shown = shownLife(receipt);
  if (!shown.length) return { steps: [], life: [] };
  let life = [];
  const step = await run(19, async () => {
    try {
      life = await provedLife(receipt, shown, verifier, judge);
    } catch (error) {
      if (error instanceof Newer) return notChecked(19, "19.newer");
      throw error;
    }
    return weighed(life, receipt, verifier);
  });
  return { steps: [step], life: step.state === "failed" ? [] : life };
}

/** The logs (in hex) from which the receipt's entry came with its chain, as both sides of every move say. */
export function continuedLogs(receipt, life) {
  const found = new Set();
  for (const { each, isAgreed } of movesOf(receipt, life).reverse()) {
    if (!isAgreed) break;
    if (each.isHeld) found.add(toHex(each.said.logId));
  }
  return found;
}

/** What is shown, as `facts.chain_life` has it. */
export function lifeFacts(life) {
  return life.map(({ said, entry, index, keys, isHeld, movedTo, verdict }) => {
    const facts = { said: said.kind, entry_hash: toHex(entry.hash), leaf_index: index, made_at_ms: said.madeAtMs };
    Object.assign(facts, keyFacts(keys));
    if (said.kind === "closed") {
      facts.reason = said.reason;
      if (said.movedTo !== null) facts.moved_to = toHex(said.movedTo);
      return facts;
    }
    const { origin, network, anchored_in: anchored } = verdict.facts;
    Object.assign(facts, { log_id: toHex(said.logId), origin, network, tree_size: said.treeSize });
    Object.assign(facts, { holds_entry: isHeld, outcome: verdict.outcome });
    if (movedTo !== null) facts.moved_to = toHex(movedTo);
    if (PROVED_OUTCOMES.includes(verdict.outcome) && anchored !== undefined) facts.anchored_in = anchored;
    return facts;
  });
}

function shownLife({ sealed }) {
  return sealed === null ? [] : sealed.evidence.filter((item) => item.get("type") === "chain-life");
}

/** The continuations in their order, and of each whether the earlier log says that the chain moved there. */
function movesOf({ log }, life) {
  const moves = life.filter(({ said }) => said.kind === "continues");
  return moves.map((each, place) => {
    const to = place + 1 < moves.length ? moves[place + 1].said.logId : log.hash;
    return { each, isAgreed: each.movedTo !== null && sameBytes(each.movedTo, to) };
  });
}

/** Everything that is shown, in the order of the chain; earlier receipts are judged with the same blocks. */
async function provedLife(receipt, shown, verifier, judge) {
  const found = [];
  for (const item of shown) {
    const evidence = lifeFromJson(item);
    const life = await lifeOf(evidence, receipt, verifier);
    if (found.length && life.index <= found[found.length - 1].index) throw lifeWrong("19.order");
    if (life.said.kind === "continues") life.verdict = await judgedEarlier(evidence.earlier, verifier, judge);
    found.push(life);
  }
  return found;
}

async function judgedEarlier(earlier, verifier, judge) {
  const card = earlierCard(earlier.log.hash, verifier);
  const mine = { ...verifier, contentDigest: null, judgeContent: null, author: null, card, anyLog: card === null };
  const verdict = await judge(earlier, mine);
  if (verdict.outcome === "failed") throw lifeWrong("19.earlier-failed", { reasons: verdict.reasons.join(", ") });
  return verdict;
}

function earlierCard(logId, { earlierCards = [] }) {
  return earlierCards.find(({ log }) => sameBytes(log.hash, logId)) || null;
}

function lifeFromJson(value) {
  const fields = new Fields(value, LIFE_WHAT);
  fields.text("type");
  const raw = fields.hex("entry", { maximum: MAX_ENTRY });
  const chain = chainFromJson(new Fields(fields.take("chain"), `${LIFE_WHAT}.chain`));
  const head = proofFromJson("head", fields.take("head"), `${LIFE_WHAT}.head`);
  const evidence = { raw, chain, head, earlier: null, path: [] };
  if (fields.has("earlier")) {
    evidence.earlier = receiptFromJson(fields.take("earlier"));
    evidence.path = fields.hashes("path", MAX_PATH);
  }
  fields.end();
  return evidence;
}

/** What an entry that is shown says: { said, entry, index, keys, isHeld, movedTo }. */
async function lifeOf(evidence, receipt, { check }) {
  const { raw, chain, head, earlier } = evidence;
  const entry = decodeEntry(raw);
  if (unknownCriticalExtension(entry) !== null) throw new Newer("19.newer");
  checkLifePlace(entry, chain, head, receipt);
  const said = lifeStatement(entry);
  const keys = await laterKeys(entry, check, { reason: LIFE, signature: "19.signature" });
  const life = { said, entry, index: chain.index, keys, isHeld: false, movedTo: null };
  if (said !== null && said.kind === "continues" && earlier !== null) {
    life.isHeld = checkEarlier(said, evidence, receipt);
    const closing = lifeStatement(earlier.entry);
    if (closing !== null && closing.kind === "closed") life.movedTo = closing.movedTo;
    return life;
  }
  const isClosed = said !== null && said.kind === "closed" && earlier === null;
  if (isClosed && (said.movedTo === null || !sameBytes(said.movedTo, receipt.log.hash))) return life;
  throw lifeWrong("19.not-said", { index: chain.index });
}

/** The entry is at its index in the same chain, under a head that is under the checkpoint. */
function checkLifePlace(entry, { index, path }, head, { entry: { chainId }, sealed: { checkpoint } }) {
  for (const found of [entry.chainId, head.leaf.chainId]) {
    if (!sameBytes(found, chainId)) throw lifeWrong("19.chain", { found, chain: chainId });
  }
  checkInclusion(entry.hash, index, head.leaf.treeSize, path, head.leaf.root, LIFE);
  checkInclusion(head.leaf.hash, head.index, checkpoint.size, head.path, checkpoint.root, LIFE);
}

/** Whether the receipt's entry stood in the earlier log; Refused where its receipt is not of what is continued. */
function checkEarlier(said, { chain, earlier, path }, receipt) {
  if (earlier.sealed === null) throw lifeWrong("19.not-sealed");
  if (shownLife(earlier).length) throw new Malformed("19.nested");
  const { head, checkpoint, chain: last } = earlier.sealed;
  const isSame =
    sameBytes(receipt.entry.chainId, earlier.entry.chainId) &&
    sameBytes(said.logId, earlier.log.hash) &&
    said.treeSize === head.leaf.treeSize &&
    sameBytes(said.root, head.leaf.root) &&
    said.checkpointSize === checkpoint.size &&
    sameBytes(said.checkpointRoot, checkpoint.root);
  if (!isSame) throw lifeWrong("19.another", { index: chain.index });
  if (chain.index !== said.treeSize || last.index + 1n !== said.treeSize) {
    throw lifeWrong("19.not-next", { index: chain.index, size: said.treeSize });
  }
  const { index } = receipt.sealed.chain;
  if (index < said.treeSize) checkInclusion(receipt.entry.hash, index, said.treeSize, path, said.root, LIFE);
  else if (path.length) throw lifeWrong("19.path");
  return index < said.treeSize;
}

/** What holds; not checked while an earlier receipt is not proved up to a block. */
function weighed(life, receipt, verifier) {
  const agreed = new Map(movesOf(receipt, life).map(({ each, isAgreed }) => [each.index, isAgreed]));
  const text = life
    .map((each) => (each.said.kind === "closed" ? closedSentence(each) : movedSentence(each, agreed, verifier)))
    .join("; ");
  const unproved = life.find(({ verdict }) => verdict !== undefined && !PROVED_OUTCOMES.includes(verdict.outcome));
  if (unproved !== undefined) return notChecked(19, "19.unproved", { text, outcome: unproved.verdict.outcome });
  return ok(19, "19.ok", { text }, TEXTS["rests.life"]);
}

function closedSentence({ said, index, keys }) {
  const goesOn = said.movedTo === null ? "" : say("19.goes-on", { log: said.movedTo });
  const values = { index, signed: toldSigners(keys), time: utc(said.madeAtMs), reason: said.reason, goesOn };
  return say("19.closed", values);
}

function movedSentence({ said, index, keys, isHeld, verdict }, agreed, verifier) {
  const whose = TEXTS[earlierCard(said.logId, verifier) === null ? "19.unknown-log" : "19.known-log"];
  const held = TEXTS[isHeld ? "19.held" : "19.younger"];
  const both = TEXTS[agreed.get(index) ? "19.agreed" : "19.not-agreed"];
  const values = { index, signed: toldSigners(keys), log: said.logId, origin: verdict.facts.origin, whose };
  return say("19.moved", { ...values, size: said.treeSize, held, since: sinceOf(verdict), both });
}

/** By when what an earlier receipt proves existed, where that is proved. */
function sinceOf({ outcome, facts: { anchored_in: anchored, network } }) {
  if (anchored === undefined || !PROVED_OUTCOMES.includes(outcome)) return "";
  return say("19.since", { height: anchored.height, network, time: utc(anchored.time_s * 1000n) });
}

/** What an entry says of its chain's life, or null; Malformed for what says nothing, or two things. */
export function lifeStatement(entry) {
  const found = [...STATEMENTS].filter(([type]) => extensionOf(entry, type) !== null);
  if (found.length > 1) throw new Malformed("19.two");
  if (!found.length) return null;
  const [[type, read]] = found;
  const reader = new Cursor(extensionOf(entry, type), MAX_ENTRY, "statement");
  const version = reader.byte("statement");
  if (version !== 1) throw new Newer("19.newer");
  const said = read(reader, reader.integer(8, "made_at_ms"));
  reader.end();
  return said;
}

function closingOf(reader, madeAtMs) {
  const to = reader.prefixed(1, "moved_to");
  if (to.length) exactly(to, HASH_SIZE, "moved_to");
  const raw = reader.prefixed(2, "reason");
  return { kind: "closed", madeAtMs, movedTo: to.length ? to : null, reason: reasonText(raw) };
}

function reasonText(raw) {
  if (raw.length > MAX_REASON) throw new Malformed("19.reason");
  const text = strictText(raw);
  if (text === null || !isPlainLine(text)) throw new Malformed("19.reason");
  return text;
}

function transferOf(reader, madeAtMs) {
  return { kind: "transferred", madeAtMs, giver: reader.take(16, "giver"), taker: reader.take(16, "taker") };
}

function continuationOf(reader, madeAtMs) {
  return {
    kind: "continues",
    madeAtMs,
    logId: reader.take(HASH_SIZE, "log_id"),
    treeSize: reader.integer(8, "tree_size"),
    root: reader.take(HASH_SIZE, "root"),
    checkpointSize: reader.integer(8, "checkpoint_size"),
    checkpointRoot: reader.take(HASH_SIZE, "checkpoint_root"),
  };
}

function lifeWrong(key, values = {}) {
  return new Refused(LIFE, key, values);
}
