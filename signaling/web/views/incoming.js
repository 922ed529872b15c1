/** Somebody rings: accept or decline. */

import { avatar, h } from "../dom.js";
import { coins, share } from "../format.js";
import { t } from "../i18n.js";
import { button, during, heading } from "../parts.js";
import { keepPlaying } from "../sounds.js";

export function incomingView(app) {
  const { session } = app;
  const { peer, medium, rate_micro_per_min: rate, host_share_bps: bps } = session.call;
  const failed = (error) => app.tell(error);
  const decline = button({ kind: "end big", glyph: "phone", label: t("incoming.decline"), testid: "decline" });
  const accept = button({ kind: "accept big", glyph: medium === "voice" ? "phone" : "video", label: t("incoming.accept"), testid: "accept" });
  decline.addEventListener("click", during(decline, () => session.decline(), failed));
  accept.addEventListener("click", during(accept, () => session.accept(), failed));
  const title = heading(t("incoming.title", { name: peer.name }));
  const node = h(
    "section",
    { class: "call", testid: "incoming", "data-state": "ringing", "data-medium": medium },
    h("div", { class: "call-top" }, title, h("p", { class: "call-status" }, t(`incoming.${medium}`))),
    h("div", { class: "call-stage" }, h("div", { class: "speaker ringing" }, avatar(peer, "huge"))),
    h(
      "div",
      { class: "call-panel" },
      h("p", { class: "offer" }, t("incoming.offer", { amount: coins(share(rate, bps)) })),
      h("div", { class: "controls answer" }, control(decline, t("incoming.decline")), control(accept, t("incoming.accept"))),
    ),
  );
  keepPlaying("ring");
  return {
    node,
    update() {},
    destroy: () => keepPlaying(null),
    title: () => t("title.incoming", { name: peer.name }),
  };
}

function control(node, text) {
  return h("div", { class: "control" }, node, h("span", { class: "control-text", "aria-hidden": "true" }, text));
}
