/** The language of the page: which one, its texts, its direction. */

import { setFormatLocale, whole } from "./format.js";
import en from "./locales/en.js";
import ar from "./locales/ar.js";

export const LANGUAGES = { en, ar };
const STORED = "coinline.lang";

let language = "en";
let plural = new Intl.PluralRules("en");

/** The language in use: `en` or `ar`. */
export const currentLanguage = () => language;

/** `?lang=`, else what was chosen before, else the browser's first language that we speak. */
export function preferredLanguage(query) {
  const browser = (navigator.languages ?? [navigator.language]).map((tag) => tag.split("-")[0]);
  const wished = [query.get("lang"), remembered(), ...browser];
  return wished.find((each) => Object.hasOwn(LANGUAGES, each ?? "")) ?? "en";
}

export function setLanguage(next) {
  language = next;
  const regional = (navigator.languages ?? []).find((tag) => tag.split("-")[0] === next && tag !== next);
  // Without a region, Arabic would fall to Latin digits in some browsers.
  const tag = regional ?? { en: "en", ar: "ar-EG" }[next];
  plural = new Intl.PluralRules(tag);
  setFormatLocale(tag);
  document.documentElement.lang = next;
  document.documentElement.dir = LANGUAGES[next].direction;
  try {
    localStorage.setItem(STORED, next);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}

function remembered() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

/**
 * The text of `key`. `{name}` takes `values.name`, kept apart from the text around it where
 * directions mix; a text with plural forms chooses by `values.count`.
 */
export function t(key, values = {}) {
  return render(LANGUAGES[language].texts[key] ?? LANGUAGES.en.texts[key] ?? key, values, plural);
}

/** What to tell a person about an error. */
export function errorText(error) {
  const code = error?.code ?? "client.internal";
  const detailed = `error.${code}.${error?.detail}`;
  const texts = LANGUAGES[language].texts;
  if (Object.hasOwn(texts, detailed)) return t(detailed);
  if (Object.hasOwn(texts, `error.${code}`)) return t(`error.${code}`);
  return t("error.other", { code });
}

/** Fills a text; exported for the tests. */
export function render(text, values, rules) {
  const form = typeof text === "string" ? text : (text[rules.select(values.count)] ?? text.other);
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = name === "count" ? whole(values.count) : String(values[name]);
    return against(value) ? `\u2068${value}\u2069` : value;
  });
}

/** Whether a value runs against the language's direction, and so needs to be kept apart. */
function against(value) {
  const rightToLeft = /[\u0590-\u08ff]/.test(value);
  return LANGUAGES[language].direction === "rtl" ? /[A-Za-z\u00c0-\u024f]/.test(value) : rightToLeft;
}
