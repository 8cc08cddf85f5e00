// SPDX-License-Identifier: Apache-2.0
// The anchor of an announced recovery, as a receipt shows it (docs/spec/identity.md): by which block the announcement
// was in the directory. Step 3 counts the wait of the recovery from there.

import { anchorTransaction, checkAnchorTransaction, findPayload } from "./bitcoin_anchor.js";
import { checkWork, networkOf } from "./bitcoin.js";
import { sameBytes } from "./bytes.js";
import { Malformed } from "./errors.js";
import { checkInclusion } from "./merkle.js";
import { anchorFromJson, proofFromJson } from "./receipt.js";
import { Fields } from "./strictjson.js";

const ANNOUNCEMENT = "receipt.evidence (announcement)";

/** Height and hash of the block that a receipt shows of an announcement, by the number of its seal. */
export function anchoredBlocks({ log, sealed }, shown, { networks }) {
  const rules = networkOf(log, networks);
  const found = new Map();
  for (const value of sealed.evidence.filter((item) => item.get("type") === "announcement")) {
    const { head, anchor } = announcementFromJson(value);
    const mine = shown.heads.find((item) => {
      return item.head.index === head.index && sameBytes(item.head.leaf.hash, head.leaf.hash);
    });
    if (mine === undefined) throw new Malformed("3.announcement-head");
    checkAnchorTransaction(anchor);
    const { treeSize, root } = findPayload(anchorTransaction(anchor));
    checkInclusion(head.leaf.hash, head.index, treeSize, head.path, root, "author-key-history-wrong");
    if (rules !== null) checkWork(anchor.header, rules.powLimit);
    found.set(mine.seal.leaf.sealNumber, { height: anchor.height, hash: anchor.header.hash });
  }
  return found;
}

function announcementFromJson(value) {
  const fields = new Fields(value, ANNOUNCEMENT);
  fields.text("type");
  const head = proofFromJson("head", fields.take("head"), `${ANNOUNCEMENT}.head`);
  const anchor = anchorFromJson(new Fields(fields.take("anchor"), `${ANNOUNCEMENT}.anchor`));
  fields.end();
  if (anchor.kind !== "bitcoin") throw new Malformed("3.announcement-anchor");
  return { head, anchor };
}
