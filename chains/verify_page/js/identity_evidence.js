// SPDX-License-Identifier: Apache-2.0
// The author's key history as a receipt shows it (docs/spec/identity.md), proved whole under the receipt's checkpoint;
// and the part of step 3 that judges by it.

import { anchoredBlocks } from "./announcements.js";
import { networkOf } from "./bitcoin.js";
import { ask } from "./blocks.js";
import { displayHex, sameBytes } from "./bytes.js";
import { decodeEntry, MAX_ENTRY } from "./entry.js";
import { Newer, Refused } from "./errors.js";
import { headOnWay, MAX_SIBLINGS } from "./heads.js";
import { checkValid, historyOf } from "./identity_history.js";
import { NO_PREVIOUS, PROMISE_KEY } from "./leaves.js";
import { checkInclusion, Frontier, leafHash } from "./merkle.js";
import { proofFromJson } from "./receipt.js";
import { Fields } from "./strictjson.js";
import { say, TEXTS } from "./texts.js";

const MAX_IDENTITY_ENTRIES = 256;
const MAX_IDENTITY_HEADS = 256;
const WHAT = "receipt.evidence (identity)";

/** What a receipt shows of the author's keys: { entries, heads, newest, siblings }, or null where it shows nothing. */
export function identityEvidence({ evidence }) {
  const found = evidence.filter((item) => item.get("type") === "identity");
  if (found.length > 1) throw keysWrong("3.twice", { count: found.length });
  return found.length ? evidenceFromJson(found[0]) : null;
}

/** Read evidence of type identity. */
export function evidenceFromJson(value) {
  const fields = new Fields(value, WHAT);
  fields.text("type");
  const entries = fields.array("entries", MAX_IDENTITY_ENTRIES);
  const heads = fields.array("heads", MAX_IDENTITY_HEADS);
  const newest = new Fields(fields.take("newest"), `${WHAT}.newest`);
  fields.end();
  const shown = {
    entries: entries.map(entryBytes),
    heads: heads.map(headFromJson),
    newest: proofFromJson("seal", newest.take("seal"), `${WHAT}.newest.seal`),
    siblings: newest.hashes("siblings", MAX_SIBLINGS),
  };
  newest.end();
  return shown;
}

function entryBytes(item) {
  return new Fields(new Map([["entry", item]]), WHAT).hex("entry", { maximum: MAX_ENTRY });
}

function headFromJson(value) {
  const fields = new Fields(value, `${WHAT}.heads`);
  const head = proofFromJson("head", fields.take("head"), `${WHAT}.heads.head`);
  const seal = proofFromJson("seal", fields.take("seal"), `${WHAT}.heads.seal`);
  fields.end();
  return { head, seal };
}

/**
 * { text, waits } of step 3 where the key was one of the identity then, or { newer: true }; Refused where it was not.
 * `waits`: what is known of the recoveries that the log announced and by which it is one.
 */
export async function judgeIdentity(receipt, shown, publicKey, identity, verifier) {
  const { check } = verifier;
  const { log, sealed } = receipt;
  let history;
  try {
    history = await provedHistory(receipt, shown, identity, check);
  } catch (error) {
    if (error instanceof Newer) return { newer: true };
    throw error;
  }
  const span = checkValid(history, publicKey, placeOfSeal(sealed.seal, log, sealed));
  const names = history.names.length ? say("3.names", { names: history.names.join(" and ") }) : "";
  const values = { key: publicKey, identity, names, since: span.since.sealNumber };
  const ending = TEXTS[`ending.${span.ending}`];
  const end = span.until === null ? "" : say("3.ended-later", { seal: span.until.sealNumber, ending });
  const before = history.waits.filter(({ completed }) => completed.sealNumber < sealed.seal.leaf.sealNumber);
  const blocks = before.length ? anchoredBlocks(receipt, shown, verifier) : new Map();
  const words = before.map((waited) => wordOnWait(waited, log, verifier, blocks));
  const said = words.map(({ text }) => say("3.waited", { text })).join("");
  return { newer: false, text: say("3.of-identity", { ...values, end }) + said, waits: words };
}

/** A recovery whose keys count for nothing that a verifier can rely on. */
export function mayBeMadeUp({ state }) {
  return state === "not-proved" || state === "another-block";
}

/** A wait as the facts of a verdict have it. */
export function waitFacts({ waited, state, proved }) {
  const { announced, completed, wantedBlocks } = waited;
  return {
    announced_in: announced.blockHeight,
    completed_in: completed.blockHeight,
    wanted_blocks: wantedBlocks,
    proved_blocks: proved,
    state,
  };
}

/**
 * { waited, state, proved, text } of a recovery that waited: whether both blocks that the log names are those that the
 * views know; and how many blocks are proved, from that of the announcement's anchor on (`blocks`, by seal), or null.
 */
function wordOnWait(waited, log, { views, networks }, blocks) {
  const { announced, completed } = waited;
  const rules = networkOf(log, networks);
  const asked = views.filter(({ network }) => rules !== null && network === rules.name);
  const between = say("3.between", { from: announced.blockHeight, to: completed.blockHeight });
  const believed = [];
  for (const { blockHeight: height, blockHash } of [announced, completed]) {
    const { known, believed: whose } = ask(asked, height);
    if (known === null) return { waited, state: "not-asked", proved: null, text: say("3.wait-unknown", { between }) };
    if (!sameBytes(known.hash, blockHash)) {
      const values = { between, believed: whose, height, found: displayHex(known.hash) };
      return { waited, state: "another-block", proved: null, text: say("3.wait-broken", values) };
    }
    believed.push(whose);
  }
  const kept = say("3.wait-kept", { between, believed: [...new Set(believed)].join(" and ") });
  const { text, ...found } = provedOfWait(waited, blocks.get(announced.sealNumber), asked);
  return { waited, ...found, text: kept + text };
}

function provedOfWait({ completed, wantedBlocks }, block, asked) {
  const known = block === undefined ? null : ask(asked, block.height).known;
  if (block === undefined || (known !== null && !sameBytes(known.hash, block.hash))) {
    return { state: "not-proved", proved: 0n, text: TEXTS["3.wait-unanchored"] };
  }
  const { height } = block;
  if (known === null) return { state: "not-asked", proved: null, text: say("3.wait-unasked", { height }) };
  const count = completed.blockHeight - height;
  if (count <= 0n) return { state: "not-proved", proved: 0n, text: say("3.wait-late", { height }) };
  const text = say("3.wait-anchored", { height, count });
  if (count * 2n >= wantedBlocks) return { state: "proved", proved: count, text };
  return { state: "not-proved", proved: count, text: text + say("3.wait-short", { wanted: wantedBlocks }) };
}

/** The key history of an identity as of the checkpoint, proved whole; Newer, Refused or Malformed where it is not. */
export async function provedHistory({ log, sealed }, shown, identity, check) {
  checkIdentityHeads(shown, identity);
  checkIdentityEntries(shown);
  checkIdentityDirectory(shown, sealed);
  checkNewestHead(shown, identity, sealed);
  const places = placesOf(shown, log, sealed);
  const rows = shown.entries.map((raw, index) => ({ entry: decodeEntry(raw), place: places[index] }));
  return historyOf(identity, log.hash, rows, check);
}

/** Each head points to the one before, the first to none; each is in its seal, and longer than the last. */
function checkIdentityHeads({ heads }, identity) {
  if (!heads.length) throw keysWrong("3.no-head");
  let before = { index: NO_PREVIOUS, size: 0n };
  for (const { head, seal } of heads) {
    const { chainId, previousIndex, treeSize } = head.leaf;
    if (!sameBytes(chainId, identity)) throw keysWrong("3.head-of-another", { found: chainId, identity });
    if (previousIndex !== before.index || treeSize <= before.size) throw keysWrong("3.head-order", { index: head.index });
    if (head.index < seal.index - seal.leaf.headCount || head.index >= seal.index) {
      throw keysWrong("3.head-seal", { head: head.index, seal: seal.index });
    }
    before = { index: head.index, size: treeSize };
  }
}

/** The entries, from the first on, give the root of every head; the last head has them all. */
function checkIdentityEntries({ heads, entries }) {
  const size = heads[heads.length - 1].head.leaf.treeSize;
  if (size !== BigInt(entries.length)) throw keysWrong("3.entries", { size, found: entries.length });
  const tree = new Frontier();
  let count = 0;
  for (const { head } of heads) {
    for (; BigInt(count) < head.leaf.treeSize; count++) tree.add(leafHash(entries[count]));
    if (!sameBytes(tree.root(), head.leaf.root)) throw keysWrong("3.entries-root", { index: head.index });
  }
}

function checkIdentityDirectory({ heads, newest }, { checkpoint }) {
  const proofs = [newest, ...heads.flatMap(({ head, seal }) => [head, seal])];
  try {
    for (const { leaf, index, path } of proofs) checkInclusion(leaf.hash, index, checkpoint.size, path, checkpoint.root);
  } catch (error) {
    throw error instanceof Refused ? keysWrong("3.directory") : error;
  }
}

/** The last leaf under a checkpoint is that of its seal, over the newest head of every chain. */
function checkNewestHead({ heads, newest, siblings }, identity, { checkpoint }) {
  const { size } = checkpoint;
  if (newest.index !== size - 1n) throw keysWrong("3.newest-seal", { seal: newest.index, size });
  try {
    headOnWay({ terminal: heads[heads.length - 1].head.leaf.raw, siblings }, identity, newest.leaf.headsRoot);
  } catch (error) {
    throw error instanceof Refused ? keysWrong("3.newest") : error;
  }
}

/** For each entry where it was first sealed: in the first head that holds it. */
function placesOf({ heads }, log, sealed) {
  const places = [];
  for (const { head, seal } of heads) {
    const place = placeOfSeal(seal, log, sealed);
    while (BigInt(places.length) < head.leaf.treeSize) places.push(place);
  }
  return places;
}

/** A seal as a place, with the promise key that was in force: key leaves stand before heads. */
export function placeOfSeal({ index, leaf }, log, sealed) {
  const later = sealed.keys.filter((proof) => proof.leaf.purpose === PROMISE_KEY && proof.index < index);
  const { value } = later.length ? later[later.length - 1].leaf.newKey : log.promiseKey;
  const { sealNumber, sealedAtMs, blockHeight, blockHash } = leaf;
  return { sealNumber, sealedAtMs, blockHeight, blockHash, promiseKey: value };
}

function keysWrong(key, values = {}) {
  return new Refused("author-key-history-wrong", key, values);
}
