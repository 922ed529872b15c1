/** What the modules under test expect of a browser, and no more. */

import { readFileSync } from "node:fs";

globalThis.document ??= { documentElement: {} };
globalThis.navigator ??= { languages: ["en-GB"], language: "en-GB" };
// Debian 12's Node 18 has none.
globalThis.CustomEvent ??= class CustomEvent extends Event {
  constructor(type, { detail = null, ...rest } = {}) {
    super(type, rest);
    this.detail = detail;
  }
};
globalThis.localStorage ??= { getItem: () => null, setItem: () => {} };

/** The text of a file, by its path from this folder. */
export const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
