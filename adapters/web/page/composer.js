// The field at the bottom: a message, how much search it gets, and the consent question above it.

import { button, byId, drawing, h, ICONS, put } from "./dom.js";

export const MODES = [
  ["", "Search: default"],
  ["auto", "Auto"],
  ["fast", "Fast: one sample"],
  ["best", "Best of several"],
  ["weave", "Weave: tree search"],
];

export class Composer {
  constructor(page) {
    this.page = page;
    this.field = h("textarea", {
      id: "composer",
      rows: "1",
      placeholder: "Write a message",
      "aria-label": "Message",
      "aria-keyshortcuts": "/",
      maxlength: "16000",
      oninput: () => this.grow(),
      onkeydown: (event) => this.key(event),
    });
    this.mode = h("select", { class: "mode", "aria-label": "How much search this message gets", title: "How much search this message gets" },
      MODES.map(([value, label]) => h("option", { value }, label)));
    this.consent = h("div", { class: "consent-place" });
    put(
      byId("footer"),
      this.consent,
      h(
        "form",
        { class: "composer", onsubmit: (event) => { event.preventDefault(); this.send(); } },
        this.field,
        h("div", { class: "composer-bar" },
          this.mode,
          h("span", { class: "hint" }, h("kbd", {}, "Enter"), " sends, ", h("kbd", {}, "Shift Enter"), " breaks the line, ", h("kbd", {}, "?"), " shows all keys"),
          h("button", { type: "submit", class: "send", "aria-label": "Send", title: "Send" }, sendFace())),
      ),
    );
  }

  focus() {
    if (matchMedia("(pointer: fine)").matches) this.field.focus();
  }

  key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.send();
    }
  }

  grow() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, 220)}px`;
  }

  async send() {
    const text = this.field.value.trim();
    if (!text) return this.field.focus();
    this.field.value = "";
    this.grow();
    let isSent = false;
    try {
      isSent = await this.page.guard(() => this.page.chat.ask(text, this.mode.value || null));
    } finally {
      if (!isSent) {
        this.field.value = text; // nothing that was written is lost
        this.grow();
      }
    }
    return this.drawConsent();
  }

  /** Whoever was not asked yet whether the bot may learn from them is asked once, here. */
  drawConsent() {
    const { page } = this;
    const isDue = page.chat.hasReplies && (!page.self || page.self.learning === null);
    if (!isDue) return put(this.consent);
    const answer = (learning) => page.guard(async () => {
      await page.changeSelf({ learning });
      put(this.consent);
      this.field.focus();
    });
    return put(
      this.consent,
      h(
        "section",
        { class: "consent", "aria-label": "May Nightloom learn from you?" },
        h("p", {}, h("strong", {}, "May Nightloom learn from what you tell it? "),
          "Your reactions and replies would train a small LoRA of your own by night, on this server alone. You can see, carry away, undo and erase all of it."),
        h("div", { class: "row" },
          button("Yes, learn from me", () => answer(true), { kind: "primary" }),
          button("No", () => answer(false), { kind: "plain" })),
      ),
    );
  }
}

function sendFace() {
  return drawing(ICONS.send);
}
