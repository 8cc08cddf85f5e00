// SPDX-License-Identifier: Apache-2.0
// Step 20 (docs/spec/co-signature.md): later entries by which further parties co-sign this one, where some are shown.

import { sameBytes, toHex } from "./bytes.js";
import { extensionOf, IDENTITY_EXTENSION } from "./entry.js";
import { Newer, Refused } from "./errors.js";
import { laterKeys, placedEntry, shownOfType } from "./later_entries.js";
import { notChecked, ok } from "./steps.js";
import { run } from "./steps_anchor.js";
import { say, TEXTS } from "./texts.js";

const COSIGNS = 7;
const CO_SIGNATURE = { reason: "co-signature-wrong", newer: "20.newer", chain: "20.chain", signature: "20.signature" };

/** { steps, coSignatures }: step 20, or no step where no co-signature is shown; and all of them, where all hold. */
export async function judgedCoSignatures(receipt, { check }) {
  const shown = shownOfType(receipt, "co-signature");
  if (!shown.length) return { steps: [], coSignatures: [] };
  const found = [];
  const step = await run(20, async () => {
    try {
      for (const item of shown) found.push(...(await provedCoSignatures(item, receipt, check)));
    } catch (error) {
      if (error instanceof Newer) return notChecked(20, "20.newer");
      throw error;
    }
    return ok(20, "20.ok", { text: found.map(coSignatureSentence).join("; ") }, TEXTS["rests.co-signatures"]);
  });
  return { steps: [step], coSignatures: step.state === "ok" ? found : [] };
}

/** The co-signatures as `facts.co_signatures` shows them. */
export function coSignatureFacts(coSignatures) {
  return coSignatures.map(({ key, identity, entry, index }) => {
    const facts = { key: toHex(key), entry_hash: toHex(entry.hash), leaf_index: index };
    return identity === null ? facts : { ...facts, identity: toHex(identity) };
  });
}

/** One for each key that signed the entry. */
async function provedCoSignatures(item, receipt, check) {
  const { entry, index } = placedEntry(item, receipt, CO_SIGNATURE);
  const { chainId, hash } = receipt.entry;
  const isLinked = entry.links.some((link) => {
    return link.relation === COSIGNS && sameBytes(link.chainId, chainId) && sameBytes(link.entryHash, hash);
  });
  if (!isLinked) throw coSignatureWrong("20.nothing", { entry: entry.hash });
  if (index <= receipt.sealed.chain.index) throw coSignatureWrong("20.not-later", { entry: entry.hash, index });
  const keys = await laterKeys(entry, check, CO_SIGNATURE);
  if (!keys.length) throw coSignatureWrong("20.unsigned", { entry: entry.hash });
  const identity = extensionOf(entry, IDENTITY_EXTENSION);
  return keys.map((key) => ({ key, identity, entry, index }));
}

function coSignatureSentence({ key, identity, entry, index }) {
  const name = identity === null ? "20.signed" : "20.signed-for";
  return say(name, { key, index, entry: entry.hash, identity });
}

function coSignatureWrong(key, values) {
  return new Refused(CO_SIGNATURE.reason, key, values);
}
