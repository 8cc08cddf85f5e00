// SPDX-License-Identifier: Apache-2.0
// The part of the page where a reader opens encrypted content: envelope and key are brought, the content is opened here,
// held against the receipt's entry, and offered to be saved. It sends nothing, and forgets all when the page is left.

import { decodeEnvelope, openEnvelope } from "./envelope.js";
import { expected } from "./errors.js";
import { pacing } from "./files.js";
import { decodeReaderKey, roundsOf, unlockedKey } from "./reader_key.js";
import { byId, mark, offerToSave } from "./showing.js";
import { counted, say, TEXTS } from "./texts.js";

// `file` is the key as it was brought, `key` what it came to; `opened` is of this receipt's entry, or null.
const atHand = { envelope: null, file: null, key: null, opened: null };
let opening = 0; // of the opening that may still write to the page

/** Read an envelope; nothing of an earlier one counts any more. */
export function takeEnvelope(data, name) {
  forgetOpened();
  atHand.envelope = null;
  readInto("envelope", name, () => {
    atHand.envelope = decodeEnvelope(data);
    return say("files.found-envelope", { name, readers: counted(atHand.envelope.keys.length, "readers") });
  });
}

/** Read a reader's key; where it is encrypted, its password is asked for. */
export async function takeReaderKey(data, name) {
  forgetOpened();
  Object.assign(atHand, { file: null, key: null });
  readInto("reader", name, () => {
    atHand.file = decodeReaderKey(data);
    return say("files.found-reader", { name, reader: atHand.file.publicText.slice(0, 80) });
  });
  byId("reader-password-slot").hidden = atHand.file === null || atHand.file.encrypted === null;
  if (atHand.file !== null && atHand.file.encrypted === null) await unlock("");
}

function readInto(kind, name, read) {
  byId("envelope-slot").open = true;
  try {
    mark(kind, read(), false);
  } catch (error) {
    mark(kind, say("files.bad", { name, error: expected(error).message }), true);
  }
}

/** Make the key of the file that was brought; true where there is one now. */
export async function unlock(password) {
  const mine = ++opening;
  const { file } = atHand;
  if (file === null) return false;
  sayOpened(file.encrypted === null ? "" : TEXTS["envelope.stretching"], false);
  try {
    const key = await unlockedKey(file, password, pacing(roundsOf(file), () => mine === opening));
    if (mine !== opening) return false;
    atHand.key = key;
    sayOpened("", false);
  } catch (error) {
    if (mine === opening) sayOpened(expected(error).message, true);
  }
  return atHand.key !== null;
}

/**
 * What is in the envelope of a receipt's entry: { salt, digest, content }; null where envelope or key are not there,
 * or where it does not open, which is then said.
 */
export async function openedFor(receipt) {
  const { envelope, key, opened } = atHand;
  if (receipt === undefined || envelope === null || key === null) return null;
  if (opened !== null && opened.entry === receipt.entry) return opened;
  const mine = ++opening;
  forgetOpened();
  try {
    const found = { entry: receipt.entry, ...(await openEnvelope(envelope, receipt.entry, key)) };
    if (mine !== opening) return null;
    atHand.opened = found;
    sayOpened(say("envelope.opened", { size: found.content.length, digest: found.digest }), false);
    byId("save-content").hidden = false;
    return found;
  } catch (error) {
    if (mine === opening) sayOpened(expected(error).message, true);
    return null;
  }
}

/** Let the visitor save what was opened, under the receipt's name without its ending. */
export function saveContent(receiptName) {
  if (atHand.opened === null) return;
  const name = receiptName.replace(/\.(receipt|json)$/, "");
  offerToSave(atHand.opened.content, "application/octet-stream", name === receiptName ? `${name}.content` : name);
}

/** Show and save nothing any more of what was opened before. */
export function forgetOpened() {
  atHand.opened = null;
  byId("save-content").hidden = true;
  sayOpened("", false);
}

function sayOpened(text, isBad) {
  mark("opened", text, isBad);
}
