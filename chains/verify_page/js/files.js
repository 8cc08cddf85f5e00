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
 * browser does not let the page read, or null. Entries and handles are asked for at once: they are gone when the event
 * is over.
 */
export async function dropped({ items = [], files }) {
  const asked = [...items].map((item) => folderIn(item));
  const loose = [...files].filter((_, place) => !asked[place]);
  const folders = [];
  let unread = null;
  for (const { entry, handle } of asked.filter((each) => each)) {
    try {
      folders.push({ name: entry.name, items: await itemsInFolder(entry, await handle), knowsEmpty: true });
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      unread = entry.name;
    }
  }
  return { files: loose, folders, unread };
}

/** The folder that an item is: its entry, and where the browser has one its handle; null for a file. */
function folderIn(item) {
  const entry = item.webkitGetAsEntry ? item.webkitGetAsEntry() : null;
  if (entry === null || !entry.isDirectory) return null;
  return { entry, handle: item.getAsFileSystemHandle ? item.getAsFileSystemHandle() : null };
}

/** All that is in a folder: by its handle where there is one, since Chromium reads no entry for a page that was saved. */
function itemsInFolder(entry, handle) {
  return handle === null ? itemsOf(entry, "") : itemsUnder(handle, "");
}

async function itemsUnder(handle, prefix) {
  const items = [];
  for await (const [name, inner] of handle.entries()) {
    const path = `${prefix}${name}`;
    if (inner.kind === "file") items.push({ path, file: await inner.getFile() });
    else items.push(...filled(await itemsUnder(inner, `${path}/`), path));
  }
  return items;
}

/** What is in a folder, or, where that is nothing, the folder itself without a file. */
function filled(items, path) {
  return items.length ? items : [{ path, file: null }];
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
  return filled(await itemsOf(entry, `${path}/`), path);
}
