// SPDX-License-Identifier: Apache-2.0
// The judgement of a bare .ots file, which says nothing of logs and names no network: its file, and each way to a
// block. It has the outcomes and reasons of a verdict (docs/verify/verify-html.md), and steps of its own.

import { ask, isShallow } from "./blocks.js";
import { displayHex, sameBytes } from "./bytes.js";
import { Malformed, NotExecutable } from "./errors.js";
import { executeOperations } from "./opentimestamps.js";
import { absent, failed, notChecked, ok, stepToJson } from "./steps.js";
import { say, TEXTS } from "./texts.js";
import { EXIT_CODES } from "./verdict.js";

/** Judge a decoded .ots file. `verifier` is { contentDigest or null, views, depth }, `network` the visitor's word. */
export function judgeOts(file, verifier, network) {
  const ways = file.paths.map((path) => wayOf(path, file.digest, verifier, network));
  const numbered = ways.map(({ step }, place) => ({ ...step, number: place + 2 }));
  const steps = [checkTimestampedFile(file, verifier), ...numbered];
  const outcome = outcomeOfOts(steps);
  return {
    outcome,
    exit_code: EXIT_CODES[outcome],
    reasons: steps.filter(({ reason }) => reason !== null).map(({ reason }) => reason),
    missing: steps.filter(({ state }) => state === "not checked").map(({ text }) => text),
    steps: steps.map((step) => stepToJson(step, TEXTS[step.number === 1 ? "ots.step-file" : "ots.step-way"])),
    facts: { blocks: ways.flatMap(({ block }) => (block === null ? [] : [block])) },
  };
}

function checkTimestampedFile({ hashName, digest }, { contentDigest }) {
  if (hashName !== "sha256") return notChecked(1, "ots.other-hash", { name: hashName });
  if (contentDigest === null) return notChecked(1, "ots.no-file", { digest });
  if (sameBytes(contentDigest, digest)) return ok(1, "ots.file-ok", { digest });
  return failed(1, say("ots.file-changed", { digest, found: contentDigest }), "content-changed");
}

/** { step, block }: one path to an attestation, and the block that it leads to, if any. */
function wayOf({ operations, attestation }, digest, verifier, network) {
  const { type, value } = attestation;
  if (type === "pending") return { step: absent(0, "ots.pending", { uri: value }), block: null };
  if (type !== "bitcoin") return { step: notChecked(0, "ots.other-kind", { type }), block: null };
  let root;
  try {
    root = executeOperations(operations, digest);
  } catch (error) {
    if (!(error instanceof NotExecutable || error instanceof Malformed)) throw error;
    return { step: notChecked(0, "ots.not-computed", { error: error.message }), block: null };
  }
  if (root.length !== 32) {
    return { step: failed(0, say("15.root-size", { found: root.length }), "malformed"), block: null };
  }
  const block = { height: value, merkle_root: displayHex(root) };
  return { step: wayToBlock(root, value, verifier, network), block };
}

function wayToBlock(root, height, { views, depth }, network) {
  const values = { height, network, root: displayHex(root) };
  const rooted = views.filter((view) => view.network === network);
  const { known, believed } = ask(rooted, height);
  if (known === null) return notChecked(0, "ots.unasked", values);
  if (known.merkleRoot === undefined) return notChecked(0, "ots.no-root", values);
  if (!sameBytes(known.merkleRoot, root)) {
    const text = say("ots.another-root", { ...values, found: displayHex(known.merkleRoot) });
    return failed(0, text, "attestation-mismatch");
  }
  if (isShallow(known, depth)) {
    return notChecked(0, "ots.shallow", { ...values, count: known.confirmations, wanted: depth });
  }
  return ok(0, "ots.ok", { ...values, block: displayHex(known.hash) }, believed);
}

function outcomeOfOts([file, ...ways]) {
  const has = (state) => ways.some((step) => step.state === state);
  if (file.state === "failed" || has("failed")) return "failed";
  if (file.state === "not checked") return "not checked";
  if (has("ok")) return "attested";
  return has("not checked") ? "not checked" : "incomplete";
}
