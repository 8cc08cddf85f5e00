// SPDX-License-Identifier: Apache-2.0
// The evidence of a broken promise (docs/spec/dispute.md): one file, read and judged with the log's card. It says the
// same as `anchorline dispute check --json`, and beside it names, step by step, what held.

import { HASH_SIZE, sameBytes, toHex } from "./bytes.js";
import { checkBreach } from "./breach.js";
import { expected, Malformed } from "./errors.js";
import { MAX_SIBLINGS } from "./heads.js";
import { MAX_LEAF } from "./leaves.js";
import { MAX_PATH } from "./merkle.js";
import { decodeNote } from "./note.js";
import { promiseFromJson } from "./promise.js";
import { leafOf, MAX_KEYS, proofFromJson } from "./receipt.js";
import { failed, notChecked, ok, stepToJson } from "./steps.js";
import { Fields, parseStrict } from "./strictjson.js";
import { say, TEXTS } from "./texts.js";

export const EVIDENCE_FORMAT = "anchorline-dispute/1";
export const MAX_EVIDENCE_FILE = 2 ** 20;
const EQUIVOCATION = ["two-promises", "another-entry", "another-place", "fork"];
const EXIT_CODE_OF = { late: 0, failed: 1, "no card": 3, equivocation: 8 };

/** Read an evidence file: { kind, log, keys, breach }; Malformed, or Newer for a later version. */
export function decodeEvidence(data) {
  const fields = new Fields(parseStrict(data, "evidence", MAX_EVIDENCE_FILE), "evidence");
  fields.format(EVIDENCE_FORMAT);
  const kind = fields.text("kind");
  if (!READERS_OF.has(kind)) {
    throw new Malformed("dispute.kind", { kinds: [...READERS_OF.keys()].join(", "), found: kind.slice(0, 40) });
  }
  const log = leafOf("log", fields.hex("log", { maximum: MAX_LEAF }), "evidence.log");
  const listed = fields.array("keys", MAX_KEYS).map((leaf) => new Fields(new Map([["leaf", leaf]]), "evidence.keys"));
  const keys = listed.map((item) => leafOf("key", item.hex("leaf", { maximum: MAX_LEAF }), "evidence.keys"));
  const breach = READERS_OF.get(kind)(fields);
  fields.end();
  return { kind, log, keys, breach };
}

const READERS_OF = new Map([
  ["two-promises", (fields) => ({ promises: pairOf(fields, "promises").map(promiseFromJson) })],
  ["another-entry", (fields) => ({ ...leafFrom(fields), ...promiseAndRoot(fields) })],
  [
    "another-place",
    (fields) => ({ index: fields.integer("index"), path: fields.hashes("path", MAX_PATH), ...promiseAndRoot(fields) }),
  ],
  ["fork", forkFrom],
  ["sealed-late", sealedLateFrom],
  ["not-sealed", notSealedFrom],
]);

function promiseAndRoot(fields) {
  return { promise: promiseFromJson(fields.take("promise")), root: rootFrom(fields.take("root")) };
}

function forkFrom(fields) {
  const roots = pairOf(fields, "roots").map(rootFrom);
  if (!fields.has("index")) return { roots, index: null, leaves: [] };
  const index = fields.integer("index");
  const leaves = pairOf(fields, "leaves").map((item) => {
    const inner = new Fields(item, "evidence.leaves");
    const leaf = leafFrom(inner);
    inner.end();
    return leaf;
  });
  return { roots, index, leaves };
}

function sealedLateFrom(fields) {
  const head = proofFromJson("head", fields.take("head"), "evidence.head");
  const given = fields.has("previous_head") ? fields.take("previous_head") : null;
  const previousHead = given === null ? null : proofFromJson("head", given, "evidence.previous_head");
  return { head, previousHead, ...promiseNoteAndSeal(fields) };
}

function notSealedFrom(fields) {
  const inner = new Fields(fields.take("heads"), "evidence.heads");
  const terminal = inner.hex("terminal", { maximum: MAX_LEAF });
  const heads = { terminal: terminal.length ? terminal : null, siblings: inner.hashes("siblings", MAX_SIBLINGS) };
  inner.end();
  return { heads, ...promiseNoteAndSeal(fields) };
}

function promiseNoteAndSeal(fields) {
  const promise = promiseFromJson(fields.take("promise"));
  const note = decodeNote(fields.text("checkpoint"));
  return { promise, note, seal: proofFromJson("seal", fields.take("seal"), "evidence.seal") };
}

function pairOf(fields, name) {
  const items = fields.array(name, 2);
  if (items.length !== 2) throw new Malformed("dispute.two", { what: fields.what, name, found: items.length });
  return items;
}

function rootFrom(value) {
  const fields = new Fields(value, "evidence.root");
  const note = decodeNote(fields.text("checkpoint"));
  const head = fields.has("head") ? proofFromJson("head", fields.take("head"), "evidence.root.head") : null;
  fields.end();
  return { note, head };
}

function leafFrom(fields) {
  return { leafHash: fields.hex("leaf_hash", { exact: HASH_SIZE }), path: fields.hashes("path", MAX_PATH) };
}

/**
 * Judge evidence by the card of the log that is accused (null: nobody has said whose log it is). Returns
 * { judgement, steps }: what `--json` prints, and what held on the way.
 */
export async function judgeEvidence({ kind, log, keys, breach }, card, check) {
  const done = (outcome, text, steps, reason = null) => {
    const judgement = { outcome, exit_code: EXIT_CODE_OF[outcome], kind, log_id: toHex(log.hash), text };
    return { judgement: reason === null ? judgement : { ...judgement, reason }, steps: numbered(steps) };
  };
  if (card !== null && !sameBytes(card.log.raw, log.raw)) {
    const text = say("dispute.wrong-log", { log: log.hash, card: card.log.hash });
    return done("failed", text, [["card", failed(1, text, "another-log")]], "another-log");
  }
  const whose = card === null ? notChecked(1, "dispute.no-card", { origin: log.origin }) : cardStep(log);
  try {
    const { text, told } = await checkBreach(kind, breach, { log, keys }, check);
    const steps = [["card", whose], ...told.map(toldStep), ["breach", ok(0, "dispute.shown", { text })]];
    return done(card === null ? "no card" : EQUIVOCATION.includes(kind) ? "equivocation" : "late", text, steps);
  } catch (error) {
    const { message, reason, told } = expected(error);
    const steps = [["card", whose], ...told.map(toldStep), ["breach", failed(0, message, reason)]];
    return done("failed", message, steps, reason);
  }
}

function cardStep(log) {
  return ok(0, "8.ok", { log: log.hash }, TEXTS["rests.card"]);
}

function toldStep([name, values]) {
  return [name, ok(0, `dispute.told-${name}`, values)];
}

function numbered(steps) {
  return steps.map(([name, step], place) => stepToJson({ ...step, number: place + 1 }, TEXTS[`dispute.step-${name}`]));
}
