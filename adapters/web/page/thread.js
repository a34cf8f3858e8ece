// The thread under an answer: what the person said there, what it was understood as, and the new tries.

import { button, h, put, toast } from "./dom.js";
import { newId } from "./ids.js";

const WAIT_S = 180;
export class Thread {
  constructor(page, view) {
    this.page = page;
    this.view = view;
    this.items = h("div", { class: "items" }); // what was said, and after each what was made of it
    this.form = h("div", { class: "teach-place" });
    this.element = h("div", { class: "thread" }, this.items, this.form);
    this.shown = new Map(); // message id → element
    this.sending = new Set(); // the texts that are on their way, each with a line of its own
  }

  write() {
    if (this.form.firstChild) return this.form.querySelector("textarea").focus();
    const field = h("textarea", { rows: "2", maxlength: String(this.page.about.max_text_chars), "aria-label": "What should be different", placeholder: "“Shorter, and no lists.”  Or  “better: …” with the text you wanted" });
    const send = (kind) => {
      const text = field.value.trim();
      if (text) this.teach(text, kind);
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send(null);
      }
      if (event.key === "Escape") this.close();
    });
    put(
      this.form,
      h("form", { class: "teach", onsubmit: (event) => { event.preventDefault(); send(null); } },
        field,
        h("div", { class: "row" },
          h("span", { class: "faint grow" }, "It holds from the next answer on."),
          button("Cancel", () => this.close(), { kind: "link" }),
          button("This is the text I wanted", () => send("correction"), { kind: "plain" }),
          h("button", { type: "submit", class: "button primary" }, "Teach"))),
    );
    return field.focus();
  }

  close() {
    put(this.form);
    this.view.element.focus({ preventScroll: true });
  }

  async teach(text, kind) {
    const { page, view } = this;
    const draft = this.form.firstChild;
    put(this.form);
    const pending = this.line({ text, state: "waiting" });
    this.items.append(pending);
    this.sending.add(text);
    try {
      const body = { person: page.person, text, ...(kind ? { kind } : {}) };
      const outcome = await page.api.post(`/api/replies/${view.reply.id}/thread`, body, { wait: WAIT_S, key: newId() });
      pending.remove();
      this.sending.delete(text);
      const isDone = outcome.reply !== null || outcome.kind === "question";
      this.show({ ...outcome, text, state: isDone ? "answered" : "waiting", revision: outcome.reply?.id });
      if (outcome.reply && outcome.kind !== "question") await page.chat.replied(outcome.reply);
      else await page.chat.refresh(); // a question of its own, or not taken in yet
      await page.refreshSelf();
    } catch (error) {
      pending.remove();
      this.sending.delete(text);
      put(this.form, draft); // what was written stays
      toast(error.message, { kind: "error" });
    }
  }

  /** What the service holds of what was said here. What it no longer lists as waiting has become a question. */
  update(teachings) {
    for (const [key, line] of this.shown) {
      if (line.dataset.state !== "waiting") continue;
      line.remove();
      this.shown.delete(key);
    }
    for (const teaching of teachings) {
      if (teaching.state !== "waiting" || !this.sending.has(teaching.text)) this.show(teaching);
    }
  }

  /** A line for what was said, before the answer that was made of it. */
  show(teaching) {
    const line = this.line(teaching);
    const key = teaching.message ?? teaching.revision;
    this.shown.get(key)?.remove();
    const revision = teaching.revision && this.page.chat.viewOfReply(teaching.revision);
    if (revision && revision.element.parentElement === this.items) revision.element.before(line);
    else this.items.append(line);
    this.shown.set(key, line);
  }

  line({ text, state, kind, problem }) {
    const line = h("div", { class: "teaching", "data-state": state }, h("p", { class: "teaching-text" }, text));
    if (state === "waiting") line.append(h("p", { class: "understood" }, h("span", { class: "shuttle", "aria-hidden": "true" }, h("i")), "Taking it in…"));
    if (state === "failed") line.append(h("p", { class: "understood problem" }, problem ?? "This could not be taken in. Say it again."));
    if (kind === "question") line.append(h("p", { class: "understood" }, "Taken as a question."));
    return line;
  }
}
