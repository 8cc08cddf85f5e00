// SPDX-License-Identifier: Apache-2.0
// The page itself: takes what the visitor chooses, drops or pastes, judges it, and shows the verdict. It keeps nothing
// and sends nothing; explorers.js is the only part that can, and only from `lookUpBlock`.

import { isCertificate, PDF_MAGIC, receiptIn } from "./attached.js";
import { NETWORKS, networkOf } from "./bitcoin.js";
import { DEFAULT_DEPTH, givenBlock, headersFile, MAX_HEADERS_FILE } from "./blocks.js";
import { startsWith, toHex, utf8 } from "./bytes.js";
import { certificatesIn, MAX_PEM } from "./certificates.js";
import { compareWithList } from "./comparing.js";
import { decodeDisclosure, DISCLOSURE_FORMAT, disclosureFacts, disclosureStep } from "./disclosure.js";
import { FIELDS_MEDIA_TYPE, MAX_DISCLOSURE } from "./disclosure.js";
import { decodeEvidence, EVIDENCE_FORMAT, judgeEvidence } from "./dispute.js";
import { decodeHeadProof, HEAD_PROOF_FORMAT, judgeHead } from "./head_proof.js";
import { chooseSignatureCheck } from "./ed25519.js";
import { extensionOf } from "./entry.js";
import { ENVELOPE_EXTENSION, ENVELOPE_MAGIC, MAX_ENVELOPE } from "./envelope.js";
import { expected, Malformed } from "./errors.js";
import { decodeIdentityCard, expectedAuthor, IDENTITY_CARD_FORMAT, MAX_IDENTITY_CARD } from "./expected_author.js";
import { addressesIn, EXPLORERS, LookUpFailed, lookUp } from "./explorers.js";
import { bytesOf, chosenFolder, digestOf, dropped, pacing, Stopped } from "./files.js";
import { MANIFEST_MEDIA_TYPE } from "./manifest.js";
import { folderStep, proofFacts, proofStep } from "./manifest_judging.js";
import { isList, readList } from "./manifest_list.js";
import { decodeManifestProof, MAX_PROOF, PROOF_FORMAT } from "./manifest_proof.js";
import { decodeNetworks, isNetworksFile, MAX_NETWORKS_FILE } from "./networks.js";
import { decodeOts, MAX_OTS_FILE, OTS_MAGIC } from "./opentimestamps.js";
import { forgetOpened, openedFor, saveContent, takeEnvelope, takeReaderKey, unlock } from "./opening.js";
import { judgeOts } from "./ots_verdict.js";
import { CARD_FORMAT, decodeCard, decodeReceipt, MAX_CARD, MAX_RECEIPT, RECEIPT_FORMAT } from "./receipt.js";
import { MAX_READER_KEY, READER_KEY_FORMAT } from "./reader_key.js";
import { listsIn, MAX_LISTS } from "./revocations.js";
import { byId, element, hideVerdict, mark, saveVerdict, showEvidence, showHead, showMistake } from "./showing.js";
import { showUnreadable, showVerdict } from "./showing.js";
import { counted, say, TEXTS } from "./texts.js";
import { judge } from "./verdict.js";

const SNIFFED_BYTES = 4096;
// Proofs of a log's anchors, which a mirror has: known by name, so that it can be said what reads them.
const THREAD_FORMAT = "anchorline-thread-proofs/1";

// How a file that is read as a whole is taken, and how many bytes it may have.
const WHOLE_FILES = {
  receipt: [takeProof, Math.max(MAX_RECEIPT, MAX_OTS_FILE)],
  card: [takeCard, MAX_CARD],
  headers: [takeHeaders, MAX_HEADERS_FILE],
  networks: [takeNetworks, MAX_NETWORKS_FILE],
  certificates: [(data, name) => takeCertificates(data, name, "certificates"), MAX_PEM],
  authorities: [(data, name) => takeCertificates(data, name, "authorities"), MAX_PEM],
  lists: [takeLists, MAX_LISTS],
  author: [takeIdentityCard, MAX_IDENTITY_CARD],
  envelope: [takeEnvelope, MAX_ENVELOPE],
  reader: [takeReaderKey, MAX_READER_KEY],
};
/** Inputs of a single file each; the record is one file, several, or a folder. */
const OF_TRUST = ["card", "headers", "networks", "certificates", "authorities", "lists", "author"];
const KINDS = ["receipt", ...OF_TRUST, "manifest", "envelope", "reader"];

// What the visitor brought; everything shown follows from it.
const brought = {
  proof: null,
  record: null,
  card: null,
  headers: null,
  manifest: null,
  explored: null,
  author: null, // who must have signed
  certificates: null, // of time-stamping authorities
  authorities: null, // certificates of those who say whose identity it is
  lists: null, // of certificates that were revoked
  networks: NETWORKS, // those that are known by name: the built-in ones, and what a file adds
};
// What came of the comparison of a folder with its list: { record, manifest, found }, found null where it was stopped.
let compared = null;
let signatureCheck = null;
let turn = 0; // of the judgement that may still write to the page
// What is still read of an earlier choice does not count.
const choices = Object.fromEntries([...KINDS, "record"].map((kind) => [kind, 0]));
const readings = new Set(); // what is being read piece by piece

// --- what the visitor brings

/** Read the receipt, the .ots, the certificate or the evidence that was chosen or pasted. */
function takeProof(data, name) {
  forgetOpened();
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
  const family = formatOf(data);
  if (isOfFormat(family, EVIDENCE_FORMAT)) return ["files.found-evidence", { evidence: decodeEvidence(data) }];
  if (isOfFormat(family, HEAD_PROOF_FORMAT)) return ["files.found-head", { head: decodeHeadProof(data) }];
  if (isOfFormat(family, THREAD_FORMAT)) throw new Malformed("files.thread");
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
    markBad("card", name, error);
  }
}

function takeHeaders(data, name) {
  try {
    brought.headers = { data, name, view: headersFile(data, brought.networks) };
    mark("headers", say("files.found-headers", { name, network: brought.headers.view.network }), false);
  } catch (error) {
    brought.headers = { data, name, view: null };
    markBad("headers", name, error);
  }
}

/** Expect the identity of a card as the author: its id is then written on the page, for everybody to see. */
function takeIdentityCard(data, name) {
  try {
    const { identity, names } = decodeIdentityCard(data);
    byId("author").value = toHex(identity);
    byId("author-slot").open = true;
    const called = names.length ? say("3.names", { names: names.join(" and ") }) : "";
    mark("author", say("files.found-author", { name, identity, names: called.replace(/,$/, "") }), false);
  } catch (error) {
    byId("author").value = "";
    markBad("author", name, error);
  }
}

/** Know the networks of a file beside the built-in ones. */
function takeNetworks(data, name) {
  let found = NETWORKS;
  try {
    found = decodeNetworks(data);
    const added = [...found.keys()].slice(NETWORKS.size).join(", ");
    mark("networks", say("files.found-networks", { name, networks: added }), false);
  } catch (error) {
    markBad("networks", name, error);
  }
  knowNetworks(found);
}

/** Know these networks; headers that were brought before are read anew. */
function knowNetworks(found) {
  brought.networks = found;
  offerNetworks();
  if (brought.headers !== null) takeHeaders(brought.headers.data, brought.headers.name);
}

/** Trust the certificates of a file to tell the time, or to say whose identity it is. */
async function takeCertificates(data, name, kind) {
  try {
    brought[kind] = await certificatesIn(data);
    const certificates = counted(brought[kind].length, "certificates");
    mark(kind, say("files.found-certificates", { name, certificates }), false);
  } catch (error) {
    brought[kind] = null;
    markBad(kind, name, error);
  }
}

/** Take the file of revocation lists. */
function takeLists(data, name) {
  try {
    brought.lists = listsIn(data);
    mark("lists", say("files.found-lists", { name, lists: counted(brought.lists.length, "lists") }), false);
  } catch (error) {
    brought.lists = null;
    markBad("lists", name, error);
  }
}

/** Offer the networks that an .ots file may be of. */
function offerNetworks() {
  brought.explored = null;
  byId("ots-network").replaceChildren(...[...brought.networks.keys()].map((name) => new Option(name, name)));
  offerExplorers();
}

/** Hash a file of any size, piece by piece, as long as it is the one that is meant. */
async function takeRecord(file, isMeant) {
  brought.record = null;
  mark("record", say("files.hashing", { name: file.name }), false);
  const digest = await readingLong(file.size, isMeant, (advance) => digestOf(file, advance));
  const { name, size } = file;
  brought.record = { name, size: BigInt(size), digest, held: { items: [{ path: name, file }], isLoose: true } };
  mark("record", say("files.found-record", { name, size, digest }), false);
}

/** Take a folder, or several files of one; they are read once there is a list to compare them with. */
function takeFolder(name, held) {
  choices.record++;
  showReading();
  brought.record = { name, digest: null, held };
  mark("record", say("files.found-folder", { name, files: counted(held.items.length, "files") }), false);
  return compareAndRefresh();
}

/** Read the list of a manifest, the proof of a part of one, or a disclosure, which may have the receipt in it. */
async function takeManifest(file, isMeant) {
  brought.manifest = null;
  const { name } = file;
  const start = await bytesOf(file, SNIFFED_BYTES);
  try {
    if (isList(start)) {
      mark("manifest", say("files.hashing", { name }), false);
      const list = await readingLong(file.size, isMeant, (advance) => readList(file, advance));
      brought.manifest = { name, list, file };
      const listed = { name, files: counted(list.document.files, "files"), size: list.document.size };
      mark("manifest", say("files.found-list", listed), false);
    } else if (isOfFormat(formatOf(start), DISCLOSURE_FORMAT)) {
      const disclosure = decodeDisclosure(await bytesOf(file, MAX_DISCLOSURE));
      if (!isMeant()) return;
      brought.manifest = { name, disclosure };
      const { shown, document } = disclosure;
      mark("manifest", say("files.found-disclosure", { name, shown: shown.length, fields: document.fields }), false);
      if (disclosure.receipt !== null) takeProof(disclosure.receipt, name);
    } else {
      const proof = decodeManifestProof(await bytesOf(file, MAX_PROOF));
      if (!isMeant()) return;
      brought.manifest = { name, proof };
      mark("manifest", say("files.found-proof", { name, path: proof.leaf.path }), false);
    }
  } catch (error) {
    brought.manifest = { name, error: expected(error) };
    markBad("manifest", name, error);
  }
}

/** Do what reads `total` bytes, with its progress shown; Stopped where the visitor stops it or means another file. */
async function readingLong(total, isMeant, work) {
  const mine = { isMeant };
  const goesOn = (share) => {
    const isRunning = readings.has(mine) && isMeant();
    if (isRunning) byId("record-progress").value = share;
    return isRunning;
  };
  readings.add(mine);
  turn++;
  hideVerdict();
  byId("record-progress").value = 0;
  showReading();
  try {
    const made = await work(pacing(total, goesOn));
    if (!readings.has(mine) || !isMeant()) throw new Stopped();
    return made;
  } finally {
    readings.delete(mine);
    showReading();
  }
}

function showReading() {
  for (const id of ["record-progress", "record-stop"]) byId(id).hidden = !isReading();
}

/** Whether something is read that still counts. */
function isReading() {
  return [...readings].some(({ isMeant }) => isMeant());
}

/** The visitor stops what is being read. */
function stopReading() {
  readings.clear();
  showReading();
}

/** Which of the inputs a dropped file is for, by how it begins. */
async function kindOf(file) {
  const start = new Uint8Array(await file.slice(0, SNIFFED_BYTES).arrayBuffer());
  if (startsWith(start, OTS_MAGIC)) return "receipt";
  if (startsWith(start, ENVELOPE_MAGIC)) return "envelope";
  if (isList(start)) return "manifest";
  if (startsWith(start, PDF_MAGIC)) return isCertificate(await bytesOf(file, MAX_RECEIPT)) ? "receipt" : "record";
  const family = formatOf(start);
  if ([RECEIPT_FORMAT, EVIDENCE_FORMAT, HEAD_PROOF_FORMAT, THREAD_FORMAT].some((format) => isOfFormat(family, format))) return "receipt";
  if (isOfFormat(family, CARD_FORMAT)) return "card";
  if (isOfFormat(family, IDENTITY_CARD_FORMAT)) return "author";
  if (isOfFormat(family, READER_KEY_FORMAT)) return "reader";
  if ([PROOF_FORMAT, DISCLOSURE_FORMAT].some((format) => isOfFormat(family, format))) return "manifest";
  const text = new TextDecoder("latin1").decode(start);
  if (text.includes("-----BEGIN X509 CRL-----") || file.name.endsWith(".crl")) return "lists";
  if (text.includes("-----BEGIN CERTIFICATE-----")) return needsAuthorities() ? "authorities" : "certificates";
  if (isNetworksFile(text)) return "networks";
  return /^[a-z0-9-]+ [0-9]+\n[0-9a-f]{160}\n/.test(text) ? "headers" : "record";
}

/** Whether certificates are more likely for the author of the receipt at hand than for its time stamps. */
function needsAuthorities() {
  const receipt = brought.proof === null ? undefined : brought.proof.receipt;
  if (receipt === undefined || receipt.sealed === null) return false;
  const { anchors, evidence } = receipt.sealed;
  return evidence.some((item) => item.get("type") === "certificates") && !anchors.some(({ kind }) => kind === "rfc3161");
}

/** Take a file for one of the inputs; one that cannot be read is named, and nothing counts in its place. */
async function takeFile(chosen, file) {
  const first = ++choices[chosen]; // before anything is read of it: a later choice takes its place
  const kind = chosen === "receipt" && (await isDisclosure(file)) ? "manifest" : chosen;
  if (first !== choices[chosen]) return;
  const mine = kind === chosen ? first : ++choices[kind];
  const isMeant = () => mine === choices[kind];
  try {
    if (kind === "record") await takeRecord(file, isMeant);
    else if (kind === "manifest") await takeManifest(file, isMeant);
    else await takeWhole(kind, file, isMeant);
  } catch (error) {
    if (!(error instanceof DOMException || error instanceof Stopped)) throw error;
    if (!isMeant()) return;
    if (kind === "networks") knowNetworks(NETWORKS);
    else brought[kind === "receipt" ? "proof" : kind] = null;
    mark(kind, say(error instanceof Stopped ? "files.stopped" : "files.unreadable", { name: file.name }), true);
  }
  if (isMeant()) await compareAndRefresh();
}

/** Whether a file that was chosen as the receipt is a disclosure, which may have one in it. */
async function isDisclosure(file) {
  try {
    return isOfFormat(formatOf(await bytesOf(file, SNIFFED_BYTES)), DISCLOSURE_FORMAT);
  } catch (error) {
    if (error instanceof DOMException) return false; // what reads it next says so
    throw error;
  }
}

async function takeWhole(kind, file, isMeant) {
  const [take, most] = WHOLE_FILES[kind];
  const data = await bytesOf(file, most);
  if (isMeant()) await take(data, file.name);
}

/** Take files that were chosen as the record: one of them is the record itself, several are files of a folder. */
async function takeRecords(files) {
  if (files.length === 1) return takeFile("record", files[0]);
  const items = files.map((file) => ({ path: file.name, file }));
  return takeFolder(say("files.several", { count: files.length }), { items, isLoose: true });
}

/** Take what was dropped, each file for its input; what cannot be read, is named as a record. */
async function takeDropped(transfer) {
  const { files, folders, unread } = await dropped(transfer);
  const records = [];
  for (const file of files) {
    let kind = "record";
    try {
      kind = await kindOf(file);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
    if (kind === "record") records.push(file);
    else await takeFile(kind, file);
  }
  if (unread !== null) mark("record", say("files.unreadable-folder", { name: unread }), true);
  if (folders.length) await takeFolder(folders[0].name, folders[0]);
  else if (records.length) await takeRecords(records);
}

/** Say why a file is not taken; what is no failure of reading is thrown on. */
function markBad(kind, name, error) {
  mark(kind, say("files.bad", { name, error: expected(error).message }), true);
}

// --- judging

/** Compare the folder with the list, where both are there and it is not done yet; then judge. */
async function compareAndRefresh() {
  const { record, manifest } = brought;
  const isNew = compared === null || compared.record !== record || compared.manifest !== manifest;
  if (record !== null && manifest !== null && manifest.list !== undefined && isNew) {
    compared = { record, manifest, found: null };
    const total = record.held.items.reduce((sum, { file }) => sum + (file === null ? 0 : file.size), 0);
    const isMeant = () => brought.record === record && brought.manifest === manifest;
    const compare = (advance) => compareWithList(manifest.file, record.held, advance);
    try {
      compared.found = await readingLong(total, isMeant, compare);
    } catch (error) {
      if (!(error instanceof DOMException || error instanceof Stopped)) throw error;
      if (error instanceof DOMException) mark("record", say("files.unreadable", { name: record.name }), true);
    }
    if (!isMeant()) return;
  }
  await refresh();
}

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
    return [givenBlock(isHash ? `${network}:${anchored.height}:${name}` : name, brought.networks)];
  } catch (failure) {
    error.textContent = expected(failure).message;
    return [];
  }
}

/** The anchor whose block a bare hash means: that of the verdict, or the first where none gets so far. */
function anchorMeant({ facts }) {
  const { receipt, head } = brought.proof;
  if (facts.anchored_in) return facts.anchored_in;
  const { sealed = null } = receipt ?? head ?? {};
  return sealed !== null ? sealed.anchors.find(({ kind }) => kind === "bitcoin") : undefined;
}

function depthWanted() {
  const value = Math.floor(Number(byId("depth").value));
  return value >= 1 && value <= 1000 ? BigInt(value) : DEFAULT_DEPTH;
}

/** What the visitor brings, as verdict.js wants it. */
function verifierWith(views, check, { told, opened }) {
  const given = { card: brought.card, anyLog: byId("any-log").checked, views, depth: depthWanted(), check, networks: brought.networks };
  const stamps = { trusted: brought.certificates, acceptTimestamp: byId("accept-timestamp").checked };
  const { author, authorities, lists } = brought;
  return { ...given, ...stamps, ...contentBrought(told, opened), author, authorities, lists };
}

/** The digest that the content must have, and what says more than it where a manifest leads to it. */
function contentBrought(told, opened) {
  const { record, manifest } = brought;
  const openedDigest = opened === null ? null : opened.digest;
  const recordDigest = record === null ? openedDigest : record.digest;
  if (manifest === null || brought.proof.receipt === undefined) return { contentDigest: recordDigest };
  if (manifest.proof !== undefined) {
    const atHand = recordDigest === null ? null : record;
    const { proof } = manifest;
    return { contentDigest: proof.documentDigest, judgeContent: () => proofJudged(proof, atHand, told) };
  }
  if (manifest.disclosure !== undefined) {
    const { disclosure } = manifest;
    const judgeContent = () => disclosureJudged(disclosure, record !== null, told);
    return { contentDigest: disclosure.documentDigest, judgeContent };
  }
  if (compared === null) return { contentDigest: null };
  return { contentDigest: manifest.list.digest, judgeContent: () => folderJudged(manifest.list, record, told) };
}

function proofJudged(proof, record, told) {
  const step = proofStep(proof, record);
  told.facts = proofFacts(proof);
  return step;
}

function disclosureJudged(disclosure, isFileAtHand, told) {
  const step = disclosureStep(disclosure, isFileAtHand);
  told.facts = disclosureFacts(disclosure);
  return step;
}

function folderJudged({ document }, record, told) {
  const { found } = compared;
  if (found !== null) Object.assign(told, { changes: found, facts: found.facts() });
  return folderStep(found, document, record.digest !== null);
}

/** What a visitor who holds the receipt of encrypted content, a folder, or the fields of a document should bring. */
function hintsFor({ steps }, opened) {
  const { proof: { receipt }, record, manifest } = brought;
  if (isClosed(receipt) && opened === null) return [TEXTS["meaning.encrypted"]];
  const mediaType = receipt === undefined ? "" : receipt.entry.mediaType;
  if (mediaType === FIELDS_MEDIA_TYPE) return manifest === null && record === null ? [TEXTS["meaning.fields"]] : [];
  if (mediaType !== MANIFEST_MEDIA_TYPE) return [];
  if (manifest !== null && (record !== null || manifest.proof !== undefined)) return [];
  const isDocument = record !== null && steps[1].state === "ok";
  return isDocument ? [] : [TEXTS["meaning.folder"]];
}

/** Whether the content is encrypted, and the receipt does not show it. */
function isClosed(receipt) {
  if (receipt === undefined || receipt.content.state !== "withheld") return false;
  return extensionOf(receipt.entry, ENVELOPE_EXTENSION) !== null;
}

/** The page's check of signatures, chosen once. */
async function signatureChecker() {
  if (signatureCheck === null) signatureCheck = (await chooseSignatureCheck()).check;
  return signatureCheck;
}

/**
 * The verdict with these blocks. `told` gets what was found with a manifest, where the verdict speaks of it; `opened` is
 * what was in the envelope: then the receipt is judged as one that shows salt and digest, with the content beside it.
 */
async function judged(views, { told = {}, opened = null } = {}) {
  const { receipt, ots, head } = brought.proof;
  const rest = { told, opened };
  if (head !== undefined) return judgeHead(head, verifierWith(views, await signatureChecker(), rest));
  if (ots !== undefined) return judgeOts(ots, verifierWith(views, null, rest), byId("ots-network").value);
  const { salt, digest } = opened === null ? {} : opened;
  const whole = opened === null ? receipt : { ...receipt, content: { state: "shown", salt, digest, data: null } };
  return judge(whole, verifierWith(views, await signatureChecker(), rest));
}

/** Read whom the visitor expects; false where that cannot be read or asked: then there is nothing to judge by. */
function knowAuthor() {
  const text = byId("author").value.trim();
  byId("author-error").textContent = "";
  brought.author = null;
  try {
    if (text && brought.proof.ots !== undefined) throw new Malformed("author.ots");
    brought.author = text ? expectedAuthor(text) : null;
    return true;
  } catch (error) {
    byId("author-error").textContent = expected(error).message;
    return false;
  }
}

/** Judge what is there and show it, once it is all read; a later change overtakes an earlier judgement. */
async function refresh() {
  const mine = ++turn;
  const { proof, manifest } = brought;
  if (proof === null || isReading()) return hideVerdict();
  if (proof.error !== undefined) return showUnreadable(proof, "not-a-receipt");
  const names = [brought.record, proof].filter((each) => each !== null).map(({ name }) => name);
  if (proof.evidence !== undefined) {
    const found = await judgeEvidence(proof.evidence, brought.card, await signatureChecker());
    return mine === turn ? showEvidence(found, names) : undefined;
  }
  if (!knowAuthor()) return hideVerdict();
  if (manifest !== null && manifest.error !== undefined) return showUnreadable(manifest, "part-unreadable");
  const opened = await openedFor(proof.receipt);
  if (mine !== turn) return undefined;
  const told = { changes: null, facts: null };
  const withoutBlock = await judged([], { told, opened });
  if (mine !== turn) return undefined;
  const views = writtenBlock(withoutBlock);
  if (brought.headers !== null && brought.headers.view !== null) views.push(brought.headers.view);
  if (brought.explored !== null) views.push(brought.explored);
  const verdict = views.length ? await judged(views, { told, opened }) : withoutBlock;
  if (mine !== turn) return undefined;
  if (proof.head !== undefined) return showHead(verdict, withoutBlock, names);
  const called = manifest !== null && manifest.disclosure !== undefined ? "disclosure" : "manifest";
  const whole = told.facts === null ? verdict : { ...verdict, [called]: told.facts };
  return showVerdict(whole, { withoutBlock, names, isOts: proof.ots !== undefined, told, hints: hintsFor(verdict, opened) });
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
  const { log = null } = proof === null ? {} : proof.receipt ?? proof.head ?? {};
  const rules = log !== null ? networkOf(log, brought.networks) : null;
  const choice = byId("ots-network");
  choice.disabled = proof === null || proof.ots === undefined;
  if (rules !== null) choice.value = rules.name;
  const boxes = (EXPLORERS[choice.value] || []).map(([name, address]) => {
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
    explored = await lookUp(addresses, brought.networks.get(wanted.network), wanted.height);
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

function listenToFiles() {
  for (const kind of KINDS) {
    byId(`${kind}-file`).addEventListener("change", ({ target }) => {
      if (target.files.length) takeFile(kind, target.files[0]);
    });
  }
  byId("record-file").addEventListener("change", ({ target }) => {
    if (target.files.length) takeRecords([...target.files]);
  });
  byId("record-folder").addEventListener("change", ({ target }) => {
    if (!target.files.length) return;
    const { name, items } = chosenFolder([...target.files]);
    takeFolder(name, { items });
  });
  byId("record-stop").addEventListener("click", stopReading);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    return takeDropped(event.dataTransfer);
  });
}

function begin() {
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = TEXTS[each.dataset.text];
  byId("folder-choice").hidden = !("webkitdirectory" in HTMLInputElement.prototype);
  byId("ots-network").addEventListener("change", () => {
    brought.explored = null;
    offerExplorers();
    refresh();
  });
  const mistaken = (error) => {
    turn++;
    showMistake(error);
  };
  window.addEventListener("error", ({ error }) => mistaken(error));
  window.addEventListener("unhandledrejection", ({ reason }) => mistaken(reason));
  listenToFiles();
  byId("pasted").addEventListener("input", ({ target }) => {
    if (!target.value.trim()) return;
    choices.receipt++;
    takeProof(utf8(target.value), TEXTS["paste.name"]);
    refresh();
  });
  byId("reader-password-slot").addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = byId("reader-password");
    const isUnlocked = await unlock(field.value);
    if (isUnlocked) field.value = "";
    if (isUnlocked) await refresh();
  });
  byId("save-content").addEventListener("click", () => saveContent(brought.proof.name));
  for (const id of ["block", "depth", "author"]) byId(id).addEventListener("input", refresh);
  for (const id of ["any-log", "accept-timestamp"]) byId(id).addEventListener("change", refresh);
  byId("look-up").addEventListener("click", lookUpBlock);
  byId("print").addEventListener("click", () => print());
  byId("save").addEventListener("click", () => saveVerdict(brought.proof.name));
  offerNetworks();
}

begin();
