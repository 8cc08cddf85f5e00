// SPDX-License-Identifier: Apache-2.0
// A receipt that is attached to a certificate (PDF): taken out as it lies there, without a reader of PDF. Only what
// `anchorline certificate` writes is understood: one attachment, not compressed.

import { startsWith, utf8 } from "./bytes.js";
import { Malformed } from "./errors.js";
import { MAX_RECEIPT } from "./receipt.js";

export const PDF_MAGIC = utf8("%PDF-");
const ATTACHMENT = "/Type /EmbeddedFile";
const MOST_DICTIONARY = 400;

/** The receipt of a certificate; what is no PDF is returned as it is. */
export function receiptIn(data) {
  if (!startsWith(data, PDF_MAGIC)) return data;
  const text = new TextDecoder("latin1").decode(data);
  const at = text.indexOf(ATTACHMENT);
  if (at < 0 || data.length > MAX_RECEIPT || text.includes(ATTACHMENT, at + 1)) throw new Malformed("attached.unlike");
  const before = text.slice(Math.max(0, at - MOST_DICTIONARY), at);
  const began = /^<<\n\/Length ([0-9]{1,9})\n/.exec(before.slice(Math.max(0, before.lastIndexOf("<<\n/Length "))));
  const stream = "\n>>\nstream\n";
  if (began === null || !text.startsWith(stream, at + ATTACHMENT.length)) throw new Malformed("attached.unlike");
  const start = at + ATTACHMENT.length + stream.length;
  const end = start + Number(began[1]);
  if (!text.startsWith("\nendstream", end)) throw new Malformed("attached.unlike");
  return data.slice(start, end);
}

/** Whether a PDF has something attached to it: then it is a certificate, and else it may be the record itself. */
export function isCertificate(data) {
  return startsWith(data, PDF_MAGIC) && new TextDecoder("latin1").decode(data).includes(ATTACHMENT);
}
