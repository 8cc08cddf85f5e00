// SPDX-License-Identifier: Apache-2.0
// The page itself: takes what the visitor chooses, drops or pastes, judges it, and shows the verdict. It keeps nothing
// and sends nothing; explorers.js is the only part that can, and only from `lookUpBlock`.

import { isCertificate, PDF_MAGIC, receiptIn } from "./attached.js";
import { NETWORKS, networkOf } from "./bitcoin.js";
import { DEFAULT_DEPTH, givenBlock, headersFile, MAX_HEADERS_FILE } from "./blocks.js";
import { startsWith, utf8 } from "./bytes.js";
import { decodeEvidence, EVIDENCE_FORMAT, judgeEvidence } from "./dispute.js";
import { chooseSignatureCheck } from "./ed25519.js";
import { Malformed, Refused } from "./errors.js";
import { addressesIn, EXPLORERS, LookUpFailed, lookUp } from "./explorers.js";
import { decodeOts, MAX_OTS_FILE, OTS_MAGIC } from "./opentimestamps.js";
import { judgeOts } from "./ots_verdict.js";
import { CARD_FORMAT, decodeCard, decodeReceipt, MAX_CARD, MAX_RECEIPT, RECEIPT_FORMAT } from "./receipt.js";
import { Sha256 } from "./sha256.js";
import { say, TEXTS } from "./texts.js";
import { judge } from "./verdict.js";
import { blocksToCompare, bracketOf, classOf, factRows, jsonText } from "./wording.js";
import { headlineOf, meaningOf, meaningOfOts, piecesOf } from "./wording.js";

const byId = (id) => document.getElementById(id);
const MARKS = { ok: "\u2713", failed: "\u2717", open: "?", absent: "\u2013" };
const SNIFFED_BYTES = 4096;
// While a file is hashed the page stops now and then, so that it is drawn and can be used.
const PAUSE_EVERY_MS = 50;
const PIECE_BYTES = 2 ** 18;

// How a file that is read as a whole is taken, and how many bytes it may have.
const WHOLE_FILES = {
  receipt: [takeProof, Math.max(MAX_RECEIPT, MAX_OTS_FILE)],
  card: [takeCard, MAX_CARD],
  headers: [takeHeaders, MAX_HEADERS_FILE],
};

// What the visitor brought; everything shown follows from it.
const brought = { proof: null, record: null, card: null, headers: null, explored: null };
let signatureCheck = null;
let shown = null; // the verdict on the page
let turn = 0; // of the judgement that may still write to the page
const choices = { receipt: 0, record: 0, card: 0, headers: 0 }; // what is still read of an earlier one does not count

// --- what the visitor brings

/** Read the receipt, the .ots, the certificate or the evidence that was chosen or pasted. */
function takeProof(data, name) {
  try {
    const [found, proof] = proofIn(data);
    brought.proof = { name, ...proof };
    mark("receipt", say(found, { name }), false);
  } catch (error) {
    brought.proof = { name, error: expected(error) };
    mark("receipt", say("files.not-a-proof", { name }), true);
  }
  brought.explored = null;
  offerExplorers();
}

/** [what to say of it, what it is] of a file that takes the receipt's place, by how it begins. */
function proofIn(data) {
  if (startsWith(data, OTS_MAGIC)) return ["files.found-ots", { ots: decodeOts(data) }];
  if (startsWith(data, PDF_MAGIC)) return ["files.found-certificate", { receipt: decodeReceipt(receiptIn(data)) }];
  if (isOfFormat(formatOf(data), EVIDENCE_FORMAT)) return ["files.found-evidence", { evidence: decodeEvidence(data) }];
  return ["files.found-receipt", { receipt: decodeReceipt(data) }];
}

/** The family of formats that the beginning of a JSON file names, or null. */
function formatOf(start) {
  const text = new TextDecoder("latin1").decode(start.subarray(0, SNIFFED_BYTES));
  const format = /^\s*\{\s*"format"\s*:\s*"([a-z-]+)\//.exec(text);
  return format === null ? null : format[1];
}

function isOfFormat(family, format) {
  return family !== null && format.startsWith(`${family}/`);
}

function takeCard(data, name) {
  try {
    const card = decodeCard(data);
    brought.card = card;
    mark("card", say("files.found-card", { name, origin: card.log.origin, log: card.log.hash }), false);
  } catch (error) {
    brought.card = null;
    mark("card", say("files.bad", { name, error: expected(error).message }), true);
  }
}

function takeHeaders(data, name) {
  try {
    brought.headers = headersFile(data);
    mark("headers", say("files.found-headers", { name, network: brought.headers.network }), false);
  } catch (error) {
    brought.headers = null;
    mark("headers", say("files.bad", { name, error: expected(error).message }), true);
  }
}

/** Hash a file of any size, piece by piece, as long as it is the one that is meant. */
async function takeRecord(file, isMeant) {
  brought.record = null;
  hideVerdict();
  const progress = byId("record-progress");
  progress.hidden = false;
  mark("record", say("files.hashing", { name: file.name }), false);
  let digest;
  try {
    digest = await digestOf(file, (share) => {
      if (isMeant()) progress.value = share;
      return isMeant();
    });
  } finally {
    if (isMeant()) progress.hidden = true;
  }
  if (!isMeant()) return;
  brought.record = { name: file.name, digest };
  mark("record", say("files.found-record", { name: file.name, size: file.size, digest }), false);
}

/** SHA-256 of a file that may be larger than memory; `told` hears how much of it is done, and may end it: null then. */
async function digestOf(file, told = () => true) {
  const hasher = new Sha256();
  let paused = performance.now();
  for await (const piece of piecesOfFile(file)) {
    hasher.update(piece);
    if (performance.now() - paused < PAUSE_EVERY_MS) continue;
    if (!told(hasher.size / file.size)) return null;
    await new Promise((resume) => setTimeout(resume));
    paused = performance.now();
  }
  return hasher.digest();
}

/** The bytes of a file, piece by piece: in one and the same room where the browser can, so that none is left behind. */
async function* piecesOfFile(file) {
  const { reader, isReused } = readerOf(file.stream());
  let room = new ArrayBuffer(PIECE_BYTES);
  for (;;) {
    const { done, value } = await (isReused ? reader.read(new Uint8Array(room)) : reader.read());
    if (done) return;
    yield value;
    if (isReused) room = value.buffer;
  }
}

function readerOf(stream) {
  try {
    return { reader: stream.getReader({ mode: "byob" }), isReused: true };
  } catch {
    return { reader: stream.getReader(), isReused: false };
  }
}

/** What a failure of reading may be; anything else is a mistake of this page and must be seen. */
function expected(error) {
  if (error instanceof Malformed || error instanceof Refused) return error;
  throw error;
}

async function bytesOf(file, most) {
  // One byte more than can be right is enough to refuse it.
  return new Uint8Array(await file.slice(0, most + 1).arrayBuffer());
}

/** Which of the inputs a dropped file is for, by how it begins. */
async function kindOf(file) {
  const start = new Uint8Array(await file.slice(0, SNIFFED_BYTES).arrayBuffer());
  if (startsWith(start, OTS_MAGIC)) return "receipt";
  if (startsWith(start, PDF_MAGIC)) return isCertificate(await bytesOf(file, MAX_RECEIPT)) ? "receipt" : "record";
  const family = formatOf(start);
  if ([RECEIPT_FORMAT, EVIDENCE_FORMAT].some((format) => isOfFormat(family, format))) return "receipt";
  if (isOfFormat(family, CARD_FORMAT)) return "card";
  const text = new TextDecoder("latin1").decode(start);
  return /^[a-z0-9]+ [0-9]+\n[0-9a-f]{160}\n/.test(text) ? "headers" : "record";
}

/** Take a file for one of the inputs; one that cannot be read is named, and nothing counts in its place. */
async function takeFile(kind, file) {
  const mine = ++choices[kind];
  const isMeant = () => mine === choices[kind];
  try {
    if (kind === "record") await takeRecord(file, isMeant);
    else await takeWhole(kind, file, isMeant);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    if (!isMeant()) return;
    brought[kind === "receipt" ? "proof" : kind] = null;
    mark(kind, say("files.unreadable", { name: file.name }), true);
  }
  if (isMeant()) await refresh();
}

async function takeWhole(kind, file, isMeant) {
  const [take, most] = WHOLE_FILES[kind];
  const data = await bytesOf(file, most);
  if (isMeant()) take(data, file.name);
}

/** Take a file that was dropped; what cannot be read, as a folder, is named as a record. */
async function takeDropped(file) {
  let kind = "record";
  try {
    kind = await kindOf(file);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
  await takeFile(kind, file);
}

function mark(kind, text, isBad) {
  const found = byId(`${kind}-found`);
  found.textContent = text;
  found.classList.toggle("bad", isBad);
  const slot = byId(`${kind}-slot`);
  if (slot !== null) slot.classList.toggle("filled", !isBad);
}

// --- judging

/** The view of the block that the visitor wrote, if any: the whole name, or the hash alone of the receipt's block. */
function writtenBlock(withoutBlock) {
  const text = byId("block").value.trim();
  const error = byId("block-error");
  error.textContent = "";
  if (!text) return [];
  const { network } = withoutBlock.facts;
  const anchored = anchorMeant(withoutBlock);
  const isHash = /^[0-9a-fA-F]{64}$/.test(text);
  if (isHash && (anchored === undefined || !network)) {
    error.textContent = TEXTS["block.no-height"];
    return [];
  }
  try {
    const last = text.lastIndexOf(":") + 1;
    const name = text.slice(0, last) + text.slice(last).toLowerCase();
    return [givenBlock(isHash ? `${network}:${anchored.height}:${name}` : name)];
  } catch (failure) {
    error.textContent = expected(failure).message;
    return [];
  }
}

/** The anchor whose block a bare hash means: that of the verdict, or the first where none gets so far. */
function anchorMeant({ facts }) {
  const { receipt } = brought.proof;
  if (facts.anchored_in) return facts.anchored_in;
  return receipt && receipt.sealed ? receipt.sealed.anchors.find(({ kind }) => kind === "bitcoin") : undefined;
}

function depthWanted() {
  const value = Math.floor(Number(byId("depth").value));
  return value >= 1 && value <= 1000 ? BigInt(value) : DEFAULT_DEPTH;
}

/** What the visitor brings, as verdict.js wants it. */
function verifierWith(views, check) {
  return {
    contentDigest: brought.record === null ? null : brought.record.digest,
    card: brought.card,
    anyLog: byId("any-log").checked,
    views,
    depth: depthWanted(),
    check,
  };
}

/** The page's check of signatures, chosen once. */
async function signatureChecker() {
  if (signatureCheck === null) signatureCheck = (await chooseSignatureCheck()).check;
  return signatureCheck;
}

async function judged(views) {
  const { receipt, ots } = brought.proof;
  if (ots !== undefined) return judgeOts(ots, verifierWith(views, null), byId("ots-network").value);
  return judge(receipt, verifierWith(views, await signatureChecker()));
}

/** No verdict is shown while what it spoke of is being replaced. */
function hideVerdict() {
  turn++;
  byId("verdict").hidden = true;
}

/** Judge what is there and show it, once it is all read; a later change overtakes an earlier judgement. */
async function refresh() {
  const mine = ++turn;
  if (brought.proof === null || !byId("record-progress").hidden) {
    hideVerdict();
    return;
  }
  if (brought.proof.error !== undefined) {
    byId("verdict").hidden = false;
    showUnreadable(brought.proof);
    return;
  }
  if (brought.proof.evidence !== undefined) {
    const found = await judgeEvidence(brought.proof.evidence, brought.card, await signatureChecker());
    if (mine !== turn) return;
    byId("verdict").hidden = false;
    showEvidence(found);
    return;
  }
  const withoutBlock = await judged([]);
  if (mine !== turn) return;
  const views = writtenBlock(withoutBlock);
  if (brought.headers !== null) views.push(brought.headers);
  if (brought.explored !== null) views.push(brought.explored);
  const verdict = views.length ? await judged(views) : withoutBlock;
  if (mine !== turn) return;
  byId("verdict").hidden = false;
  show(verdict, withoutBlock);
}

// --- showing

function element(name, className, text) {
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

function showBanner(outcome, headline, paragraphs) {
  const state = classOf(outcome);
  byId("banner").className = `banner ${state}`;
  byId("banner-mark").textContent = MARKS[state];
  byId("headline").textContent = headline;
  const names = [brought.record, brought.proof].filter((each) => each !== null).map(({ name }) => name);
  byId("subject").textContent = names.join(" \u00b7 ");
  byId("meaning").replaceChildren(...paragraphs);
}

function showUnreadable({ error }) {
  shown = { outcome: "failed", exit_code: 1, finding: "not-a-receipt", reasons: ["malformed"], error: error.message };
  showNoSteps("failed", [TEXTS["reason.malformed"], error.message]);
}

/** A mistake of this page itself: whatever it said before does not count. */
function showMistake(error) {
  turn++;
  shown = { outcome: "not checked", exit_code: 4, reasons: [], error: String(error) };
  byId("verdict").hidden = false;
  showNoSteps("not checked", [say("meaning.mistake", { error })]);
}

function showNoSteps(outcome, texts) {
  showBanner(outcome, TEXTS[`outcome.${outcome}`], texts.map((text) => element("p", "", text)));
  for (const id of ["steps", "facts", "bracket-points"]) byId(id).replaceChildren();
  byId("bracket").hidden = true;
  byId("compare").hidden = true;
}

function show(verdict, withoutBlock) {
  shown = verdict;
  const isOts = brought.proof.ots !== undefined;
  const paragraphs = (isOts ? meaningOfOts(verdict) : meaningOf(verdict)).map((text) => element("p", "", text));
  if (verdict.missing.length && verdict.outcome !== "failed") {
    const list = element("ul");
    list.append(...verdict.missing.map((text) => element("li", "", `${text[0].toUpperCase()}${text.slice(1)}.`)));
    const isWhole = verdict.exit_code === 0;
    paragraphs.push(element("p", "", TEXTS[isWhole ? "meaning.not-part" : "meaning.lacking"]), list);
  }
  showBanner(verdict.outcome, headlineOf(verdict, isOts), paragraphs);
  byId("steps").replaceChildren(...verdict.steps.map(stepItem));
  showRows("facts", factRows(verdict));
  showBracket(bracketOf(verdict));
  const blocks = blocksToCompare(withoutBlock);
  showRows("compare-facts", blocks);
  byId("compare").hidden = !blocks.length;
}

/** The judgement of evidence: a breach that is shown is no good news, and evidence that fails accuses nobody. */
function showEvidence({ judgement, steps }) {
  const { outcome, text } = judgement;
  shown = judgement;
  const paragraphs = [text, TEXTS[`dispute.meaning-${outcome}`]].map((each) => element("p", "", each));
  showBanner(outcome === "no card" ? "not checked" : "failed", TEXTS[`dispute.${outcome}`], paragraphs);
  byId("steps").replaceChildren(...steps.map(stepItem));
  showRows("facts", factRows({ facts: judgement }));
  showBracket([]);
  byId("compare").hidden = true;
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

// --- explorers, asked only with the visitor's consent

/** The block to ask for: { network, height } of the receipt's anchor, or of the first attestation. */
async function blockToAsk() {
  const { proof } = brought;
  if (proof === null || proof.error !== undefined || proof.evidence !== undefined) return null;
  const { facts } = await judged([]);
  if (proof.ots !== undefined) {
    const [block] = facts.blocks;
    return block === undefined ? null : { network: byId("ots-network").value, height: block.height };
  }
  if (facts.anchored_in && facts.network !== null) return { network: facts.network, height: facts.anchored_in.height };
  return null;
}

/** Offer the explorers of the network that is meant; none is ticked. */
function offerExplorers() {
  const { proof } = brought;
  const rules = proof !== null && proof.receipt !== undefined ? networkOf(proof.receipt.log) : null;
  const choice = byId("ots-network");
  choice.disabled = proof === null || proof.ots === undefined;
  if (rules !== null) choice.value = rules.name;
  const boxes = EXPLORERS[choice.value].map(([name, address]) => {
    const label = element("label", "choice");
    const box = element("input");
    box.type = "checkbox";
    box.value = address;
    label.append(box, element("span", "", `${name} (${address})`));
    return label;
  });
  byId("explorer-choices").replaceChildren(...boxes);
}

async function lookUpBlock() {
  const status = byId("explorers-status");
  const { proof } = brought;
  if (!byId("consent").checked) {
    status.textContent = TEXTS["explorers.no-consent"];
    return;
  }
  const wanted = await blockToAsk();
  if (wanted === null) {
    status.textContent = TEXTS["explorers.no-block"];
    return;
  }
  status.textContent = say("explorers.asking", wanted);
  let explored = null;
  try {
    const ticked = [...byId("explorer-choices").querySelectorAll("input:checked")].map(({ value }) => value);
    const addresses = [...ticked, ...addressesIn(byId("own-explorers").value)];
    explored = await lookUp(addresses, NETWORKS.get(wanted.network), wanted.height);
    status.textContent = say("explorers.agree", { ...wanted, believed: explored.believed });
  } catch (error) {
    if (!(error instanceof LookUpFailed)) throw error;
    status.textContent = error.message;
  }
  if (proof !== brought.proof) return; // the answer is to a question about another receipt
  brought.explored = explored;
  await refresh();
}

// --- the page's parts

function saveVerdict() {
  const link = element("a");
  const text = `${jsonText(shown, " ")}\n`;
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `${brought.proof.name}.verdict.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function listenToFiles() {
  for (const kind of ["receipt", "record", "card", "headers"]) {
    byId(`${kind}-file`).addEventListener("change", ({ target }) => {
      if (target.files.length) takeFile(kind, target.files[0]);
    });
  }
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const files = [...event.dataTransfer.files];
    for (const file of files) await takeDropped(file);
  });
}

function begin() {
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = TEXTS[each.dataset.text];
  byId("ots-network").append(...[...NETWORKS.keys()].map((name) => new Option(name, name)));
  byId("ots-network").addEventListener("change", () => {
    brought.explored = null;
    offerExplorers();
    refresh();
  });
  window.addEventListener("error", ({ error }) => showMistake(error));
  window.addEventListener("unhandledrejection", ({ reason }) => showMistake(reason));
  listenToFiles();
  byId("pasted").addEventListener("input", ({ target }) => {
    if (!target.value.trim()) return;
    choices.receipt++;
    takeProof(utf8(target.value), TEXTS["paste.name"]);
    refresh();
  });
  for (const id of ["block", "depth"]) byId(id).addEventListener("input", refresh);
  byId("any-log").addEventListener("change", refresh);
  byId("look-up").addEventListener("click", lookUpBlock);
  byId("print").addEventListener("click", () => print());
  byId("save").addEventListener("click", saveVerdict);
  offerExplorers();
}

begin();
