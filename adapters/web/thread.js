// The thread under an answer: what the person said there, what it was understood as, and the new tries.

import { button, h, ICONS, put, toast } from "./dom.js";

const WAIT_S = 180;
const UNDERSTOOD = {
  critique: "Critique",
  correction: "Correction: kept word for word",
  question: "Taken as a question",
};

export class Thread {
  constructor(page, view) {
    this.page = page;
    this.view = view;
    this.said = h("div", { class: "said" });
    this.revisions = h("div", { class: "revisions" });
    this.form = h("div", { class: "teach-place" });
    this.element = h("div", { class: "thread" }, this.said, this.revisions, this.form);
    this.shown = new Map(); // message id → element
  }

  /** Whether a teaching here already shows this line. */
  says(heading) {
    return this.element.isConnected && [...this.shown.values()].some((each) => each.textContent.includes(heading));
  }

  write() {
    if (this.form.firstChild) return this.form.querySelector("textarea").focus();
    const field = h("textarea", { rows: "2", maxlength: "16000", "aria-label": "What should be different", placeholder: "“Shorter, and no lists.”  Or  “better: …” with the text you wanted" });
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
    this.said.append(pending);
    try {
      const body = { person: page.person, text, ...(kind ? { kind } : {}) };
      const outcome = await page.api.post(`/api/replies/${view.reply.id}/thread`, body, { wait: WAIT_S, key: crypto.randomUUID() });
      pending.remove();
      this.show({ ...outcome, text, state: outcome.kind ? "answered" : "waiting" });
      if (outcome.reply) await page.chat.replied(outcome.reply);
      await page.refreshSelf();
    } catch (error) {
      pending.remove();
      put(this.form, draft); // what was written stays
      toast(error.message, { kind: "error" });
    }
  }

  show(teaching) {
    const line = this.line(teaching);
    const known = this.shown.get(teaching.message);
    if (known) known.replaceWith(line);
    else this.said.append(line);
    this.shown.set(teaching.message, line);
  }

  line(teaching) {
    const { text, state, kind, note, problem } = teaching;
    const understood = h("div", { class: "understood" });
    if (state === "waiting") put(understood, h("span", { class: "shuttle", "aria-hidden": "true" }, h("i")), "Understanding…");
    else if (state === "failed") put(understood, h("span", { class: "problem" }, problem ?? "This could not be taken in. Say it again."));
    else put(understood, note ? h("span", { class: "noted" }, "Noted: ", h("q", {}, note)) : UNDERSTOOD[kind], this.buttons(teaching));
    return h("div", { class: "teaching" }, h("p", { class: "teaching-text" }, text), understood);
  }

  buttons({ message, kind, note_id: noteId }) {
    const press = (what, target, done) => async (event) => {
      const line = event.currentTarget.closest(".understood");
      await this.page.press({ kind: what, target, label: "" });
      put(line, h("span", { class: "faint" }, done));
    };
    return [
      noteId && button("Undo", press("undo_note", noteId, "Undone: the note is gone."), { kind: "link" }),
      kind !== "question" && button("That was a question", press("was_question", message, "Taken as a question."), { kind: "link" }),
    ];
  }
}
