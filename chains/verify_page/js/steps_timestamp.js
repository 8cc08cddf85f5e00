// SPDX-License-Identifier: Apache-2.0
// Step 14: the time stamps of a receipt, only where it has some, by the certificates that the visitor trusts. They stand
// beside the log's own anchor and never make a verdict intact.

import { imprintOf } from "./bitcoin_anchor.js";
import { expected } from "./errors.js";
import { failed, notChecked, ok } from "./steps.js";
import { say, TEXTS } from "./texts.js";
import { accuracyText, checkedToken, timeText } from "./timestamps.js";

/** Judge every time stamp by itself: { stamp, error }, neither where nobody checked it; `trusted` is null for nobody. */
export async function judgedTimestamps({ anchors, checkpoint }, { trusted = null }) {
  const tokens = anchors.filter(({ kind }) => kind === "rfc3161");
  const judged = [];
  for (const { token } of tokens) judged.push(trusted === null ? {} : await judgedToken(token, checkpoint, trusted));
  return judged;
}

async function judgedToken(token, { size, root }, trusted) {
  try {
    return { stamp: await checkedToken(token, imprintOf(size, root), trusted) };
  } catch (error) {
    return { error: expected(error) };
  }
}

function holds({ stamp }) {
  return stamp !== undefined && stamp.vouchedBy !== null;
}

/** One that holds is enough; else one that does not hold fails the step; else nobody checked. */
export function timestampSteps(judged) {
  if (!judged.length) return [];
  const good = judged.filter(holds).map(({ stamp }) => stamp);
  const wrong = judged.find(({ error }) => error !== undefined);
  if (good.length) {
    const stamps = good.map((stamp) => say("14.stamped", wordsOf(stamp))).join("; ");
    const roots = joined(good.map(({ vouchedBy }) => vouchedBy));
    return [ok(14, "14.ok", { stamps, others: wrong ? TEXTS["15.other-fails"] : "" }, say("14.believed", { roots }))];
  }
  if (wrong !== undefined) return [failed(14, wrong.error.message, wrong.error.reason)];
  const unknown = judged.filter(({ stamp }) => stamp !== undefined).map(({ stamp }) => stamp);
  if (!unknown.length) return [notChecked(14, "14.not-checked")];
  const isOdd = unknown.some(({ isUnknownAlgorithm }) => isUnknownAlgorithm);
  const names = joined(unknown.map(({ authority }) => authority));
  return [notChecked(14, isOdd ? "14.unknown-algorithm" : "14.not-vouched", { names })];
}

function wordsOf({ authority, timeUs, accuracyUs }) {
  return { authority, time: timeText(timeUs), accuracy: accuracyText(accuracyUs) };
}

function joined(names) {
  return [...new Set(names)].sort().join(" and ");
}

/** The time stamps as `facts.time_stamps` shows them. */
export function timestampFacts(judged) {
  return judged.map((each) => {
    if (!holds(each)) {
      const { error } = each;
      return error === undefined ? { state: "not checked", reason: null } : { state: "failed", reason: error.reason };
    }
    const { authority, timeUs, accuracyUs, policy, serial, vouchedBy } = each.stamp;
    const said = { authority, time: timeText(timeUs), accuracy_us: accuracyUs, policy, serial: String(serial) };
    return { state: "ok", reason: null, ...said, vouched_by: vouchedBy };
  });
}
