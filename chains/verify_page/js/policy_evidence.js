// SPDX-License-Identifier: Apache-2.0
// The policies of a chain as a receipt shows them (docs/spec/policy.md), proved under its own checkpoint up to the
// entry's head: none can be left out, since the heads name the newest, and none slipped in, since each is signed.

import { sameBytes, toHex, ZERO_HASH } from "./bytes.js";
import { decodeEntry, MAX_ENTRY, claimedSignatures } from "./entry.js";
import { Refused } from "./errors.js";
import { evidenceFromJson, placeOfSeal, provedHistory } from "./identity_evidence.js";
import { checkValid } from "./identity_history.js";
import { checkInclusion } from "./merkle.js";
import { changedPolicy } from "./policy.js";
import { chainFromJson, proofFromJson } from "./receipt.js";
import { checkFirstHead, checkInSeal } from "./steps.js";
import { Fields } from "./strictjson.js";
import { say } from "./texts.js";

const POLICY_WRONG = "policy-evidence-wrong";
const POLICY_WHAT = "receipt.evidence (policy)";
const MAX_SHOWN_POLICIES = 64;
const MAX_POLICY_IDENTITIES = 64;
const MAX_POLICY_CORRECTED = 255;

/** The evidence shows nothing of an identity, or of an entry: nobody can say whether the policy was followed. */
export class NotShown extends Error {
  constructor(key, values) {
    super(say(key, values));
  }
}

/** Read evidence of type policy: { statements, identities, corrected }. */
export function policyFromJson(value) {
  const fields = new Fields(value, POLICY_WHAT);
  fields.text("type");
  const statements = fields.array("statements", MAX_SHOWN_POLICIES);
  const identities = fields.array("identities", MAX_POLICY_IDENTITIES);
  const corrected = fields.array("corrected", MAX_POLICY_CORRECTED);
  fields.end();
  return {
    statements: statements.map(statementFromJson),
    identities: identities.map(evidenceFromJson),
    corrected: corrected.map((item) => {
      return new Fields(new Map([["entry", item]]), POLICY_WHAT).hex("entry", { maximum: MAX_ENTRY });
    }),
  };
}

function statementFromJson(value) {
  const what = `${POLICY_WHAT}.statements`;
  const fields = new Fields(value, what);
  const previous = fields.has("previous_head") ? fields.take("previous_head") : null;
  const item = {
    raw: fields.hex("entry", { maximum: MAX_ENTRY }),
    chain: chainFromJson(new Fields(fields.take("chain"), `${what}.chain`)),
    head: proofFromJson("head", fields.take("head"), `${what}.head`),
    seal: proofFromJson("seal", fields.take("seal"), `${what}.seal`),
    previousHead: previous === null ? null : proofFromJson("head", previous, `${what}.previous_head`),
  };
  fields.end();
  return item;
}

/**
 * What says whether a key was one of an identity where an entry was first sealed, each history proved once. For one that
 * states a policy (`isStating`) a tie counts for the signer.
 */
export function shownKeys({ identities }, receipt, check) {
  const histories = new Map();
  const historyShown = async (identity) => {
    const name = toHex(identity);
    if (histories.has(name)) return histories.get(name);
    const shown = identities.find(({ heads }) => heads.length && sameBytes(heads[0].head.leaf.chainId, identity));
    if (shown === undefined) throw new NotShown("17.no-identity", { identity });
    histories.set(name, await provedHistory(receipt, shown, identity, check));
    return histories.get(name);
  };
  return (place, isStating = false) => async (identity, publicKey) => {
    const history = await historyShown(identity);
    try {
      checkValid(isStating ? butForATie(history, publicKey, place) : history, publicKey, place);
    } catch (error) {
      if (error instanceof Refused && error.reason === "author-key-not-valid") return false;
      throw error;
    }
    return true;
  };
}

/** A history in which a key that ended in this very seal did not. */
function butForATie(history, publicKey, place) {
  const span = history.spans.get(toHex(publicKey));
  if (span === undefined || span.until === null || span.until.sealNumber !== place.sealNumber) return history;
  return { ...history, spans: new Map(history.spans).set(toHex(publicKey), { ...span, until: null }) };
}

/** All policies in force up to the head of the receipt's entry. */
export async function provedStanding({ statements }, receipt, keysAt, check) {
  const { log, sealed } = receipt;
  let standing = [];
  for (const item of statements) {
    const entry = decodeEntry(item.raw);
    checkStatedPlace(item, entry, receipt);
    const { index } = item.chain;
    if (standing.length && index <= standing[standing.length - 1].index) throw wrongPolicy("17.order");
    standing = await afterStatement(standing, item, entry, keysAt(placeOfSeal(item.seal, log, sealed), true), check);
  }
  for (const { leaf } of shownHeads(statements, sealed)) checkNamedPolicy(leaf, standing);
  if (standing.length && standing[standing.length - 1].index >= sealed.head.leaf.treeSize) throw wrongPolicy("17.later");
  return standing;
}

async function afterStatement(standing, { chain: { index } }, entry, isKeyOf, check) {
  try {
    await checkAllSignatures(entry, check);
    return await changedPolicy(standing, index, entry, isKeyOf);
  } catch (error) {
    throw error instanceof Refused ? wrongPolicy("17.stated", { index, why: error.message }) : error;
  }
}

async function checkAllSignatures(entry, check) {
  for (const { publicKey, message, signature } of claimedSignatures(entry)) {
    const isGood = await check(publicKey, message, signature);
    if (!isGood) throw new Refused("author-signature-wrong", "3.wrong", { key: publicKey });
  }
}

function shownHeads(statements, { head, previousHead }) {
  const shown = [head, previousHead, ...statements.flatMap((item) => [item.head, item.previousHead])];
  return shown.filter((proof) => proof !== null);
}

/** A head names the newest policy in force below its size. */
function checkNamedPolicy({ policy, treeSize }, standing) {
  const below = standing.filter(({ index }) => index < treeSize);
  const wanted = below.length ? below[below.length - 1].entryHash : ZERO_HASH;
  if (sameBytes(policy, wanted)) return;
  const named = sameBytes(policy, ZERO_HASH) ? say("17.no-policy") : say("17.policy", { policy });
  const given = sameBytes(wanted, ZERO_HASH) ? say("17.none") : toHex(wanted);
  throw wrongPolicy("17.named", { size: treeSize, named, wanted: given });
}

/** The entry is at its index in the same chain, under the first head that holds it, all under the checkpoint. */
function checkStatedPlace({ chain, head, seal, previousHead }, entry, { entry: { chainId }, sealed: { checkpoint } }) {
  for (const found of [entry.chainId, head.leaf.chainId]) {
    if (!sameBytes(found, chainId)) throw wrongPolicy("17.chain", { found, chain: chainId });
  }
  checkInclusion(entry.hash, chain.index, head.leaf.treeSize, chain.path, head.leaf.root, POLICY_WRONG);
  for (const { leaf, index, path } of [head, seal, previousHead].filter((proof) => proof !== null)) {
    checkInclusion(leaf.hash, index, checkpoint.size, path, checkpoint.root, POLICY_WRONG);
  }
  try {
    checkInSeal(head, seal);
    checkFirstHead(head, previousHead, chain.index);
  } catch (error) {
    throw error instanceof Refused ? wrongPolicy("17.head", { index: chain.index, why: error.message }) : error;
  }
}

/** Evidence, or heads, that do not hold. */
export function wrongPolicy(key, values = {}) {
  return new Refused(POLICY_WRONG, "17.wrong", { why: say(key, values) });
}

