// SPDX-License-Identifier: Apache-2.0
// How a verdict is shown: banner, since when, what changed, every step, facts. It is handed what was judged, decides
// nothing, and keeps what it shows last, so that it can be saved.

import { differenceText } from "./comparing.js";
import { disclosureLines } from "./disclosure.js";
import { say, TEXTS } from "./texts.js";
import { blocksToCompare, bracketOf, classOf, factRows, jsonText } from "./wording.js";
import { headlineOf, meaningOf, meaningOfOts, piecesOf } from "./wording.js";

const MARKS = { ok: "\u2713", failed: "\u2717", open: "?", absent: "\u2013" };
// More lines than this nobody reads.
const SHOWN_CHANGES = 100;

let shown = null; // the verdict on the page

export const byId = (id) => document.getElementById(id);

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.append(...piecesOf(text).map(([piece, isCode]) => (isCode ? code(piece) : piece)));
  return made;
}

function code(text) {
  const made = document.createElement("code");
  made.textContent = text;
  return made;
}

/** Say beside an input what was found in its file. */
export function mark(kind, text, isBad) {
  const found = byId(`${kind}-found`);
  found.textContent = text;
  found.classList.toggle("bad", isBad);
  const slot = byId(`${kind}-slot`);
  if (slot !== null) slot.classList.toggle("filled", !isBad);
}

/** Show no verdict. */
export function hideVerdict() {
  byId("verdict").hidden = true;
}

function showBanner(outcome, headline, names, paragraphs) {
  const state = classOf(outcome);
  byId("verdict").hidden = false;
  byId("banner").className = `banner ${state}`;
  byId("banner-mark").textContent = MARKS[state];
  byId("headline").textContent = headline;
  byId("subject").textContent = names.join(" \u00b7 ");
  byId("meaning").replaceChildren(...paragraphs);
  byId("changes").hidden = true;
}

/** What cannot be read: `what` is the finding of it. */
export function showUnreadable({ name, error }, what) {
  shown = { outcome: "failed", exit_code: 1, finding: what, reasons: ["malformed"], error: error.message };
  showNoSteps("failed", [name], [TEXTS[`finding.${what}`], error.message]);
}

/** A mistake of this page itself: whatever it said before does not count. */
export function showMistake(error) {
  shown = { outcome: "not checked", exit_code: 4, reasons: [], error: String(error) };
  showNoSteps("not checked", [], [say("meaning.mistake", { error })]);
}

function showNoSteps(outcome, names, texts) {
  showBanner(outcome, TEXTS[`outcome.${outcome}`], names, texts.map((text) => element("p", "", text)));
  for (const id of ["steps", "facts", "bracket-points"]) byId(id).replaceChildren();
  byId("bracket").hidden = true;
  byId("compare").hidden = true;
}

/** The verdict on a receipt or an .ots file; `told` is what was found with a manifest: { changes, facts } or nulls. */
export function showVerdict(verdict, { withoutBlock, names, isOts, told, hints }) {
  const { changes } = told;
  shown = verdict;
  const texts = [...(isOts ? meaningOfOts(verdict) : meaningOf(verdict)), ...hints];
  const paragraphs = texts.map((text) => element("p", "", text));
  if (verdict.missing.length && verdict.outcome !== "failed") {
    const list = element("ul");
    list.append(...verdict.missing.map((text) => element("li", "", `${text[0].toUpperCase()}${text.slice(1)}.`)));
    const isWhole = verdict.exit_code === 0;
    paragraphs.push(element("p", "", TEXTS[isWhole ? "meaning.not-part" : "meaning.lacking"]), list);
  }
  showBanner(verdict.outcome, headlineOf(verdict, isOts, changes), names, paragraphs);
  showTold(told);
  showBody(verdict, bracketOf(verdict), blocksToCompare(withoutBlock));
}

/** The judgement of evidence: a breach that is shown is no good news, and evidence that fails accuses nobody. */
export function showEvidence({ judgement, steps }, names) {
  const { outcome, text } = judgement;
  shown = judgement;
  const paragraphs = [text, TEXTS[`dispute.meaning-${outcome}`]].map((each) => element("p", "", each));
  showBanner(outcome === "no card" ? "not checked" : "failed", TEXTS[`dispute.${outcome}`], names, paragraphs);
  showBody({ steps, facts: judgement }, [], []);
}

/** The verdict on the proof of a head; `withoutBlock` names the blocks that the visitor can compare himself. */
export function showHead(verdict, withoutBlock, names) {
  const { outcome, says, missing } = verdict;
  shown = verdict;
  const paragraphs = [says, ...missing].map((text) => element("p", "", text));
  const isGood = verdict.exit_code === 0;
  showBanner(isGood ? "intact" : outcome, TEXTS[`head.headline-${outcome}`], names, paragraphs);
  showBody(verdict, [], blocksToCompare(withoutBlock));
}

/** What stands below the banner: each step, the facts, the time bracket, and blocks that the visitor can compare. */
function showBody({ steps, facts }, bracket, blocks) {
  byId("steps").replaceChildren(...steps.map(stepItem));
  showRows("facts", factRows({ facts }));
  showBracket(bracket);
  showRows("compare-facts", blocks);
  byId("compare").hidden = !blocks.length;
}

function stepItem({ number, name, state, text, rests_on: restsOn, reason }) {
  const kind = classOf(state);
  const item = element("li", `state-${kind}`);
  const title = element("span", "name", `${number} ${name}`);
  title.append(element("span", "state", TEXTS[`state.${state}`]));
  const body = element("span", "text");
  if (reason !== null) body.append(element("span", "explained", TEXTS[`reason.${reason}`]));
  body.append(element("span", "", text));
  if (state === "ok") body.append(element("span", "rests", say("steps.rests", { restsOn })));
  if (reason !== null) body.append(element("span", "rests", say("steps.reason", { reason })));
  const sign = element("span", "mark", MARKS[kind]);
  sign.setAttribute("aria-hidden", "true");
  item.append(sign, title, body);
  return item;
}

function showRows(id, rows) {
  byId(id).replaceChildren(
    ...rows.flatMap(([name, value]) => [element("dt", "", name), element("dd", "code", value)]),
  );
}

/** The differences of a folder, one a line; or the rows, or fields, that a proof shows. */
function showTold({ changes, facts }) {
  const isProof = changes === null;
  const lines = isProof ? provedRows(facts) : changedLines(changes);
  byId("changes").hidden = !lines.length;
  byId("changes-title").textContent = TEXTS[isProof ? "changes.proved" : "changes.title"];
  byId("changes-list").replaceChildren(...lines.map((text) => element("li", "", text)));
}

function changedLines({ differences, counts }) {
  const lines = differences.slice(0, SHOWN_CHANGES).map(differenceText);
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return all > lines.length ? [...lines, say("changes.more", { count: all - lines.length })] : lines;
}

function provedRows(facts) {
  if (facts !== null && facts.shown !== undefined) return disclosureLines(facts);
  if (facts === null || facts.rows === undefined) return [];
  return facts.rows.map(({ row, text }) => say("changes.proved-row", { row, text, path: facts.path }));
}

function showBracket(points) {
  byId("bracket").hidden = !points.length;
  byId("bracket-points").replaceChildren(
    ...points.map(({ title, lines }) => {
      const item = element("li");
      item.append(element("strong", "", title), ...lines.map((line) => element("div", "", line)));
      return item;
    }),
  );
}

/** Let the visitor save what is shown, as JSON. */
export function saveVerdict(name) {
  offerToSave(`${jsonText(shown, " ")}\n`, "application/json", `${name}.verdict.json`);
}

/** Let the visitor save a text, or bytes, as a file. */
export function offerToSave(data, type, name) {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([data], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
