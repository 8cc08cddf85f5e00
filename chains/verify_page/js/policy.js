// SPDX-License-Identifier: Apache-2.0
// The policy of a chain (docs/spec/policy.md): the statement in extension 7 of an entry, and its rules. `isKeyOf` is
// async (identity, public key): whether the key was one of the identity's where the entry stands.

import { concat, Cursor, HASH_SIZE, sameBytes, toHex, ZERO_HASH } from "./bytes.js";
import { CLOSING_EXTENSION, extensionOf, IDENTITY_EXTENSION, signingKeys } from "./entry.js";
import { Malformed, Newer, Refused } from "./errors.js";
import { statedByLog } from "./log_statements.js";
import { say } from "./texts.js";

const POLICY_EXTENSION = 7;
const MAX_POLICY = 2300;
const MAX_PARTIES = 16;
const MAX_MEDIA_TYPES = 16;
// Kinds of external ids that an entry must have; and that it has keyed ones (kind 2) only.
const ONLY_KEYED = 0x82;
const KEYED_KIND = 2;
const ID_KINDS = [0, 1, KEYED_KIND, ONLY_KEYED];
const MAX_STATED = 64;
const PARTY_IDENTITY = 1;
const PARTY_KEY = 2;
const CORRECTING_RELATIONS = [1, 2];

/** Read a statement: { previous, administrators, writers, correctors, mediaTypes, idKinds }; rules { threshold, parties }. */
export function decodePolicy(raw) {
  const reader = new Cursor(raw, MAX_POLICY, "policy");
  const version = reader.byte("policy");
  if (version !== 1) throw new Newer("policy.version", { found: version });
  const policy = { previous: reader.take(HASH_SIZE, "previous") };
  policy.administrators = policyRule(reader);
  policy.writers = policyRule(reader);
  policy.correctors = policyRule(reader);
  const count = atMost(reader, "media types", MAX_MEDIA_TYPES);
  const names = Array.from({ length: count }, () => reader.prefixed(1, "media type"));
  policy.idKinds = Array.from({ length: atMost(reader, "id kinds", ID_KINDS.length) }, () => reader.byte("id kind"));
  reader.end();
  if (!policy.administrators.parties.length) throw new Malformed("policy.administrators");
  if (policy.writers.threshold && !policy.writers.parties.length) throw new Malformed("policy.writers");
  if (names.some((name) => !name.length || name.some((code) => code < 0x20 || code > 0x7e))) {
    throw new Malformed("policy.media-types");
  }
  policy.mediaTypes = names.map((name) => String.fromCharCode(...name));
  strictlyAscending(policy.mediaTypes, "media types");
  strictlyAscending(policy.idKinds, "id kinds");
  if (policy.idKinds.some((kind) => !ID_KINDS.includes(kind))) throw new Malformed("policy.id-kinds");
  return policy;
}

/** The statement that an entry carries, or null. */
export function statedIn(entry) {
  return extensionOf(entry, POLICY_EXTENSION);
}

/** How many parties of a rule signed: each key counts for the first party of which it is one. */
export async function metBy({ parties }, keys, isKeyOf) {
  const found = new Set();
  for (const key of keys) {
    const party = await firstPartyOf(parties, key, isKeyOf);
    if (party !== null) found.add(party);
  }
  return found.size;
}

async function firstPartyOf(parties, key, isKeyOf) {
  for (const party of parties) {
    const isOf = party.kind === PARTY_KEY ? sameBytes(party.value, key) : await isKeyOf(party.value, key);
    if (isOf) return party;
  }
  return null;
}

/** The policies in force after an entry that states one: { entryHash, index, policy } each. */
export async function changedPolicy(standing, index, entry, isKeyOf) {
  const policy = decodePolicy(statedIn(entry) || new Uint8Array(0));
  const before = standing.length ? standing[standing.length - 1] : null;
  if (Boolean(index) !== (before !== null)) throw notFollowed(index ? "17.no-first" : "17.before-first");
  if (!sameBytes(policy.previous, before === null ? ZERO_HASH : before.entryHash)) throw notFollowed("17.not-next");
  if (standing.length >= MAX_STATED) throw notFollowed("17.too-many");
  if (entry.links.some(({ relation }) => CORRECTING_RELATIONS.includes(relation))) throw notFollowed("17.both");
  const rule = (before === null ? policy : before.policy).administrators;
  await checkMet(rule, signingKeys(entry), isKeyOf, "17.administrators");
  return [...standing, { entryHash: entry.hash, index, policy }];
}

/**
 * Refused unless an entry that states no policy follows this one; `find` returns an earlier entry by its hash. With
 * `hasContent` the entry commits to other content than none, and is more than the log's own.
 */
export async function checkFollowed(policy, entry, isKeyOf, find, hasContent) {
  if (!hasContent && statedByLog(entry) !== null) return;
  if (closesChain(entry)) await checkClosing(policy.administrators, entry, isKeyOf);
  else await checkWritten(policy, entry, isKeyOf, find);
}

/** Whether an entry closes its chain. */
export function closesChain(entry) {
  return extensionOf(entry, CLOSING_EXTENSION) !== null;
}

/** After a closing nobody writes any more: it takes those who say who may write, and nothing else of the policy. */
async function checkClosing(rule, entry, isKeyOf) {
  if (entry.links.some(({ relation }) => CORRECTING_RELATIONS.includes(relation))) throw notFollowed("17.closes-both");
  await checkMet(rule, signingKeys(entry), isKeyOf, "17.closers");
}

async function checkWritten(policy, entry, isKeyOf, find) {
  const keys = signingKeys(entry);
  await checkMet(policy.writers, keys, isKeyOf, "17.writers");
  if (policy.mediaTypes.length && !policy.mediaTypes.includes(entry.mediaType)) {
    throw notFollowed("17.media-type", { found: entry.mediaType });
  }
  checkIds(policy, entry.externalIds.map(({ kind }) => kind));
  for (const { relation, chainId, entryHash } of entry.links) {
    if (!CORRECTING_RELATIONS.includes(relation) || !sameBytes(chainId, entry.chainId)) continue;
    const mayCorrect = await isAllowedToCorrect(policy.correctors, keys, find(entryHash), isKeyOf);
    if (!mayCorrect) throw notFollowed("17.corrects", { entry: entryHash, ...ruleValues(policy.correctors) });
  }
}

/** Refused, as the text of this name says, unless enough parties of a rule signed. */
async function checkMet(rule, keys, isKeyOf, text) {
  const found = await metBy(rule, keys, isKeyOf);
  if (found < rule.threshold) throw notFollowed(text, ruleValues(rule, found));
}

function checkIds({ idKinds }, kinds) {
  const lacking = idKinds.find((wanted) => wanted !== ONLY_KEYED && !kinds.includes(wanted));
  if (lacking !== undefined) throw notFollowed("17.id-kind", { kind: lacking });
  const isOther = idKinds.includes(ONLY_KEYED) && kinds.some((kind) => kind !== KEYED_KIND);
  if (isOther) throw notFollowed("17.only-keyed");
}

async function isAllowedToCorrect(correctors, keys, corrected, isKeyOf) {
  const own = signingKeys(corrected).map(toHex);
  const mine = keys.map(toHex);
  if (own.length && own.every((key) => mine.includes(key))) return true;
  const identity = extensionOf(corrected, IDENTITY_EXTENSION);
  if (identity !== null) {
    for (const key of keys) if (await isKeyOf(identity, key)) return true;
  }
  return (await metBy(correctors, keys, isKeyOf)) >= correctors.threshold;
}

/** An entry that the policy of its chain forbids, and why. */
export function notFollowed(key, values = {}) {
  return new Refused("policy-not-followed", "17.forbidden", { why: say(key, values) });
}

export function ruleValues({ threshold, parties }, found = 0) {
  return { threshold, count: parties.length, found };
}

function policyRule(reader) {
  const threshold = reader.byte("threshold");
  const count = atMost(reader, "parties", MAX_PARTIES);
  const parties = Array.from({ length: count }, () => {
    return { kind: reader.byte("kind of a party"), value: reader.take(HASH_SIZE, "party") };
  });
  if (parties.some(({ kind }) => kind !== PARTY_IDENTITY && kind !== PARTY_KEY)) throw new Malformed("policy.party");
  strictlyAscending(parties.map(({ kind, value }) => toHex(concat(Uint8Array.of(kind), value))), "parties");
  if (threshold < Math.min(1, count) || threshold > Math.max(1, count)) {
    throw new Malformed("policy.threshold", { count, found: threshold });
  }
  return { threshold, parties };
}

function atMost(reader, what, most) {
  const count = reader.byte(what);
  if (count > most) throw new Malformed("policy.count", { most, what, found: count });
  return count;
}

/** Numbers, hex, or names of ASCII, compare as their bytes do. */
function strictlyAscending(values, what) {
  if (values.some((value, place) => place > 0 && values[place - 1] >= value)) throw new Malformed("policy.order", { what });
}
