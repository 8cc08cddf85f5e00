// SPDX-License-Identifier: Apache-2.0
// The proof of a head (docs/spec/head-proof.md): which head of a chain was the newest under one checkpoint, or that it
// had none. The same file and the same verifier give what `anchorline head check --json` gives, word for word.

import { networkOf } from "./bitcoin.js";
import { displayHex, HASH_SIZE, sameBytes, toHex } from "./bytes.js";
import { Malformed, Refused } from "./errors.js";
import { headOnWay, MAX_SIBLINGS } from "./heads.js";
import { MAX_LEAF } from "./leaves.js";
import { MAX_PATH } from "./merkle.js";
import { decodeCheckpoint, decodeNote } from "./note.js";
import { anchorFromJson, leafOf, MAX_ANCHORS, MAX_KEYS, optionalProof, proofFromJson } from "./receipt.js";
import { checkKeysAndNote, checkLog, checkShownLeaves, ok, stepToJson, wordOnBlockBefore } from "./steps.js";
import { bestAnchor, run } from "./steps_anchor.js";
import { Fields, parseStrict } from "./strictjson.js";
import { say, TEXTS, utc } from "./texts.js";
import { blockFacts, lacksBitcoin } from "./verdict.js";

export const HEAD_PROOF_FORMAT = "anchorline-head-proof/1";
export const MAX_HEAD_PROOF = 2 ** 20;
const EXIT_CODE_OF_HEAD = { "newest head": 0, "no head": 0, failed: 1, incomplete: 3, "not checked": 4 };
const STEPS_OF_HEAD = [4, 7];

/** Read a proof: { chainId, log, heads, sealed }; Malformed, or Newer for a later version. */
export function decodeHeadProof(data) {
  const fields = new Fields(parseStrict(data, "head proof", MAX_HEAD_PROOF), "head proof");
  fields.format(HEAD_PROOF_FORMAT);
  const logFields = new Fields(fields.take("log"), "head proof.log");
  const headsFields = new Fields(fields.take("heads"), "head proof.heads");
  const note = decodeNote(fields.text("checkpoint"));
  if (logFields.integer("index") !== 0n) throw new Malformed("head.log-index");
  const chainId = fields.hex("chain_id", { exact: HASH_SIZE });
  const log = leafOf("log", logFields.hex("leaf", { maximum: MAX_LEAF }), "head proof.log.leaf");
  const logPath = logFields.hashes("path", MAX_PATH);
  const terminal = headsFields.hex("terminal", { maximum: MAX_LEAF });
  const heads = { terminal: terminal.length ? terminal : null, siblings: headsFields.hashes("siblings", MAX_SIBLINGS) };
  const sealed = {
    logPath,
    seal: proofFromJson("seal", fields.take("seal"), "head proof.seal"),
    checkpoint: decodeCheckpoint(note.text),
    note,
    thread: optionalProof("thread", fields, "thread"),
    keys: fields.array("keys", MAX_KEYS).map((item) => proofFromJson("key", item, "head proof.keys")),
    anchors: fields.array("anchors", MAX_ANCHORS).map((item) => anchorFromJson(new Fields(item, "head proof.anchors"))),
  };
  for (const part of [logFields, headsFields, fields]) part.end();
  return { chainId, log, heads, sealed };
}

/** Judge the proof of a head; the verifier is that of receipts. Returns what `--json` prints. */
export async function judgeHead(proof, verifier) {
  const { anchor, steps: ofAnchor } = await bestAnchor(proof, verifier);
  const steps = [
    await run(4, () => checkHeads(proof)),
    await run(5, () => checkKeysAndNote(proof, verifier)),
    await run(6, () => checkPathsOfHead(proof)),
    await run(7, () => checkLastSeal(proof, verifier)),
    await run(8, () => checkLog(proof, verifier)),
    ...ofAnchor,
  ];
  const by = new Map(steps.map((step) => [step.number, step]));
  const head = by.get(4).state === "ok" ? newestOnWay(proof) : null;
  const outcome = headOutcome(by, verifier, head);
  return {
    outcome,
    exit_code: EXIT_CODE_OF_HEAD[outcome],
    says: outcome === "failed" ? TEXTS["head.says-nothing"] : headSays(proof, head),
    reasons: steps.filter(({ reason }) => reason !== null).map(({ reason }) => reason),
    missing: lackingOfHead(by, verifier),
    steps: steps.map((step) => {
      return stepToJson(step, TEXTS[`${STEPS_OF_HEAD.includes(step.number) ? "head.step-" : "step."}${step.number}`]);
    }),
    facts: { ...headFacts(proof, verifier, head), ...blockFacts(anchor, by) },
  };
}

/** Step 4: the way in the heads tree leads to the seal's root, and ends at the chain's head or where it would be. */
function checkHeads(proof) {
  const head = newestOnWay(proof);
  const chain = proof.chainId;
  if (head === null) return ok(4, "head.none", { count: proof.sealed.seal.leaf.chainCount, chain });
  return ok(4, "head.newest", { chain, size: head.treeSize, root: head.root });
}

/** The chain's own head at the end of the way; another chain's, or none, shows that it has none. */
function newestOnWay({ heads, chainId, sealed }) {
  const head = headOnWay(heads, chainId, sealed.seal.leaf.headsRoot);
  return head !== null && sameBytes(head.chainId, chainId) ? head : null;
}

/** Step 6: every leaf of the directory that is shown is under the checkpoint. */
function checkPathsOfHead({ log, sealed }) {
  return checkShownLeaves(log, sealed, [sealed.seal, sealed.thread, ...sealed.keys]);
}

/** Step 7: the seal is the last leaf under the checkpoint, so no newer head can be under it. */
function checkLastSeal(proof, verifier) {
  const { seal, checkpoint } = proof.sealed;
  if (seal.index !== checkpoint.size - 1n) {
    throw new Refused("seal-does-not-cover-head", "head.seal", { last: checkpoint.size - 1n, found: seal.index });
  }
  const { sealNumber, sealedAtMs, blockHeight, blockHash } = seal.leaf;
  const { word, believed } = wordOnBlockBefore(proof, seal.leaf, verifier);
  const values = { number: sealNumber, time: utc(sealedAtMs), height: blockHeight, block: displayHex(blockHash), word };
  return ok(7, "head.last-seal", values, believed);
}

function headOutcome(by, { anyLog }, head) {
  if ([...by.values()].some(({ state }) => state === "failed")) return "failed";
  const lacking = lacksBitcoin(by);
  if (lacking !== null) return lacking;
  if (by.get(8).state === "not checked" && !anyLog) return "incomplete";
  return head === null ? "no head" : "newest head";
}

function lackingOfHead(by, { anyLog }) {
  const missing = [];
  if (by.get(10).state === "absent") missing.push(say("head.missing-anchor", { text: by.get(10).text }));
  else if (by.get(12).state === "not checked") missing.push(by.get(12).text);
  if (by.get(8).state === "not checked" && !anyLog) missing.push(TEXTS["head.missing-log"]);
  if (by.get(13).state === "not checked") missing.push(by.get(13).text);
  return missing;
}

function headSays({ chainId, sealed }, head) {
  const values = { chain: chainId, size: sealed.checkpoint.size, time: utc(sealed.seal.leaf.sealedAtMs) };
  if (head === null) return say("head.says-none", values);
  return say("head.says-newest", { ...values, entries: head.treeSize });
}

function headFacts({ chainId, log, sealed }, { networks }, head) {
  const { sealNumber, sealedAtMs } = sealed.seal.leaf;
  const rules = networkOf(log, networks);
  return {
    chain_id: toHex(chainId),
    log_id: toHex(log.hash),
    origin: log.origin,
    network: rules === null ? null : rules.name,
    checkpoint_size: sealed.checkpoint.size,
    seal_number: sealNumber,
    sealed_at_ms: sealedAtMs,
    entries: head === null ? null : head.treeSize,
    root: head === null ? null : toHex(head.root),
  };
}
