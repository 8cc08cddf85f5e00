// SPDX-License-Identifier: Apache-2.0
// Step 17 (docs/spec/policy.md): the entry follows the policy of its chain, where there is something to say.

import { sameBytes, toHex, ZERO_HASH } from "./bytes.js";
import { decodeEntry, isSignedWell, claimedSignatures, signingKeys } from "./entry.js";
import { Newer } from "./errors.js";
import { placeOfSeal } from "./identity_evidence.js";
import { statedByLog } from "./log_statements.js";
import { leafHash } from "./merkle.js";
import { checkFollowed, closesChain, metBy, notFollowed, ruleValues, statedIn } from "./policy.js";
import { NotShown, policyFromJson, provedStanding, shownKeys, wrongPolicy } from "./policy_evidence.js";
import { sha256 } from "./sha256.js";
import { notChecked, ok } from "./steps.js";
import { run } from "./steps_anchor.js";
import { say, TEXTS } from "./texts.js";

/** Step 17, or no step where neither the log nor the entry says anything of a policy. */
export async function policySteps(receipt, verifier) {
  const { entry, sealed } = receipt;
  if (sealed === null) return [];
  const heads = [sealed.head, sealed.previousHead].filter((head) => head !== null);
  const shown = sealed.evidence.filter((item) => item.get("type") === "policy");
  const isNamed = heads.some(({ leaf }) => !sameBytes(leaf.policy, ZERO_HASH));
  if (!isNamed && !shown.length && statedIn(entry) === null) return [];
  return [await run(17, () => judgePolicy(receipt, shown, verifier))];
}

async function judgePolicy(receipt, shown, verifier) {
  const { head } = receipt.sealed;
  if (shown.length > 1) throw wrongPolicy("17.twice", { count: shown.length });
  if (sameBytes(head.leaf.policy, ZERO_HASH)) throw withoutPolicy(receipt);
  if (!shown.length) return notChecked(17, "17.not-shown", { policy: head.leaf.policy });
  try {
    return await followedPolicy(receipt, policyFromJson(shown[0]), verifier);
  } catch (error) {
    if (error instanceof NotShown) return notChecked(17, "17.unproved", { why: error.message });
    if (error instanceof Newer) return notChecked(17, "17.newer");
    throw error;
  }
}

/** What is wrong where the entry's head names no policy, and something else speaks of one. */
function withoutPolicy({ entry, sealed: { previousHead } }) {
  if (previousHead !== null && !sameBytes(previousHead.leaf.policy, ZERO_HASH)) return wrongPolicy("17.goes-away");
  return statedIn(entry) === null ? wrongPolicy("17.shown-open") : notFollowed("17.open");
}

async function followedPolicy(receipt, evidence, { check }) {
  const { entry, log, sealed } = receipt;
  const keysAt = shownKeys(evidence, receipt, check);
  const standing = await provedStanding(evidence, receipt, keysAt, check);
  const { index } = sealed.chain;
  if (statedIn(entry) !== null || index === 0n) return statesPolicy(standing, entry, index);
  const stated = inForceAt(standing, index);
  if (claimedSignatures(entry).length && !(await isSignedWell(entry, check))) throw notFollowed("17.signature");
  const isKeyOf = keysAt(placeOfSeal(sealed.seal, log, sealed));
  const shown = new Map(evidence.corrected.map((raw) => [toHex(leafHash(raw)), raw]));
  const find = (entryHash) => {
    const raw = shown.get(toHex(entryHash));
    if (raw === undefined) throw new NotShown("17.no-corrected", { entry: entryHash });
    return decodeEntry(raw);
  };
  const { content } = receipt;
  const hasContent = content.state === "shown" && !sameBytes(content.digest, sha256(new Uint8Array(0)));
  await checkFollowed(stated.policy, entry, isKeyOf, find, hasContent);
  const said = await whoSigned(stated.policy, entry, isKeyOf, hasContent ? null : statedByLog(entry));
  return ok(17, "17.ok", { index: stated.index, entry: stated.entryHash, writers: said }, TEXTS["rests.policy"]);
}

async function whoSigned({ administrators, writers }, entry, isKeyOf, byLog) {
  if (byLog !== null) return say("17.by-log", { what: TEXTS[byLog] });
  const rule = closesChain(entry) ? administrators : writers;
  const signed = await metBy(rule, signingKeys(entry), isKeyOf);
  const said = rule.threshold ? say("17.signed", ruleValues(rule, signed)) : say("17.anybody");
  return closesChain(entry) ? say("17.closes", { said }) : said;
}

/** The entry states a policy, which is one of those in force; so the rules of the one before hold for it. */
function statesPolicy(standing, entry, index) {
  const found = standing.find((stated) => stated.index === index && sameBytes(stated.entryHash, entry.hash));
  if (found === undefined) throw notFollowed(index ? "17.not-in-force" : "17.not-first");
  const rule = (index ? inForceAt(standing, index) : found).policy.administrators;
  return ok(17, "17.states", ruleValues(rule), TEXTS["rests.policy"]);
}

/** The policy that an entry must follow at an index after the first one. */
function inForceAt(standing, index) {
  const before = standing.filter((stated) => stated.index < index);
  return before[before.length - 1];
}
