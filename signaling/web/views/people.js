/** Who are you? The demo's people to choose from. */

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { button, emptyState, heading, money, personLine } from "../parts.js";

export function peopleView(app) {
  const content = h("div", { class: "stack" });
  const node = h("section", { class: "page" }, heading(t("people.title")), content);
  let drawn = null;

  const update = () => {
    if (drawn === app.people) return;
    drawn = app.people;
    content.replaceChildren(...draw(app));
  };
  return { node, update, title: () => t("title.app") };
}

function draw(app) {
  const retry = button({ kind: "primary", text: t("app.retry"), onclick: () => app.loadPeople() });
  if (app.people === "failed") return [emptyState("people", t("people.failed"), t("people.failed_lead"), retry)];
  if (app.people.length === 0) return [emptyState("people", t("people.empty"), t("people.empty_lead"))];
  const ofRole = (role) => app.people.filter((person) => person.role === role);
  return [
    h("p", { class: "lead" }, t("people.lead")),
    group(app, t("people.fans"), ofRole("fan")),
    group(app, t("people.hosts"), ofRole("host")),
  ];
}

function group(app, title, people) {
  if (people.length === 0) return h("div", { hidden: true });
  const cards = people.map((person) => h("li", {}, card(app, person)));
  return h("section", { class: "group" }, h("h2", {}, title), h("ul", { class: "cards" }, cards));
}

function card(app, person) {
  const below = h("span", { class: "below" }, person.role === "host" ? t("people.host") : owned(person));
  return h(
    "button",
    { type: "button", class: "card person", testid: `person-${person.id}`, onclick: () => app.signIn(person) },
    personLine(person, below),
  );
}

function owned(person) {
  const owns = money();
  owns.set(person.balance_micro);
  return owns.node;
}
