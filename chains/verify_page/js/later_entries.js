// SPDX-License-Identifier: Apache-2.0
// A later entry of a receipt's chain, as evidence shows it (docs/spec/correction.md, docs/spec/co-signature.md): the
// entry, its place in the chain, and a head over it. `refusal` is { reason, newer, chain, signature }: its words.

import { sameBytes, toHex } from "./bytes.js";
import { claimedSignatures, decodeEntry, MAX_ENTRY, unknownCriticalExtension } from "./entry.js";
import { Newer, Refused } from "./errors.js";
import { checkInclusion } from "./merkle.js";
import { chainFromJson, proofFromJson } from "./receipt.js";
import { Fields } from "./strictjson.js";
import { say, TEXTS } from "./texts.js";

/** The evidence of a type that a receipt shows, as it stands there. */
export function shownOfType({ sealed }, type) {
  return sealed === null ? [] : sealed.evidence.filter((item) => item.get("type") === type);
}

/** { entry, index } that evidence shows: in the receipt's chain, under a head that is under the checkpoint. */
export function placedEntry(value, { entry: { chainId }, sealed: { checkpoint } }, refusal) {
  const { raw, chain, head } = laterEntryFromJson(value);
  const entry = decodeEntry(raw);
  if (unknownCriticalExtension(entry) !== null) throw new Newer(refusal.newer);
  for (const found of [entry.chainId, head.leaf.chainId]) {
    if (!sameBytes(found, chainId)) throw new Refused(refusal.reason, refusal.chain, { found, chain: chainId });
  }
  checkInclusion(entry.hash, chain.index, head.leaf.treeSize, chain.path, head.leaf.root, refusal.reason);
  checkInclusion(head.leaf.hash, head.index, checkpoint.size, head.path, checkpoint.root, refusal.reason);
  return { entry, index: chain.index };
}

function laterEntryFromJson(value) {
  const what = `receipt.evidence (${value.get("type")})`;
  const fields = new Fields(value, what);
  fields.text("type");
  const raw = fields.hex("entry", { maximum: MAX_ENTRY });
  const chain = chainFromJson(new Fields(fields.take("chain"), `${what}.chain`));
  const head = proofFromJson("head", fields.take("head"), `${what}.head`);
  fields.end();
  return { raw, chain, head };
}

/** The keys that signed an entry, ascending: none where nobody did in a way that this version knows. */
export async function laterKeys(entry, check, refusal) {
  let claimed;
  try {
    claimed = claimedSignatures(entry);
  } catch (error) {
    throw error instanceof Refused ? new Refused(refusal.reason, refusal.signature, { entry: entry.hash }) : error;
  }
  for (const { publicKey, message, signature } of claimed) {
    const isGood = await check(publicKey, message, signature);
    if (!isGood) throw new Refused(refusal.reason, refusal.signature, { entry: entry.hash });
  }
  return claimed.map(({ publicKey }) => publicKey);
}

/** Who signed as the facts of a verdict have it: `key`, and `keys` where they are several. */
export function keyFacts(keys) {
  if (!keys.length) return {};
  return keys.length > 1 ? { key: toHex(keys[0]), keys: keys.map(toHex) } : { key: toHex(keys[0]) };
}

/** Who signed, for a sentence. */
export function toldSigners(keys) {
  if (!keys.length) return TEXTS["16.unsigned"];
  return keys.length > 1 ? say("16.signed-together", { keys: keys.map(toHex).join(", ") }) : say("16.signed", { key: keys[0] });
}
