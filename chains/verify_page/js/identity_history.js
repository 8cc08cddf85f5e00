// SPDX-License-Identifier: Apache-2.0
// The key history of an identity (docs/spec/identity.md): which keys were valid for what at a seal. A place is
// { sealNumber, sealedAtMs, blockHeight, blockHash, promiseKey }: where an entry was first sealed; numbers are BigInt.

import { sameBytes, toHex, ZERO_HASH } from "./bytes.js";
import { Malformed, Newer, Refused } from "./errors.js";
import { ADD, ANNOUNCE, BEGIN, BIND, COMPLETE, decodeStatement, FOR_ENTRIES, FOR_KEYS } from "./identity.js";
import { identityChainId, identityIds, OBJECT, RECOVER, REVOKE, ROTATE } from "./identity.js";
import { statementMessage, statementOf, UNBIND } from "./identity.js";
import { TEXTS, utc } from "./texts.js";

/** Certificates that an identity can bind, ever. */
export const MAX_BINDINGS = 16;

/** A statement that counts for nothing. */
class NotInForce extends Error {}

/**
 * What all entries of an identity's chain come to, in order: `rows` are { entry, place }. Newer where an entry states
 * what this version cannot read, since it might end a key; what is not signed as it must be is ignored.
 */
export async function historyOf(chainId, logId, rows, check) {
  let history = await begun(chainId, logId, rows[0], check);
  for (let index = 1; index < rows.length; index += 1) {
    const applied = await unlessIgnored(() => withEntry(history, rows[index], check));
    history = applied === null ? { ...history, ignored: [...history.ignored, index] } : applied;
  }
  return history;
}

/** The span of a key that was valid for entries where one was first sealed; a tie counts against the signer. */
export function checkValid(history, publicKey, place) {
  const span = history.spans.get(toHex(publicKey));
  if (span === undefined) throw notValid(publicKey, "3.not-of", { identity: history.chainId });
  if (span.since.sealNumber >= place.sealNumber) throw notValid(publicKey, "3.not-yet", { seal: span.since.sealNumber });
  if (span.until !== null && span.until.sealNumber <= place.sealNumber) {
    throw notValid(publicKey, "3.ended", { seal: span.until.sealNumber, ending: TEXTS[`ending.${span.ending}`] });
  }
  if (span.key.notAfterMs <= place.sealedAtMs) throw notValid(publicKey, "3.too-old", { time: utc(span.key.notAfterMs) });
  if (!(span.key.purposes & FOR_ENTRIES)) throw notValid(publicKey, "3.not-for-entries", {});
  return span;
}

function notValid(publicKey, key, values) {
  return new Refused("author-key-not-valid", key, { ...values, key: publicKey });
}

async function begun(chainId, logId, row, check) {
  const history = row === undefined ? null : await unlessIgnored(() => firstApplied(chainId, logId, row, check));
  if (history === null) throw new Refused("author-key-history-wrong", "3.no-identity", { chain: chainId });
  return history;
}

/** What `work` returns, or null where it finds that a statement counts for nothing. */
async function unlessIgnored(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Newer || !(error instanceof Malformed || error instanceof NotInForce)) throw error;
    return null;
  }
}

async function firstApplied(chainId, logId, { entry, place }, check) {
  const statement = decodeStatement(statementOf(entry) || new Uint8Array(0));
  const { keySet, about, previous, names } = statement;
  need(statement.operation === BEGIN && sameBytes(previous, ZERO_HASH) && sameBytes(about, logId));
  need(sameIds(entry.externalIds, identityIds(statement)) && sameBytes(identityChainId(statement), chainId));
  await checkSigners(chainId, statement, allKeys(keySet), [], 0, check);
  const { threshold, recovery, waitBlocks } = keySet;
  const [bindings, waits] = [[], []];
  const history = { chainId, names, tip: statement.hash, threshold, recovery: recovery.map(toHex), waitBlocks, bindings, waits };
  return { ...history, spans: registered(new Map(), keySet.keys, place), pending: null, announced: [], ignored: [] };
}

function sameIds(one, other) {
  return one.length === other.length && one.every(({ kind, value }, place) => {
    return kind === other[place].kind && sameBytes(value, other[place].value);
  });
}

/** The history after one more entry. */
async function withEntry(history, { entry, place }, check) {
  const raw = statementOf(entry);
  need(raw !== null);
  const statement = decodeStatement(raw);
  need(sameBytes(statement.previous, history.tip) && APPLIED.has(statement.operation));
  return APPLIED.get(statement.operation)(history, statement, place, check);
}

async function withAdded(history, statement, place, check) {
  checkNewKeys(history, [statement.key], []);
  await checkManaged(history, statement, place, [toHex(statement.key.publicKey)], check);
  return inForce(history, statement, registered(history.spans, [statement.key], place));
}

async function withRotated(history, statement, place, check) {
  checkNewKeys(history, [statement.key], []);
  const spans = endedSpans(history, [toHex(statement.about)], place, statement.ending);
  await checkManaged(history, statement, place, [toHex(statement.key.publicKey)], check);
  return inForce(history, statement, registered(spans, [statement.key], place));
}

async function withRevoked(history, statement, place, check) {
  const spans = endedSpans(history, [toHex(statement.about)], place, statement.ending);
  await checkManaged(history, statement, place, [], check);
  return inForce(history, statement, spans);
}

async function withRecovered(history, statement, place, check) {
  const { keySet, ending } = statement;
  checkNewKeys(history, keySet.keys, keySet.recovery);
  need(history.recovery.length > 0);
  await checkSigners(history.chainId, statement, newKeys(history, keySet), history.recovery, history.threshold, check);
  return replacedKeys(history, statement, keySet, ending, place);
}

async function withAnnounced(history, statement, place, check) {
  const { keySet, ending, hash } = statement;
  checkNewKeys(history, keySet.keys, keySet.recovery);
  need(history.waitBlocks > 0n && !history.announced.includes(toHex(hash)));
  const signers = [...new Set([...newKeys(history, keySet), toHex(place.promiseKey)])];
  await checkSigners(history.chainId, statement, signers, [], 0, check);
  const pending = { announcement: hash, keySet, ending, place };
  return { ...history, pending, announced: [...history.announced, toHex(hash)] };
}

async function withObjection(history, statement, place, check) {
  pendingOf(history, statement);
  const managing = managingKeys(history, place);
  const isManaged = statement.signatures.some(({ signer }) => managing.includes(toHex(signer)));
  const [pool, least] = isManaged ? [managing, 1] : [history.recovery, Math.max(1, history.threshold)];
  await checkSigners(history.chainId, statement, [], pool, least, check);
  return inForce(history, statement, history.spans);
}

async function withCompleted(history, statement, place, check) {
  const { keySet, ending, place: announced } = pendingOf(history, statement);
  need(place.blockHeight >= announced.blockHeight + history.waitBlocks);
  const pool = keySet.keys.filter(({ purposes }) => purposes & FOR_KEYS).map(({ publicKey }) => toHex(publicKey));
  await checkSigners(history.chainId, statement, [], pool, 1, check);
  const waits = [...history.waits, { announced, completed: place, wantedBlocks: history.waitBlocks }];
  return { ...replacedKeys(history, statement, keySet, ending, place), waits };
}

/** Whether the certificate's own proof holds, changes no keys. */
async function withBound(history, statement, place, check) {
  const { about, proof } = statement;
  need(history.bindings.length < MAX_BINDINGS && !history.bindings.some(({ hash }) => sameBytes(hash, about)));
  await checkManaged(history, statement, place, [], check);
  const binding = { hash: about, proof, since: place, until: null, ending: 0 };
  return { ...inForce(history, statement, history.spans), bindings: [...history.bindings, binding] };
}

async function withUnbound(history, statement, place, check) {
  const { about, ending } = statement;
  const bound = history.bindings.find(({ hash, until }) => until === null && sameBytes(hash, about));
  need(bound !== undefined);
  await checkManaged(history, statement, place, [], check);
  const bindings = history.bindings.map((item) => (item === bound ? { ...item, until: place, ending } : item));
  return { ...inForce(history, statement, history.spans), bindings };
}

const APPLIED = new Map([
  [ADD, withAdded],
  [ROTATE, withRotated],
  [REVOKE, withRevoked],
  [RECOVER, withRecovered],
  [ANNOUNCE, withAnnounced],
  [OBJECT, withObjection],
  [COMPLETE, withCompleted],
  [BIND, withBound],
  [UNBIND, withUnbound],
]);

function need(condition) {
  if (!condition) throw new NotInForce();
}

function allKeys({ keys, recovery }) {
  return [...keys.map(({ publicKey }) => toHex(publicKey)), ...recovery.map(toHex)];
}

/** Recovery keys that stay have signed before. */
function newKeys({ recovery }, keySet) {
  return allKeys(keySet).filter((key) => !recovery.includes(key));
}

/** The keys that may change keys at a place behind all statements. */
function managingKeys({ spans }, place) {
  const isManaging = ({ key, until }) => until === null && key.purposes & FOR_KEYS && place.sealedAtMs < key.notAfterMs;
  return [...spans.entries()].filter(([, span]) => isManaging(span)).map(([name]) => name);
}

function checkManaged(history, statement, place, also, check) {
  return checkSigners(history.chainId, statement, also, managingKeys(history, place), 1, check);
}

/** All of these and so many of those keys signed, nobody else, and every signature holds. */
async function checkSigners(chainId, statement, allOf, someOf, least, check) {
  const signers = statement.signatures.map(({ signer }) => toHex(signer));
  need(allOf.every((key) => signers.includes(key)));
  need(signers.filter((key) => someOf.includes(key)).length >= least);
  need(signers.every((key) => allOf.includes(key) || someOf.includes(key)));
  const message = statementMessage(statement, chainId);
  for (const { signer, signature } of statement.signatures) need(await check(signer, message, signature));
}

/** A key is registered once, for ever, and a recovery key is nothing else. */
function checkNewKeys({ spans, recovery }, keys, papers) {
  const names = keys.map(({ publicKey }) => toHex(publicKey));
  need(!names.some((name) => spans.has(name) || recovery.includes(name)));
  need(!papers.some((paper) => spans.has(toHex(paper))));
}

function endedSpans(history, names, place, ending) {
  const spans = new Map(history.spans);
  for (const name of names) {
    const span = spans.get(name);
    need(span !== undefined && span.until === null);
    spans.set(name, { ...span, until: place, ending });
  }
  return spans;
}

function registered(spans, keys, place) {
  const after = new Map(spans);
  for (const key of keys) after.set(toHex(key.publicKey), { key, since: place, until: null, ending: 0 });
  return after;
}

/** All keys end, and those of the set begin. */
function replacedKeys(history, statement, { keys, threshold, recovery, waitBlocks }, ending, place) {
  const current = [...history.spans.entries()].filter(([, { until }]) => until === null).map(([name]) => name);
  const after = inForce(history, statement, registered(endedSpans(history, current, place, ending), keys, place));
  return { ...after, threshold, recovery: recovery.map(toHex), waitBlocks };
}

/** Whatever holders of keys state while a recovery waits makes it void. */
function inForce(history, statement, spans) {
  return { ...history, spans, tip: statement.hash, pending: null, announced: [] };
}

function pendingOf({ pending }, { about }) {
  need(pending !== null && sameBytes(pending.announcement, about));
  return pending;
}
