// The list of conversations, and the person who speaks. On a phone it slides over the chat.

import { ago, button, byId, h, ICONS, put } from "./dom.js";

export class Sidebar {
  constructor(page) {
    this.page = page;
  }

  draw() {
    const { page } = this;
    put(
      byId("sidebar"),
      h("div", { class: "brand" }, h("img", { src: "/web/icon.svg", alt: "", width: "28", height: "28" }), h("span", {}, "Nightloom")),
      button("New conversation", () => page.guard(() => page.open(null)), { icon: ICONS.plus, kind: "wide", "aria-keyshortcuts": "n" }),
      h("ul", { class: "conversations" }, page.conversations.map((line) => this.line(line))),
      page.person && h(
        "button",
        { type: "button", class: "me", id: "me", onclick: () => page.panel.show(), "aria-keyshortcuts": "p" },
        h("span", { class: "avatar", "aria-hidden": "true" }, initial(page.person)),
        h("span", { class: "me-text" }, h("strong", {}, page.person), h("span", {}, learned(page.self))),
      ),
    );
  }

  line({ conversation, title, last }) {
    const isOpen = conversation === this.page.conversation;
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "conversation", "aria-current": isOpen ? "page" : null, onclick: () => this.page.guard(() => this.page.open(conversation)) },
        h("span", { class: "conversation-title" }, title),
        h("time", { datetime: last }, ago(last)),
      ),
    );
  }

  toggle(isOpen) {
    byId("app").dataset.sidebar = isOpen ? "open" : "closed";
    byId("scrim").hidden = !isOpen;
    if (isOpen) byId("sidebar").querySelector("button")?.focus();
  }
}

export const initial = (name) => [...name.replace(/^(discord|slack):/, "")][0]?.toUpperCase() ?? "?";

function learned(self) {
  if (!self) return "New here";
  if (self.learning === false) return "Learning is off";
  const notes = self.notes.length;
  return `${notes} ${notes === 1 ? "note" : "notes"} · ${self.ratings.count} rated`;
}
