// SPDX-License-Identifier: Apache-2.0
// Step 16 (docs/spec/correction.md): later entries of the chain that supersede or retract this one, where some are shown.

import { sameBytes, toHex } from "./bytes.js";
import { decodeEntry, MAX_ENTRY, signatureOf, unknownCriticalExtension } from "./entry.js";
import { Newer, Refused } from "./errors.js";
import { checkInclusion } from "./merkle.js";
import { chainFromJson, proofFromJson } from "./receipt.js";
import { notChecked, ok } from "./steps.js";
import { run } from "./steps_anchor.js";
import { Fields } from "./strictjson.js";
import { say, TEXTS } from "./texts.js";

const CORRECTION = "correction-wrong";
const CORRECTION_WHAT = "receipt.evidence (correction)";
const CORRECTING = new Map([[1, "supersedes"], [2, "retracts"]]);
const CORRECTED_BY = { supersedes: "16.superseded", retracts: "16.retracted" };

/** { steps, corrections }: step 16, or no step where no correction is shown; and the corrections where all hold. */
export async function judgedCorrections(receipt, { check }) {
  const { sealed } = receipt;
  const shown = sealed === null ? [] : sealed.evidence.filter((item) => item.get("type") === "correction");
  if (!shown.length) return { steps: [], corrections: [] };
  let corrections = [];
  const step = await run(16, async () => {
    try {
      corrections = await provedCorrections(receipt, shown, check);
    } catch (error) {
      if (error instanceof Newer) return notChecked(16, "16.newer");
      throw error;
    }
    const text = corrections.map((correction) => correctionSentence(correction, receipt.entry)).join("; ");
    return ok(16, "16.ok", { text }, TEXTS["rests.corrections"]);
  });
  return { steps: [step], corrections: step.state === "ok" ? corrections : [] };
}

/** The corrections as `facts.corrections` shows them. */
export function correctionFacts(corrections) {
  return corrections.map(({ relation, corrected, entry, index, key }) => {
    const facts = { relation, entry_hash: toHex(entry.hash), leaf_index: index, corrects: toHex(corrected) };
    return key === null ? facts : { ...facts, key: toHex(key) };
  });
}

/** Each is of the entry, or of one that is shown before. */
async function provedCorrections({ entry: first, sealed }, shown, check) {
  const places = new Map([[toHex(first.hash), sealed.chain.index]]);
  const found = [];
  for (const item of shown) {
    const { raw, chain, head } = correctionFromJson(item);
    const entry = decodeEntry(raw);
    if (unknownCriticalExtension(entry) !== null) throw new Newer("16.newer");
    checkCorrectionPlace(entry, chain, head, first, sealed);
    found.push(...(await correctionsOf(entry, chain.index, places, check)));
    places.set(toHex(entry.hash), chain.index);
  }
  return found;
}

function correctionFromJson(value) {
  const fields = new Fields(value, CORRECTION_WHAT);
  fields.text("type");
  const raw = fields.hex("entry", { maximum: MAX_ENTRY });
  const chain = chainFromJson(new Fields(fields.take("chain"), `${CORRECTION_WHAT}.chain`));
  const head = proofFromJson("head", fields.take("head"), `${CORRECTION_WHAT}.head`);
  fields.end();
  return { raw, chain, head };
}

/** The entry is at its index in the same chain, under a head that is under the checkpoint. */
function checkCorrectionPlace(entry, { index, path }, head, { chainId }, { checkpoint }) {
  for (const found of [entry.chainId, head.leaf.chainId]) {
    if (!sameBytes(found, chainId)) throw correctionWrong("16.chain", { found, chain: chainId });
  }
  checkInclusion(entry.hash, index, head.leaf.treeSize, path, head.leaf.root, CORRECTION);
  checkInclusion(head.leaf.hash, head.index, checkpoint.size, head.path, checkpoint.root, CORRECTION);
}

/** What an entry says of those at `places` (by hash): at least one must be among them, and earlier. */
async function correctionsOf(entry, index, places, check) {
  const said = entry.links.filter(({ relation, chainId, entryHash }) => {
    return CORRECTING.has(relation) && sameBytes(chainId, entry.chainId) && places.has(toHex(entryHash));
  });
  if (!said.length) throw correctionWrong("16.nothing", { entry: entry.hash });
  if (said.some(({ entryHash }) => index <= places.get(toHex(entryHash)))) {
    throw correctionWrong("16.not-later", { entry: entry.hash, index });
  }
  const key = await correctionKey(entry, check);
  return said.map(({ relation, entryHash }) => {
    return { relation: CORRECTING.get(relation), corrected: entryHash, entry, index, key };
  });
}

/** The key that signed an entry, or null where nobody did in a way that this version knows. */
async function correctionKey(entry, check) {
  let claimed;
  try {
    claimed = signatureOf(entry);
  } catch (error) {
    throw error instanceof Refused ? correctionWrong("16.signature", { entry: entry.hash }) : error;
  }
  if (claimed === null) return null;
  const isGood = await check(claimed.publicKey, claimed.message, claimed.signature);
  if (!isGood) throw correctionWrong("16.signature", { entry: entry.hash });
  return claimed.publicKey;
}

function correctionSentence({ relation, corrected, entry, index, key }, first) {
  const what = sameBytes(corrected, first.hash) ? "" : say("16.of-entry", { entry: corrected });
  const signed = key === null ? TEXTS["16.unsigned"] : say("16.signed", { key });
  return say(CORRECTED_BY[relation], { what, index, entry: entry.hash, signed });
}

function correctionWrong(key, values) {
  return new Refused(CORRECTION, key, values);
}
