// SPDX-License-Identifier: Apache-2.0
// Steps 1 to 9 (docs/spec/verdict.md): the entry, its content, author and place in its chain; the log's keys and note,
// its directory, the seal, whose log it is, and the promise. A step returns how it ended, or throws what failed.

import { networkOf } from "./bitcoin.js";
import { displayHex, sameBytes, toHex, utf8 } from "./bytes.js";
import { checkChainId, contentCommitment, extensionOf, IDENTITY_EXTENSION, LOG_ID_EXTENSION } from "./entry.js";
import { claimedSignatures, unknownCriticalExtension, UNSIGNED } from "./entry.js";
import { Refused } from "./errors.js";
import { checkExpected, refuseUnsigned } from "./expected_author.js";
import { identityEvidence, judgeIdentity, mayBeMadeUp } from "./identity_evidence.js";
import { CHECKPOINT_KEY, keyLeafMessage, NO_PREVIOUS, PROMISE_KEY } from "./leaves.js";
import { RECOVERY_KEY, REVOKED, SIGNED_BY_RECOVERY } from "./leaves.js";
import { checkInclusion } from "./merkle.js";
import { noteKeyId } from "./note.js";
import { checkPromise, checkPromisePath, promiseKeyId } from "./promise.js";
import { sha256 } from "./sha256.js";
import { say, TEXTS, utc } from "./texts.js";

/** A step as `--json` prints it, under the name that it has where it is judged. */
export function stepToJson({ number, state, text, restsOn, reason }, name) {
  return { number, name, state, text, rests_on: restsOn, reason };
}

/** A step that holds, on the word of whomever it rests on. */
export function ok(number, key, values = {}, restsOn = TEXTS["rests.arithmetic"]) {
  return { number, state: "ok", text: say(key, values), restsOn, reason: null };
}

/** A step that nobody checked. */
export function notChecked(number, key, values = {}) {
  return { number, state: "not checked", text: say(key, values), restsOn: TEXTS["rests.nobody"], reason: null };
}

/** A step whose matter is not in the receipt. */
export function absent(number, key, values = {}) {
  return { number, state: "absent", text: say(key, values), restsOn: TEXTS["rests.arithmetic"], reason: null };
}

/** A step that fails, for the reason of this name. */
export function failed(number, text, reason) {
  return { number, state: "failed", text, restsOn: TEXTS["rests.arithmetic"], reason };
}

/**
 * Step 1: the entry is meant for this log, gives its chain id if it is the first, and is understood. `continued` are the
 * logs (in hex) from which its chain moved here, with this entry, as both sides of each move say.
 */
export function checkEntry({ entry, log, sealed }, continued = new Set()) {
  const wanted = extensionOf(entry, LOG_ID_EXTENSION);
  if (wanted !== null && !sameBytes(wanted, log.hash) && !continued.has(toHex(wanted))) {
    throw new Refused("entry-meant-for-another-log", "1.another-log", { wanted, log: log.hash });
  }
  if (sealed !== null && sealed.chain.index === 0n) checkChainId(entry);
  const critical = unknownCriticalExtension(entry);
  if (critical !== null) return notChecked(1, "1.extension", { type: critical.toString(16).padStart(4, "0") });
  return ok(1, "1.ok", { entry: entry.hash, chain: entry.chainId });
}

/** Step 2: the content is what the entry commits to. */
export function checkContent({ entry, content }, { contentDigest, judgeContent = null }) {
  if (content.state !== "shown") return notChecked(2, `2.${content.state}`);
  const { salt, digest, data } = content;
  if (!sameBytes(contentCommitment(salt, digest), entry.commitment)) {
    throw new Refused("content-commitment-mismatch", "2.commitment");
  }
  if (data !== null && !sameBytes(sha256(data), digest)) throw new Refused("content-changed", "2.inside-changed");
  if (contentDigest === null) return data === null ? notChecked(2, "2.no-file") : ok(2, "2.inside-ok", { digest });
  if (!sameBytes(contentDigest, digest)) {
    const what = TEXTS[judgeContent === null ? "kind.file" : "kind.document"];
    throw new Refused("content-changed", "2.file-changed", { what, digest, found: contentDigest });
  }
  return judgeContent === null ? ok(2, "2.file-ok", { digest }) : judgeContent();
}

/** Step 3: the author's signature, where there is one; and that his key was valid, where he names his identity. */
export async function checkAuthor(receipt, verifier) {
  const { entry, sealed } = receipt;
  const { author = null } = verifier;
  if (entry.author.type === UNSIGNED) {
    if (author !== null) refuseUnsigned(author);
    return absent(3, "3.unsigned");
  }
  const claimed = claimedSignatures(entry);
  if (!claimed.length) return notChecked(3, "3.unknown", { type: entry.author.type });
  for (const { publicKey, message, signature } of claimed) {
    const isGood = await verifier.check(publicKey, message, signature);
    if (!isGood) throw new Refused("author-signature-wrong", "3.wrong", { key: publicKey });
  }
  const identity = extensionOf(entry, IDENTITY_EXTENSION);
  if (claimed.length > 1) return signedBySeveral(claimed, identity, author);
  const [{ publicKey }] = claimed;
  if (author !== null) checkExpected(author, publicKey, identity);
  if (identity === null && author !== null) return ok(3, "3.expected-key", { key: publicKey }, TEXTS["rests.author"]);
  if (identity === null) return ok(3, "3.ok", { key: publicKey });
  const shown = sealed === null ? null : identityEvidence(sealed);
  if (shown === null) return notChecked(3, "3.not-shown", { key: publicKey, identity });
  const { newer, text, waits } = await judgeIdentity(receipt, shown, publicKey, identity, verifier);
  if (newer) return notChecked(3, "3.newer", { key: publicKey, identity });
  if (waits.some(mayBeMadeUp)) return { ...notChecked(3, "3.in-words", { text }), waits };
  const expected = author === null ? "" : TEXTS["3.expected"];
  return { ...ok(3, "3.in-words", { text: text + expected }, TEXTS["rests.identity"]), waits };
}

/** What several signed together names nobody's identity. */
function signedBySeveral(claimed, identity, author) {
  const keys = claimed.map(({ publicKey }) => toHex(publicKey)).join(", ");
  if (identity !== null) return notChecked(3, "3.several-of", { keys, identity });
  if (author === null) return ok(3, "3.several", { keys });
  const isMeant = claimed.some(({ publicKey }) => isExpected(author, publicKey));
  if (!isMeant) checkExpected(author, claimed[0].publicKey, null);
  return ok(3, "3.several-expected", { keys }, TEXTS["rests.author"]);
}

function isExpected(author, publicKey) {
  try {
    checkExpected(author, publicKey, null);
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

/** Step 4: the entry is under the head of its chain. */
export function checkChainPath({ entry, sealed: { chain, head } }) {
  const { treeSize, root } = head.leaf;
  checkInclusion(entry.hash, chain.index, treeSize, chain.path, root, "chain-path-wrong");
  return ok(4, "4.ok", { index: chain.index, size: treeSize });
}

/** Step 5: the keys follow from leaf 0, and the checkpoint is signed by the one that was valid. */
export async function checkKeysAndNote({ log, sealed }, { check }) {
  const keys = await keyHistory(log, sealed.keys.map(({ leaf }) => leaf), check);
  checkKeyOrder(sealed.keys.map(({ index }) => index));
  const { origin, size } = sealed.checkpoint;
  if (origin !== log.origin) {
    throw new Refused("checkpoint-origin-wrong", "5.origin", { found: origin, log: log.origin });
  }
  await checkNote(sealed.note, log.origin, keys.get(CHECKPOINT_KEY).value, check);
  const changes = sealed.keys.length ? say("5.changes", { count: sealed.keys.length }) : "";
  return ok(5, "5.ok", { size, origin, changes }, TEXTS["rests.keys"]);
}

/** The key for each purpose after all key leaves, followed from leaf 0 on. */
export async function keyHistory(log, keyLeaves, check) {
  const keys = new Map();
  keys.set(CHECKPOINT_KEY, log.checkpointKey).set(PROMISE_KEY, log.promiseKey).set(RECOVERY_KEY, log.recoveryKey);
  const givenBy = new Map();
  for (const leaf of keyLeaves) {
    const replaced = givenBy.has(leaf.purpose) ? givenBy.get(leaf.purpose).hash : log.hash;
    if (!sameBytes(leaf.replaced, replaced)) {
      throw new Refused("key-history-wrong", "5.replaced", { found: leaf.replaced });
    }
    const signer = keys.get(leaf.signer === SIGNED_BY_RECOVERY ? RECOVERY_KEY : leaf.purpose);
    const message = keyLeafMessage(leaf, log.hash);
    const isGood = signer.type !== REVOKED && (await check(signer.value, message, leaf.signature));
    if (!isGood) throw new Refused("key-history-wrong", "5.key-signature");
    keys.set(leaf.purpose, leaf.newKey);
    givenBy.set(leaf.purpose, leaf);
  }
  return keys;
}

function checkKeyOrder(indexes) {
  if (indexes.every((index, place) => place === 0 || indexes[place - 1] < index)) return;
  throw new Refused("key-history-wrong", "5.key-order", { indexes: `[${indexes.join(", ")}]` });
}

async function checkNote(note, origin, publicKey, check) {
  if (await isSignedBy(note, origin, publicKey, check)) return;
  throw new Refused("checkpoint-signature-wrong", "5.note", { id: noteKeyId(origin, publicKey) });
}

/** Whether a key signed a note. Lines by others are ignored; one of our name and key id that fails, fails the note. */
export async function isSignedBy(note, origin, publicKey, check) {
  const id = noteKeyId(origin, publicKey);
  const lines = note.signatures.filter(({ name, keyId }) => name === origin && sameBytes(keyId, id));
  for (const { signature } of lines) if (!(await check(publicKey, utf8(note.text), signature))) return false;
  return lines.length > 0;
}

/** Step 6: every leaf of the directory that is shown is under the checkpoint. */
export function checkDirectoryPaths({ log, sealed }) {
  const { head, seal, thread, previousHead, keys } = sealed;
  return checkShownLeaves(log, sealed, [head, seal, thread, previousHead, ...keys]);
}

/** Step 6 of whatever file: leaf 0, and every other leaf that it shows (null: none), is under its checkpoint. */
export function checkShownLeaves(log, { logPath, checkpoint }, shown) {
  const leaves = shown.filter((proof) => proof !== null);
  const places = [[log.hash, 0n, logPath], ...leaves.map(({ leaf, index, path }) => [leaf.hash, index, path])];
  places.sort(([, one], [, other]) => (one < other ? -1 : one > other ? 1 : 0)); // the first that fails is named
  for (const [hash, index, path] of places) {
    checkInclusion(hash, index, checkpoint.size, path, checkpoint.root, "directory-path-wrong");
  }
  return ok(6, "6.ok", { count: places.length });
}

/** Step 7: the head belongs to its seal, and is the first that holds the entry. */
export function checkSeal(receipt, verifier) {
  const { head, seal, previousHead, chain } = receipt.sealed;
  const { sealNumber, blockHeight, blockHash } = seal.leaf;
  checkInSeal(head, seal);
  if (!sameBytes(head.leaf.chainId, receipt.entry.chainId)) {
    throw new Refused("head-does-not-match-entry", "7.head", { chain: head.leaf.chainId });
  }
  checkFirstHead(head, previousHead, chain.index);
  const { word, believed } = wordOnBlockBefore(receipt, seal.leaf, verifier);
  const values = { number: sealNumber, height: blockHeight, block: displayHex(blockHash), word };
  return ok(7, "7.ok", values, say("rests.first-head", { believed }));
}

/** Refused unless a head is one of those that stand before their seal leaf. */
export function checkInSeal(head, seal) {
  const { headCount } = seal.leaf;
  if (head.index >= seal.index - headCount && head.index < seal.index) return;
  throw new Refused("seal-does-not-cover-head", "7.seal", { seal: seal.index, count: headCount, head: head.index });
}

/** Whose word the lower end of the time bracket is: the log's, unless the verifier has this block too. */
export function wordOnBlockBefore({ log }, seal, { views, networks }) {
  const rules = networkOf(log, networks);
  const believed = TEXTS["rests.log"];
  for (const view of views) {
    const known = rules !== null && view.network === rules.name ? view.at(seal.blockHeight) : null;
    if (known === null) continue;
    if (sameBytes(known.hash, seal.blockHash)) return { word: say("7.confirmed", view), believed: view.believed };
    return { word: say("7.another-block", { believed: view.believed, found: displayHex(known.hash) }), believed };
  }
  return { word: TEXTS["7.log-says"], believed };
}

/** Refused unless a head is the first that holds an index: the one before was shorter. (None between: audited.) */
export function checkFirstHead(head, previousHead, wanted) {
  const pointer = head.leaf.previousIndex === NO_PREVIOUS ? null : head.leaf.previousIndex;
  const shown = previousHead === null ? null : previousHead.index;
  if (pointer !== shown) throw new Refused("not-the-first-head", "7.pointer");
  if (previousHead === null) return;
  const before = previousHead.leaf;
  if (previousHead.index >= head.index || !sameBytes(before.chainId, head.leaf.chainId)) {
    throw new Refused("not-the-first-head", "7.previous");
  }
  if (wanted >= before.treeSize && wanted < head.leaf.treeSize) return;
  const values = { index: wanted, from: before.treeSize, to: head.leaf.treeSize - 1n };
  throw new Refused("not-the-first-head", "7.not-added", values);
}

/** Step 8: the log is the one on the card that the verifier holds. */
export function checkLog({ log }, { card, anyLog }) {
  const waived = anyLog ? TEXTS["8.waived"] : "";
  if (card === null) return notChecked(8, "8.not-identified", { waived, origin: log.origin });
  if (sameBytes(card.log.raw, log.raw)) return ok(8, "8.ok", { log: log.hash }, TEXTS["rests.card"]);
  throw new Refused("another-log", "8.another", { log: log.hash, card: card.log.hash });
}

/** Step 9: the promise is signed by the log, and speaks of this entry at this place. */
export async function checkPromised(receipt, verifier) {
  const { promise, sealed, entry, log } = receipt;
  if (promise === null) return absent(9, "9.none");
  const { chainId, entryHash, leafIndex } = promise.leaf;
  if (!sameBytes(chainId, entry.chainId) || !sameBytes(entryHash, entry.hash)) {
    throw new Refused("promise-does-not-match-entry", "9.another-entry");
  }
  if (sealed !== null && leafIndex !== sealed.chain.index) {
    throw new Refused("promise-does-not-match-entry", "9.index", { promised: leafIndex, sealed: sealed.chain.index });
  }
  const keys = promiseKeys(receipt).filter((key) => sameBytes(promiseKeyId(key), promise.keyId));
  if (!keys.length && sealed === null) {
    checkPromisePath(promise, log.hash);
    return notChecked(9, "9.unknown-key", { key: promise.keyId });
  }
  await checkPromiseByAny(keys.length ? keys : [log.promiseKey.value], promise, log.hash, verifier.check);
  return ok(9, "9.ok", { text: promiseText(receipt) }, TEXTS["rests.log"]);
}

/** A promise may be older than the newest key leaf, so every promise key that the receipt shows counts. */
function promiseKeys({ log, sealed }) {
  return everyKey(log.promiseKey, sealed === null ? [] : sealed.keys.map(({ leaf }) => leaf), PROMISE_KEY);
}

/** Every key for a purpose: the first, which is leaf 0's, and those that key leaves gave later. */
export function everyKey(first, keyLeaves, purpose) {
  const later = keyLeaves.filter((leaf) => leaf.purpose === purpose && leaf.newKey.value.length);
  return [first.value, ...later.map(({ newKey }) => newKey.value)];
}

/** Key ids are four bytes, so two keys can share one: it is enough that one of them made the promise. */
export async function checkPromiseByAny(keys, promise, logId, check) {
  for (const key of keys.slice(0, -1)) {
    try {
      return await checkPromise(promise, logId, key, check);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
  return checkPromise(promise, logId, keys[keys.length - 1], check);
}

function promiseText({ promise: { note }, sealed }) {
  const text = say("9.promised", { time: utc(note.receivedAtMs) });
  if (sealed === null) return text;
  const lateMs = sealed.seal.leaf.sealedAtMs - note.sealByMs;
  return lateMs <= 0n ? text : say("9.breach", { text, late: lateMs });
}
