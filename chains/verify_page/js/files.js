// SPDX-License-Identifier: Apache-2.0
// Files as a visitor brings them: read piece by piece, whatever their size; and folders, as the browser shows them.
// Whoever reads long is paced: the page is drawn meanwhile, and the visitor can stop it.

import { Sha256 } from "./sha256.js";

const PAUSE_EVERY_MS = 50;
const PIECE_BYTES = 2 ** 18;

/** The visitor stopped what was being read, or chose something else. */
export class Stopped extends Error {}

/**
 * A function that hears how many bytes more were read. Now and then it tells `goesOn` which share of `total` is done,
 * waits until the page was drawn, and throws Stopped where that says no.
 */
export function pacing(total, goesOn) {
  let done = 0;
  let paused = performance.now();
  return async (bytes) => {
    done += bytes;
    if (performance.now() - paused < PAUSE_EVERY_MS) return;
    if (!goesOn(Math.min(1, done / Math.max(1, total)))) throw new Stopped();
    await new Promise((resume) => setTimeout(resume));
    paused = performance.now();
  };
}

/** SHA-256 of a file that may be larger than memory. */
export async function digestOf(file, advance = async () => {}) {
  const hasher = new Sha256();
  for await (const piece of piecesOfFile(file)) {
    hasher.update(piece);
    await advance(piece.length);
  }
  return hasher.digest();
}

/** The bytes of a file, piece by piece: in one and the same room where the browser can, so that none is left behind. */
export async function* piecesOfFile(file) {
  const { reader, isReused } = readerOf(file.stream());
  let room = new ArrayBuffer(PIECE_BYTES);
  try {
    for (;;) {
      const { done, value } = await (isReused ? reader.read(new Uint8Array(room)) : reader.read());
      if (done) return;
      yield value;
      if (isReused) room = value.buffer;
    }
  } finally {
    await reader.cancel(); // whoever stops early leaves nothing open
  }
}

function readerOf(stream) {
  try {
    return { reader: stream.getReader({ mode: "byob" }), isReused: true };
  } catch {
    return { reader: stream.getReader(), isReused: false };
  }
}

/** The beginning of a file, one byte more than it may have at most: enough to refuse it. */
export async function bytesOf(file, most) {
  return new Uint8Array(await file.slice(0, most + 1).arrayBuffer());
}

/** What was chosen as a folder: { name, items: [{ path, file }] }; such a choice does not show what is empty. */
export function chosenFolder(files) {
  const items = files.map((file) => ({ path: file.webkitRelativePath.replace(/^[^/]*\//, ""), file }));
  return { name: files[0].webkitRelativePath.replace(/\/.*/, ""), items };
}

/**
 * What was dropped: { files, folders: [{ name, items, knowsEmpty }], unread }, the last the name of a folder that the
 * browser does not let the page read, or null. The entries are asked for at once: they are gone when the event is over.
 */
export async function dropped({ items = [], files }) {
  const asked = [...items].map((item) => (item.webkitGetAsEntry ? item.webkitGetAsEntry() : null));
  const loose = [...files].filter((_, place) => !(asked[place] && asked[place].isDirectory));
  const folders = [];
  let unread = null;
  for (const entry of asked.filter((each) => each !== null && each.isDirectory)) {
    try {
      folders.push({ name: entry.name, items: await itemsOf(entry, ""), knowsEmpty: true });
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      unread = entry.name;
    }
  }
  return { files: loose, folders, unread };
}

async function itemsOf(folder, prefix) {
  const reader = folder.createReader();
  const items = [];
  for (;;) {
    // A reader gives some of them at a time, and none at the end.
    const entries = await new Promise((take, refuse) => reader.readEntries(take, refuse));
    if (!entries.length) break;
    for (const entry of entries) items.push(...(await itemsAt(entry, `${prefix}${entry.name}`)));
  }
  return items;
}

/** What is at a path: a file, all that is in a folder, or (no file) a folder with nothing in it. */
async function itemsAt(entry, path) {
  if (entry.isFile) return [{ path, file: await new Promise((take, refuse) => entry.file(take, refuse)) }];
  const inside = await itemsOf(entry, `${path}/`);
  return inside.length ? inside : [{ path, file: null }];
}
