// SPDX-License-Identifier: Apache-2.0
// Breaches of promises (docs/spec/dispute.md): what a log signed that cannot be true together, or shows by its own
// clock that it was late. Nothing in evidence is believed but signatures of the log's keys and paths to what they cover.

import { bytesOfHex, sameBytes } from "./bytes.js";
import { Refused } from "./errors.js";
import { headOnWay } from "./heads.js";
import { CHECKPOINT_KEY, PROMISE_KEY } from "./leaves.js";
import { checkInclusion } from "./merkle.js";
import { decodeCheckpoint } from "./note.js";
import { checkFirstHead, checkInSeal, checkPromiseByAny, everyKey, isSignedBy, keyHistory } from "./steps.js";
import { say, utc } from "./texts.js";

/**
 * The log that evidence is about. It answers for every key that it ever had, so a promise or a note by any of them
 * counts. `told` gathers what held, in order, as [name, values] of texts.
 */
class Accused {
  constructor(log, keys, check) {
    this.log = log;
    this.keys = keys;
    this.check = check;
    this.told = [];
  }

  async checkKeys() {
    await keyHistory(this.log, this.keys, this.check);
    this.told.push(["keys", { count: this.keys.length }]);
  }

  async promised(promise) {
    await checkPromiseByAny(everyKey(this.log.promiseKey, this.keys, PROMISE_KEY), promise, this.log.hash, this.check);
    this.told.push(["promise", { place: placeOf(promise.leaf), entry: promise.leaf.entryHash, key: promise.keyId }]);
    return promise.leaf;
  }

  /** { chainId or null for the directory, size, root } of what the log signed. */
  async tree({ note, head }) {
    const { origin, size, root } = await this.checkpoint(note);
    if (head !== null) {
      if (origin !== this.log.origin) throw wrong("checkpoint-origin-wrong", "dispute.head-origin", { found: origin });
      const leaf = this.under({ size, root }, head);
      return { chainId: leaf.chainId, size: leaf.treeSize, root: leaf.root };
    }
    if (origin === this.log.origin) return { chainId: null, size, root };
    return { chainId: bytesOfHex(origin.slice(-64)), size, root };
  }

  /** A checkpoint of this log's directory, or of one of its chains, that a key of the log signed. */
  async checkpoint(note) {
    const found = decodeCheckpoint(note.text);
    const { origin } = this.log;
    const [name, chain] = [found.origin.slice(0, origin.length + 1), found.origin.slice(origin.length + 1)];
    const isChain = name === `${origin}/` && /^[0-9a-f]{64}$/.test(chain);
    if (found.origin !== origin && !isChain) {
      throw wrong("checkpoint-origin-wrong", "dispute.origin", { found: found.origin, origin });
    }
    for (const key of everyKey(this.log.checkpointKey, this.keys, CHECKPOINT_KEY)) {
      if (!(await isSignedBy(note, origin, key, this.check))) continue;
      this.told.push(["checkpoint", { size: found.size, origin: found.origin }]);
      return found;
    }
    throw wrong("checkpoint-signature-wrong", "dispute.signature");
  }

  async directory(note) {
    const found = await this.checkpoint(note);
    if (found.origin === this.log.origin) return found;
    throw wrong("checkpoint-origin-wrong", "dispute.directory", { found: found.origin });
  }

  /** A leaf that is in the directory of this checkpoint. */
  under({ size, root }, { leaf, index, path }) {
    checkInclusion(leaf.hash, index, size, path, root, "directory-path-wrong");
    this.told.push(["leaf", { kind: leaf.kind, index }]);
    return leaf;
  }
}

/** { text, told }: what a breach shows in one sentence, and all that held on the way; Refused (with told) for none. */
export async function checkBreach(kind, breach, { log, keys }, check) {
  const accused = new Accused(log, keys, check);
  try {
    await accused.checkKeys();
    return { text: await RULES.get(kind)(breach, accused), told: accused.told };
  } catch (error) {
    error.told = accused.told;
    throw error;
  }
}

async function twoPromises({ promises }, accused) {
  const one = await accused.promised(promises[0]);
  const other = await accused.promised(promises[1]);
  const isOnePlace = one.leafIndex === other.leafIndex;
  const isOneEntry = sameBytes(one.entryHash, other.entryHash);
  if (!sameBytes(one.chainId, other.chainId) || isOnePlace === isOneEntry) throw none("dispute.both-kept");
  const values = { place: placeOf(one), one: one.entryHash, other: other.entryHash };
  if (isOnePlace) return say("dispute.one-place", values);
  return say("dispute.one-entry", { ...values, first: one.leafIndex, second: other.leafIndex, chain: one.chainId });
}

async function anotherEntry({ promise, root, leafHash, path }, accused) {
  const promised = await accused.promised(promise);
  const tree = await treeOfChain(root, promised, accused);
  if (sameBytes(leafHash, promised.entryHash)) throw none("dispute.entry-is-there");
  checkInChain(leafHash, promised.leafIndex, tree, path);
  const values = { place: placeOf(promised), entry: promised.entryHash, size: tree.size, found: leafHash };
  return say("dispute.another-entry", values);
}

async function anotherPlace({ promise, root, index, path }, accused) {
  const promised = await accused.promised(promise);
  const tree = await treeOfChain(root, promised, accused);
  if (index === promised.leafIndex) throw none("dispute.at-its-place");
  checkInChain(promised.entryHash, index, tree, path);
  const values = { entry: promised.entryHash, index: promised.leafIndex, chain: promised.chainId, found: index };
  return say("dispute.another-place", values);
}

async function fork({ roots, index, leaves }, accused) {
  const one = await accused.tree(roots[0]);
  const other = await accused.tree(roots[1]);
  if (!isOneTree(one.chainId, other.chainId)) throw none("dispute.different-logs");
  const what = one.chainId === null ? say("dispute.of-directory") : say("dispute.of-chain", { chain: one.chainId });
  if (one.size === other.size) {
    if (sameBytes(one.root, other.root) || index !== null || leaves.length) throw none("dispute.one-size");
    return say("dispute.two-roots", { what, size: one.size });
  }
  if (index === null || leaves.length !== 2) throw none("dispute.no-leaves");
  const [first, second] = leaves;
  if (sameBytes(first.leafHash, second.leafHash)) throw none("dispute.same-leaf", { index });
  checkInChain(first.leafHash, index, one, first.path);
  checkInChain(second.leafHash, index, other, second.path);
  return say("dispute.two-sizes", { what, one: one.size, other: other.size, index });
}

function isOneTree(one, other) {
  return one === null || other === null ? one === other : sameBytes(one, other);
}

async function sealedLate({ promise, note, head, seal, previousHead }, accused) {
  const promised = await accused.promised(promise);
  const checkpoint = await accused.directory(note);
  const { chainId, treeSize } = accused.under(checkpoint, head);
  const { sealedAtMs } = accused.under(checkpoint, seal);
  if (previousHead !== null) accused.under(checkpoint, previousHead);
  if (!sameBytes(chainId, promised.chainId) || treeSize <= promised.leafIndex) {
    throw wrong("head-does-not-match-entry", "dispute.head-short");
  }
  checkInSeal(head, seal);
  checkFirstHead(head, previousHead, promised.leafIndex);
  const lateMs = sealedAtMs - promise.note.sealByMs;
  if (lateMs <= 0n) throw none("dispute.in-time", { time: utc(sealedAtMs) });
  return say("dispute.sealed-late", { place: placeOf(promised), time: utc(promise.note.sealByMs), late: lateMs });
}

async function notSealed({ promise, note, seal, heads }, accused) {
  const promised = await accused.promised(promise);
  const { sealedAtMs, headsRoot } = accused.under(await accused.directory(note), seal);
  if (sealedAtMs <= promise.note.sealByMs) throw none("dispute.seal-early", { time: utc(sealedAtMs) });
  const head = headOnWay(heads, promised.chainId, headsRoot);
  const size = head !== null && sameBytes(head.chainId, promised.chainId) ? head.treeSize : 0n;
  if (size > promised.leafIndex) throw none("dispute.head-reaches", { size });
  const values = { place: placeOf(promised), time: utc(promise.note.sealByMs), seal: utc(sealedAtMs), size };
  return say("dispute.not-sealed", values);
}

const RULES = new Map([
  ["two-promises", twoPromises],
  ["another-entry", anotherEntry],
  ["another-place", anotherPlace],
  ["fork", fork],
  ["sealed-late", sealedLate],
  ["not-sealed", notSealed],
]);

async function treeOfChain(root, promised, accused) {
  const tree = await accused.tree(root);
  if (tree.chainId !== null && sameBytes(tree.chainId, promised.chainId)) return tree;
  throw wrong("head-does-not-match-entry", "dispute.another-log");
}

function checkInChain(hash, index, { size, root }, path) {
  checkInclusion(hash, index, size, path, root, "chain-path-wrong");
}

function placeOf({ leafIndex, chainId }) {
  return say("dispute.place", { index: leafIndex, chain: chainId });
}

function none(key, values = {}) {
  return new Refused("no-breach", key, values);
}

function wrong(reason, key, values = {}) {
  return new Refused(reason, key, values);
}
