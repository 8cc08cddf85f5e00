// SPDX-License-Identifier: Apache-2.0
// The receipt (docs/spec/receipt.md) and the log card (docs/spec/log-card.md): their form, with every limit checked
// before reading on. verdict.js judges what is read here.

import { bitcoinAnchorFromJson } from "./bitcoin_anchor.js";
import { decodeHeader, HEADER_SIZE } from "./bitcoin.js";
import { fromBase64, fromHex, HASH_SIZE } from "./bytes.js";
import { decodeEntry, MAX_ENTRY } from "./entry.js";
import { Malformed } from "./errors.js";
import { decodeLeaf, decodeOutpoint, MAX_LEAF } from "./leaves.js";
import { MAX_PATH } from "./merkle.js";
import { decodeCheckpoint, decodeNote } from "./note.js";
import { MAX_OTS_FILE } from "./opentimestamps.js";
import { promiseFromJson } from "./promise.js";
import { codePoints, Fields, parseStrict } from "./strictjson.js";

export const RECEIPT_FORMAT = "anchorline-receipt/1";
export const CARD_FORMAT = "anchorline-log/1";
const MAX_FILE = 4 * 2 ** 20;
const MAX_CONTENT = 16 * 2 ** 20;
export const MAX_RECEIPT = MAX_FILE + Math.floor((MAX_CONTENT + 2) / 3) * 4;
export const MAX_CARD = 65536;
export const MAX_ANCHORS = 16;
const MAX_EVIDENCE = 64;
export const MAX_KEYS = 64;
const MAX_THREADS = 64;
const MAX_TOKEN = 65536;
const MAX_NETWORK_NAME = 40;
const SALT_SIZE = 16;
const STATES = ["shown", "withheld", "erased"];

/** Read a receipt file; Malformed, or Newer for a later version. */
export function decodeReceipt(data) {
  return receiptFromJson(parseStrict(data, "receipt", MAX_RECEIPT), data.length);
}

/** Read a receipt of so many bytes; of none, where it stands inside another file, which was held to its own limits. */
export function receiptFromJson(value, fileSize = 0) {
  const fields = new Fields(value, "receipt");
  fields.format(RECEIPT_FORMAT);
  checkSizeBesidesContent(value, fileSize);
  const entry = decodeEntry(fields.hex("entry", { maximum: MAX_ENTRY }));
  const content = contentFromJson(new Fields(fields.take("content"), "receipt.content"));
  const logFields = new Fields(fields.take("log"), "receipt.log");
  const log = leafOf("log", logFields.hex("leaf", { maximum: MAX_LEAF }), "receipt.log.leaf");
  const promise = fields.has("promise") ? promiseFromJson(fields.take("promise")) : null;
  const sealed = fields.has("checkpoint") ? sealedFromJson(fields, logFields) : null;
  logFields.end();
  fields.end();
  return { entry, content, log, promise, sealed };
}

/** Read a log card: { log, thread: outpoints or null }. */
export function decodeCard(data) {
  const fields = new Fields(parseStrict(data, "log card", MAX_CARD), "log card");
  fields.format(CARD_FORMAT);
  const log = leafOf("log", fields.hex("leaf_0", { maximum: MAX_LEAF }), "log card.leaf_0");
  const thread = cardThread(fields.take("thread"));
  fields.end();
  return { log, thread };
}

function cardThread(value) {
  if (value === null) return null;
  return new Fields(new Map([["thread", value]]), "log card").array("thread", MAX_THREADS).map((item) => {
    if (typeof item !== "string") throw new Malformed("json.string", { what: "log card", name: "thread" });
    return decodeOutpoint(fromHex(item, "log card.thread", 36));
  });
}

/** Hold everything besides the content to 4 MiB. */
function checkSizeBesidesContent(value, fileSize) {
  const content = value.get("content");
  const data = content instanceof Map ? content.get("bytes") : null;
  const besides = fileSize - (typeof data === "string" ? codePoints(data) : 0);
  if (besides > MAX_FILE) throw new Malformed("form.size", { what: "receipt", limit: MAX_FILE, found: besides });
}

function contentFromJson(fields) {
  const state = fields.text("state");
  if (!STATES.includes(state)) throw new Malformed("receipt.state", { found: state.slice(0, 40) });
  if (state !== "shown") {
    fields.end();
    return { state, data: null };
  }
  const content = {
    state,
    salt: fields.hex("salt", { exact: SALT_SIZE }),
    digest: fields.hex("digest", { exact: HASH_SIZE }),
    data: fields.has("bytes") ? fromBase64(fields.text("bytes"), "receipt.content.bytes") : null,
  };
  if (content.data !== null && content.data.length > MAX_CONTENT) {
    throw new Malformed("form.size", { what: "receipt.content.bytes", limit: MAX_CONTENT, found: content.data.length });
  }
  fields.end();
  return content;
}

function sealedFromJson(fields, logFields) {
  if (logFields.integer("index") !== 0n) throw new Malformed("receipt.log-index");
  const note = decodeNote(fields.text("checkpoint"));
  const keys = fields.array("keys", MAX_KEYS);
  const anchors = fields.array("anchors", MAX_ANCHORS);
  const evidence = fields.array("evidence", MAX_EVIDENCE);
  const sealed = {
    chain: chainFromJson(new Fields(fields.take("chain"), "receipt.chain")),
    logPath: logFields.hashes("path", MAX_PATH),
    head: proofFromJson("head", fields.take("head"), "receipt.head"),
    seal: proofFromJson("seal", fields.take("seal"), "receipt.seal"),
    checkpoint: decodeCheckpoint(note.text),
    note,
    thread: optionalProof("thread", fields, "thread"),
    previousHead: optionalProof("head", fields, "previous_head"),
    keys: keys.map((item) => proofFromJson("key", item, "receipt.keys")),
    anchors: anchors.map((item) => anchorFromJson(new Fields(item, "receipt.anchors"))),
    evidence,
  };
  for (const item of evidence) new Fields(item, "receipt.evidence").text("type");
  return sealed;
}

/** An entry's place in its chain, { index, path }. */
export function chainFromJson(fields) {
  const chain = { index: fields.integer("index"), path: fields.hashes("path", MAX_PATH) };
  fields.end();
  return chain;
}

/** A leaf of the directory with its index and path, or null where the field is not there. */
export function optionalProof(kind, fields, name) {
  return fields.has(name) ? proofFromJson(kind, fields.take(name), `receipt.${name}`) : null;
}

/** A leaf of the directory with its index and path. */
export function proofFromJson(kind, value, what) {
  const fields = new Fields(value, what);
  const leaf = leafOf(kind, fields.hex("leaf", { maximum: MAX_LEAF }), `${what}.leaf`);
  const proof = { leaf, index: fields.integer("index"), path: fields.hashes("path", MAX_PATH) };
  fields.end();
  return proof;
}

/** A leaf that must be of this kind. */
export function leafOf(kind, raw, what) {
  const leaf = decodeLeaf(raw);
  if (leaf.kind !== kind) throw new Malformed("receipt.leaf", { what, kind, found: leaf.kind });
  return leaf;
}

/** One anchor; a type that is unknown is kept as it is. */
export function anchorFromJson(fields) {
  const type = fields.text("type");
  if (type === "bitcoin") return bitcoinAnchorFromJson(fields);
  if (type === "opentimestamps") return calendarAnchorFromJson(fields);
  if (type !== "rfc3161") return { kind: "other", type };
  const anchor = { kind: "rfc3161", token: fields.base64("token", MAX_TOKEN) };
  fields.end();
  return anchor;
}

function calendarAnchorFromJson(fields) {
  const network = fields.text("network");
  if (!network || codePoints(network) > MAX_NETWORK_NAME) {
    throw new Malformed("receipt.network", { limit: MAX_NETWORK_NAME });
  }
  const ots = fields.base64("ots", MAX_OTS_FILE);
  const header = fields.has("header") ? decodeHeader(fields.hex("header", { exact: HEADER_SIZE })) : null;
  fields.end();
  return { kind: "opentimestamps", network, ots, header };
}
