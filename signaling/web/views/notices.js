/** Views that stand in for another one: loading, and not being signed in any more. */

import { h } from "../dom.js";
import { errorText, t } from "../i18n.js";
import { button, emptyState, heading } from "../parts.js";

export function loadingView() {
  const node = h("section", { class: "page" }, h("p", { class: "loading", role: "status" }, t("app.loading")));
  return { node, update() {}, title: () => t("title.app") };
}

/** The session is closed and does not come back by itself. */
export function blockedView(app) {
  const { session } = app;
  const { reason } = session.connection;
  const replaced = reason === "session.replaced";
  const title = replaced ? t("blocked.replaced") : t("blocked.token");
  const lead = replaced ? t("blocked.replaced_lead", { name: session.person.name }) : errorText({ code: reason });
  const act = replaced
    ? button({ kind: "primary", text: t("blocked.use_here"), onclick: () => session.takeOver() })
    : button({ kind: "primary", text: t("app.switch_person"), onclick: () => app.signOut() });
  const node = h(
    "section",
    { class: "page", testid: "notice", "data-code": reason },
    heading(title, { class: "hidden-visually" }),
    emptyState("people", title, lead, act),
  );
  return { node, update() {}, title: () => t("title.app") };
}
