// SPDX-License-Identifier: Apache-2.0
// Step 18 (docs/spec/erasure.md): the entry that erased this one's content, where the receipt shows it.

import { bigEndian, Cursor, isPlainLine, MAX_REASON, sameBytes, strictText, toHex } from "./bytes.js";
import { ERASURE_EXTENSION, extensionOf } from "./entry.js";
import { Malformed, Newer, Refused } from "./errors.js";
import { keyFacts, laterKeys, placedEntry, shownOfType, toldSigners } from "./later_entries.js";
import { notChecked, ok } from "./steps.js";
import { run } from "./steps_anchor.js";
import { TEXTS, utc } from "./texts.js";

const ERASURE = { reason: "erasure-wrong", newer: "18.newer", chain: "18.chain", signature: "18.signature" };
export const ERASES = 6;
const ACTS = new Map([[1, "erase"], [2, "hold"], [3, "lift"]]);
const SCOPES = new Map([[1, "entry"], [2, "subject"], [3, "retention"], [4, "chain"]]);
const SCOPES_OF = { erase: ["entry", "subject", "retention"], hold: ["entry", "chain"], lift: ["entry", "chain"] };
const MAX_ERASURE_STATEMENT = 13 + MAX_REASON;

/** { steps, erasure }: step 18, or no step where no erasure is shown; and the erasure where it holds, else null. */
export async function judgedErasure(receipt, { check }) {
  const shown = shownOfType(receipt, "erasure");
  if (!shown.length) return { steps: [], erasure: null };
  let erasure = null;
  const step = await run(18, async () => {
    try {
      erasure = await provedErasure(receipt, shown, check);
    } catch (error) {
      if (error instanceof Newer) return notChecked(18, "18.newer");
      throw error;
    }
    const { statement, entry, index, keys } = erasure;
    const signed = toldSigners(keys);
    const values = { time: utc(statement.atMs), reason: statement.reason, index, entry: entry.hash, signed };
    return ok(18, "18.ok", values, TEXTS["rests.erasure"]);
  });
  return { steps: [step], erasure: step.state === "ok" ? erasure : null };
}

/** The erasure as `facts.erasure` shows it. */
export function erasureFacts({ statement, entry, index, keys }) {
  const { atMs, scope, reason } = statement;
  const facts = { entry_hash: toHex(entry.hash), leaf_index: index, erased_at_ms: atMs, scope, reason };
  return { ...facts, ...keyFacts(keys) };
}

async function provedErasure(receipt, shown, check) {
  const { entry: first, sealed } = receipt;
  if (shown.length !== 1) throw erasureWrong("18.one", { found: shown.length });
  const { entry, index } = placedEntry(shown[0], receipt, ERASURE);
  if (index <= sealed.chain.index) throw erasureWrong("18.not-later", { entry: entry.hash, index });
  const value = extensionOf(entry, ERASURE_EXTENSION);
  const statement = value === null ? null : erasureStatement(value);
  const isOfThis = entry.links.some(({ relation, chainId, entryHash }) => {
    return relation === ERASES && sameBytes(chainId, entry.chainId) && sameBytes(entryHash, first.hash);
  });
  if (statement === null || statement.act !== "erase" || !isOfThis) throw erasureWrong("18.other", { entry: entry.hash });
  return { statement, entry, index, keys: await laterKeys(entry, check, ERASURE) };
}

/** { act, scope, atMs, reason } of an extension's value; Malformed, or Newer for another version. */
export function erasureStatement(value) {
  const reader = new Cursor(value, MAX_ERASURE_STATEMENT, "erasure statement");
  const version = reader.byte("a version");
  if (version !== 1) throw new Newer("18.newer");
  const act = reader.byte("an act");
  const scope = reader.byte("a scope");
  const atMs = bigEndian(reader.take(8, "a time"));
  const raw = reader.prefixed(2, "a reason");
  reader.end();
  const reason = strictText(raw);
  if (reason === null) throw new Malformed("18.utf8");
  const statement = { act: ACTS.get(act), scope: SCOPES.get(scope), atMs, reason };
  if (!statement.act || !statement.scope) throw new Malformed("18.unknown", { act, scope });
  if (raw.length < 1 || raw.length > MAX_REASON) throw new Malformed("18.size", { found: raw.length });
  if (!isPlainLine(reason)) throw new Malformed("18.unprintable");
  if (!SCOPES_OF[statement.act].includes(statement.scope)) throw new Malformed("18.together", statement);
  return statement;
}

function erasureWrong(key, values) {
  return new Refused(ERASURE.reason, key, values);
}
