// SPDX-License-Identifier: Apache-2.0
// A verdict in plain words, for people: what it means, what it does not, and since when. Nothing is decided here.

import { toldLinks } from "./diagnosis.js";
import { say, TEXTS } from "./texts.js";

/** The class of a verdict or a step, which gives its colour. */
export function classOf(outcomeOrState) {
  if (["intact", "attested", "time-stamped", "ok"].includes(outcomeOrState)) return "ok";
  return outcomeOrState === "failed" || outcomeOrState === "absent" ? outcomeOrState : "open";
}

/** The headline: an intact entry is not an intact record where none was compared with it. */
export function headlineOf({ outcome, steps }, isOts, changes) {
  if (isOts && outcome === "attested") return TEXTS["outcome.ots"];
  if (outcome === "intact" && changes !== null && !isCompared(steps)) return TEXTS["outcome.intact-part"];
  return TEXTS[outcome === "intact" && !isCompared(steps) ? "outcome.intact-entry" : `outcome.${outcome}`];
}

/** The paragraphs of a verdict on an .ots file. */
export function meaningOfOts(verdict) {
  if (verdict.outcome === "failed") return failedMeaning(verdict);
  return [TEXTS[verdict.outcome === "attested" ? "meaning.ots" : `meaning.${verdict.outcome}`]];
}

/** The paragraphs of a verdict on a receipt: what it means. */
export function meaningOf(verdict) {
  if (verdict.outcome === "failed") return [verdict.meaning, ...failedMeaning(verdict)];
  if (verdict.outcome === "intact") {
    return [intactSentence(verdict), limits(verdict), ...toldLinks(verdict.facts), verdict.facts.proof_of_work];
  }
  if (["attested", "time-stamped"].includes(verdict.outcome)) {
    return [TEXTS[`meaning.${verdict.outcome}`], limits(verdict), ...toldLinks(verdict.facts)];
  }
  return [verdict.meaning, ...nextStep(verdict)];
}

/** What the visitor can do himself: compare the block, where nobody said anything of it. */
function nextStep({ steps, facts }) {
  const isOpen = steps.some(({ number, state }) => number === 12 && state === "not checked");
  if (!isOpen || !facts.anchored_in || facts.network === null) return [];
  return [say("meaning.next", { height: facts.anchored_in.height, network: facts.network })];
}

function failedMeaning({ steps }) {
  const reasons = [...new Set(steps.map(({ reason }) => reason).filter((reason) => reason !== null))];
  return reasons.map((reason) => TEXTS[`reason.${reason}`]);
}

function intactSentence({ facts, steps }) {
  const { sealed_after: after, anchored_in: anchored, network } = facts;
  const values = { after: after.height, height: anchored.height, network, time: blockTime(anchored.time_s) };
  return say(isCompared(steps) ? "meaning.intact" : "meaning.intact-entry", values);
}

/** Whether a record, or content in the receipt, was compared with what was recorded. */
function isCompared(steps) {
  return steps[1].state === "ok";
}

/** What is proved, and what is not: authorship only where a signature was checked. */
function limits({ steps }) {
  return TEXTS[`meaning.limits-${{ ok: "signed", absent: "unsigned" }[steps[2].state] || "unchecked"}`];
}

/** A block's time (seconds, BigInt) as people read it, in UTC. */
function blockTime(timeS) {
  return `${new Date(Number(timeS) * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** The two ends of the time bracket: [{ title, lines }]; none where no block is named, or where something fails. */
export function bracketOf({ outcome, facts, steps }) {
  const { sealed_after: after, anchored_in: anchored, network } = facts;
  if (outcome === "failed" || !after || !anchored) return [];
  const isBelieved = steps.some(({ number, state }) => number === 12 && state === "ok");
  return [
    { title: TEXTS["bracket.after"], lines: [say("bracket.block", { ...after, network }), TEXTS["bracket.log-says"]] },
    {
      title: TEXTS[outcome === "intact" ? "bracket.by" : "bracket.anchored"],
      lines: [
        say("bracket.block", { ...anchored, network }),
        say("bracket.time", { time: blockTime(anchored.time_s) }),
        TEXTS[isBelieved ? "bracket.confirmed" : "bracket.not-confirmed"],
      ],
    },
  ];
}

/** The blocks that a verdict speaks of, as rows of [name, value] to compare with a source that the visitor trusts. */
export function blocksToCompare({ facts }) {
  const { anchored_in: anchored, network } = facts;
  if (anchored) {
    return [
      [TEXTS["compare.network"], network === null ? TEXTS["compare.unknown"] : network],
      [TEXTS["compare.height"], String(anchored.height)],
      [TEXTS["compare.hash"], anchored.block],
      [TEXTS["compare.time"], blockTime(anchored.time_s)],
      [TEXTS["compare.transaction"], anchored.transaction],
    ];
  }
  return (facts.blocks || []).flatMap(({ height, merkle_root: root }) => [
    [TEXTS["compare.height"], String(height)],
    [TEXTS["compare.root"], root],
  ]);
}

/** The facts of a verdict as rows of [name, value]; a fact of several parts has a row for each. */
export function factRows({ facts }) {
  return rowsOf("", facts);
}

function rowsOf(name, value) {
  if (value === null) return [];
  if (typeof value !== "object") return [[name.replaceAll("_", " ").trim(), String(value)]];
  return Object.entries(value).flatMap(([part, item]) => rowsOf(`${name} ${part}`, item));
}

/** A text cut into [piece, whether it is a hash or a key]: these are shown in another type. */
export function piecesOf(text) {
  const pieces = text.split(/([0-9a-f]{40,}(?::[0-9]+)?)/);
  return pieces.map((piece, place) => [piece, place % 2 === 1]).filter(([piece]) => piece);
}

/** JSON with BigInt as integers: a verdict as `--json` prints it. */
export function jsonText(value, space = "") {
  const step = space ? " " : "";
  const end = space ? `\n${space.slice(0, -1)}` : "";
  const begin = space ? `\n${space}` : "";
  const inner = space ? `${space} ` : "";
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) {
    return value.length ? `[${value.map((item) => begin + jsonText(item, inner)).join(",")}${end}]` : "[]";
  }
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, item]) => {
    return `${begin}${JSON.stringify(name)}:${step}${jsonText(item, inner)}`;
  });
  return fields.length ? `{${fields.join(",")}${end}}` : "{}";
}
