// SPDX-License-Identifier: Apache-2.0
// Step 16 (docs/spec/correction.md): later entries of the chain that supersede or retract this one, where some are shown.

import { sameBytes, toHex } from "./bytes.js";
import { Newer, Refused } from "./errors.js";
import { keyFacts, laterKeys, placedEntry, shownOfType, toldSigners } from "./later_entries.js";
import { notChecked, ok } from "./steps.js";
import { run } from "./steps_anchor.js";
import { say, TEXTS } from "./texts.js";

const CORRECTION = { reason: "correction-wrong", newer: "16.newer", chain: "16.chain", signature: "16.signature" };
const CORRECTING = new Map([[1, "supersedes"], [2, "retracts"]]);
const CORRECTED_BY = { supersedes: "16.superseded", retracts: "16.retracted" };

/** { steps, corrections }: step 16, or no step where no correction is shown; and the corrections where all hold. */
export async function judgedCorrections(receipt, { check }) {
  const shown = shownOfType(receipt, "correction");
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
  return corrections.map(({ relation, corrected, entry, index, keys }) => {
    const facts = { relation, entry_hash: toHex(entry.hash), leaf_index: index, corrects: toHex(corrected) };
    return { ...facts, ...keyFacts(keys) };
  });
}

/** Each is of the entry, or of one that is shown before. */
async function provedCorrections(receipt, shown, check) {
  const places = new Map([[toHex(receipt.entry.hash), receipt.sealed.chain.index]]);
  const found = [];
  for (const item of shown) {
    const { entry, index } = placedEntry(item, receipt, CORRECTION);
    found.push(...(await correctionsOf(entry, index, places, check)));
    places.set(toHex(entry.hash), index);
  }
  return found;
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
  const keys = await laterKeys(entry, check, CORRECTION);
  return said.map(({ relation, entryHash }) => {
    return { relation: CORRECTING.get(relation), corrected: entryHash, entry, index, keys };
  });
}

function correctionSentence({ relation, corrected, entry, index, keys }, first) {
  const what = sameBytes(corrected, first.hash) ? "" : say("16.of-entry", { entry: corrected });
  return say(CORRECTED_BY[relation], { what, index, entry: entry.hash, signed: toldSigners(keys) });
}

function correctionWrong(key, values) {
  return new Refused(CORRECTION.reason, key, values);
}
