import "./page.mjs";
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { read } from "./page.mjs";
import { LANGUAGES, errorText, render, setLanguage, t } from "../i18n.js";

const { en, ar } = LANGUAGES;
const forms = (text) => (typeof text === "string" ? [text] : Object.values(text));
const holes = (text) => [...new Set(forms(text).flatMap((form) => form.match(/\{\w+\}/g) ?? []))].sort();

test("both languages have the same texts with the same values", () => {
  assert.deepEqual(Object.keys(ar.texts).sort(), Object.keys(en.texts).sort());
  for (const key of Object.keys(en.texts)) assert.deepEqual(holes(ar.texts[key]), holes(en.texts[key]), key);
});

test("every text with plural forms has the ones of its language", () => {
  for (const [language, { texts }] of Object.entries(LANGUAGES)) {
    const needed = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
    for (const [key, text] of Object.entries(texts)) {
      if (typeof text === "object") assert.deepEqual(Object.keys(text).sort(), needed, `${language} ${key}`);
    }
  }
});

test("Arabic counts with its six plural forms", () => {
  const rules = new Intl.PluralRules("ar");
  const said = [0, 1, 2, 3, 11, 100].map((count) => render(ar.texts["hosts.online_count"], { count }, rules));
  assert.equal(new Set(said).size, 6);
});

test("every error code of the protocol has a text in both languages", () => {
  const table = read("../../../crates/protocol/PROTOCOL.md").match(/^\| `[a-z]+\.[a-z_]+` \|/gm);
  const codes = table.map((row) => row.match(/`(.+)`/)[1]);
  assert.ok(codes.length >= 20);
  for (const code of codes) {
    for (const { texts } of [en, ar]) assert.ok(texts[`error.${code}`], code);
  }
});

test("every error that client.js makes has a text in both languages", () => {
  const source = read("../client.js") + read("../demo.js") + read("../receipt/fetch.js");
  const codes = [...source.matchAll(/"((?:client|session|device)\.[a-z_]+)"/g)].map(([, code]) => code);
  assert.ok(codes.length >= 8);
  for (const code of codes) {
    const keys = code.startsWith("device.") ? [`${code}.microphone`, `${code}.camera`] : [code];
    for (const key of keys) for (const { texts } of [en, ar]) assert.ok(texts[`error.${key}`], key);
  }
});

test("every reason a call can end for has a text", () => {
  const reasons = read("../../../crates/protocol/src/client/view.rs")
    .match(/pub enum EndReason \{([^}]*)\}/)[1]
    .match(/^ {4}[A-Z]\w+/gm)
    .map((name) => name.trim().replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase());
  assert.ok(reasons.length >= 10);
  const known = read("../views/receipt.js");
  for (const reason of reasons) assert.match(known, new RegExp(`^ {4}${reason}: `, "m"), reason);
});

const folder = new URL("..", import.meta.url);
const sources = readdirSync(folder, { recursive: true })
  .filter((name) => /^((views|receipt)\/)?\w+\.js$/.test(name) && name !== "client.js")
  .map((name) => read(`../${name}`));

test("every text that a view asks for by name exists", () => {
  const keys = sources.flatMap((source) => [...source.matchAll(/"([a-z]+\.[a-z_.]+)"/g)].map(([, key]) => key));
  const groups = new Set(Object.keys(en.texts).map((key) => key.split(".")[0]));
  const wanted = keys.filter((key) => groups.has(key.split(".")[0]) && !key.endsWith("."));
  // Messages that session.js listens to are named alike.
  const messages = new Set([...read("../session.js").matchAll(/on\("([a-z._]+)"/g)].map(([, type]) => type));
  const missing = wanted.filter((key) => !en.texts[key] && !en.texts[`error.${key}`] && !messages.has(key));
  assert.ok(wanted.length > 80, `only ${wanted.length} found`);
  assert.deepEqual(missing, []);
});

test("no text is left over", () => {
  const all = sources.join("\n");
  const beginnings = [...all.matchAll(/`([a-z]+\.[a-z_.]*)\$\{/g)].map(([, beginning]) => beginning);
  const unused = Object.keys(en.texts).filter(
    (key) => !all.includes(`"${key}"`) && !beginnings.some((beginning) => key.startsWith(beginning)),
  );
  assert.deepEqual(unused, []);
});

test("an error without a text falls back to a general sentence with its code", () => {
  setLanguage("en");
  assert.equal(errorText({ code: "new.code" }), "That did not work (new.code).");
  assert.equal(errorText({ code: "call.busy" }), en.texts["error.call.busy"]);
  assert.equal(errorText({ code: "device.denied", detail: "camera" }), en.texts["error.device.denied.camera"]);
  assert.equal(errorText(new TypeError("x")), en.texts["error.client.internal"]);
});

test("values against the direction of the text are kept apart", () => {
  setLanguage("en");
  assert.equal(t("hosts.hello", { name: "Asha" }), "Hello, Asha");
  assert.equal(t("hosts.hello", { name: "ليلى" }), "Hello, \u2068ليلى\u2069");
  setLanguage("ar");
  assert.equal(document.documentElement.dir, "rtl");
  assert.equal(t("hosts.hello", { name: "Asha" }), "أهلاً، \u2068Asha\u2069");
});
