// SPDX-License-Identifier: Apache-2.0
// Every way in which reading or checking can fail. Readers and steps throw these; verdict.js turns them into steps.
// Callers match on the class and on `reason`, never on the message, which is written for people.

import { say } from "./texts.js";

/** Bytes or text do not have the form that they must have. */
export class Malformed extends Error {
  constructor(key, values = {}) {
    super(say(key, values));
    this.reason = "malformed";
  }
}

/** The format is known, this version of it is not: a newer Anchorline wrote it. */
export class Newer extends Malformed {}

/** Something well formed does not hold; `reason` is its stable name (docs/spec/verdict.md). */
export class Refused extends Error {
  constructor(reason, key, values = {}) {
    super(say(key, values));
    this.reason = reason;
  }
}

/** An operation of OpenTimestamps that is kept, but on which nothing may rest. */
export class NotExecutable extends Error {
  constructor(key, values = {}) {
    super(say(key, values));
  }
}

/** What a failure of reading may be; anything else is a mistake of this page and must be seen. */
export function expected(error) {
  if (error instanceof Malformed || error instanceof Refused) return error;
  throw error;
}
