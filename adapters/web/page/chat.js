// The conversation that is open: its questions, what is being made for them, and the answers.

import { button, byId, drawing, h, ICONS, iconButton, put, toast } from "./dom.js";
import { newId } from "./ids.js";
import { rendered } from "./markdown.js";
import { ReplyView } from "./reply.js";

const POLL_MS = 4000;
const STARTERS = ["What is the capital of Portugal?", "How do I make good tea?", "Give me three ideas for a rainy day."];
// What the toy that ships for tests knows of.
const TOY_STARTERS = ["Tell me about an otter.", "What is good about green tea?", "Why do people like pottery?"];

export class Chat {
  constructor(page) {
    this.page = page;
    this.log = byId("log");
    this.views = new Map(); // message id → MessageView
    this.posting = new Set();
  }

  get hasReplies() {
    return [...this.views.values()].some((view) => view.replies.size);
  }

  async open(conversation) {
    this.views.clear();
    put(this.log);
    if (!conversation) return this.drawEmpty();
    await this.refresh();
    this.toEnd(true);
    return this.page.composer.drawConsent();
  }

  /** What the service holds of this conversation; views that are there are brought up to date. */
  async refresh() {
    const { conversation, person, api } = this.page;
    if (!conversation) return;
    const path = `/api/conversations/${encodeURIComponent(conversation)}?person=${encodeURIComponent(person)}`;
    const { messages } = await api.get(path);
    await Promise.allSettled([...this.posting]); // what is being sent has its view already
    if (conversation !== this.page.conversation) return;
    for (const message of messages) this.viewOf(message).update(message);
  }

  viewOf(message) {
    let view = this.views.get(message.id);
    if (!view) {
      view = new MessageView(this.page, message.text);
      view.id = message.id;
      this.views.set(message.id, view);
      this.log.querySelector(".empty")?.remove();
      this.log.append(view.element);
    }
    return view;
  }

  /** Send a question. False: it was refused, and is not in the conversation. */
  async ask(text, mode) {
    const { page } = this;
    const conversation = page.claimConversation();
    const view = new MessageView(page, text);
    this.log.querySelector(".empty")?.remove();
    this.log.append(view.element);
    view.wait();
    this.toEnd(true);
    const body = { person: page.person, conversation, text, ...(mode ? { mode } : {}) };
    const post = page.api.post("/api/messages", body, { key: newId() });
    this.posting.add(post);
    view.posted = post;
    try {
      view.id = (await post).message;
      this.views.set(view.id, view);
      view.watch();
      if (!page.conversations.some((line) => line.conversation === conversation)) page.guard(() => page.refreshConversations());
      return true;
    } catch (error) {
      view.element.remove();
      if (!this.views.size) this.drawEmpty();
      await page.guard(() => { throw error; });
      return false;
    } finally {
      this.posting.delete(post);
    }
  }

  progress(data) {
    this.views.get(data.message)?.progress(data);
  }

  async replied(reply) {
    await Promise.allSettled([...this.posting]); // its message may not be known yet
    if (reply.conversation !== this.page.conversation) return;
    const view = this.views.get(reply.message);
    if (!view) return void (await this.page.guard(() => this.refresh()));
    const wasAtEnd = this.isAtEnd();
    view.show(reply);
    if (view.isTakingIn) await this.page.guard(() => this.refresh());
    if (wasAtEnd) this.toEnd();
    this.page.composer.drawConsent();
  }

  /** Something said to the person that is no answer; its buttons are pressed here. */
  notice({ text, actions, image_png: image }) {
    if (actions.some((action) => action.kind === "learn_on")) return; // asked above the composer
    const card = h("section", { class: "notice" }, h("p", {}, text));
    if (image) card.append(h("img", { src: `data:image/png;base64,${image}`, alt: "The learning curve so far" }));
    const more = h("div", {});
    const pressed = (action) => this.page.guard(async () => {
      if (action.kind === "show_more") return put(more, rendered((await this.page.act(action)).text));
      await this.page.press(action);
      card.remove();
      return this.page.refreshSelf();
    });
    card.append(more, h("div", { class: "row" },
      actions.map((action) => button(action.label, () => pressed(action), { kind: "plain" })),
      button("Dismiss", () => card.remove(), { kind: "link" })));
    this.log.append(card);
    this.toEnd();
  }

  viewOfReply(id) {
    for (const view of this.views.values()) {
      const found = view.replies.get(id);
      if (found) return found;
    }
    return null;
  }

  isAtEnd() {
    const scroller = byId("scroller");
    return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 120;
  }

  toEnd(isAtOnce = false) {
    const scroller = byId("scroller");
    scroller.scrollTo({ top: scroller.scrollHeight, behavior: isAtOnce ? "instant" : "smooth" });
  }

  drawEmpty() {
    const { page } = this;
    const teach = [
      [ICONS.send, "Write to talk.", "Several answers are woven as a tree; the best one is sent."],
      [ICONS.teach, "Reply under an answer to teach.", "“Too long” or the text you wanted. It holds from the next answer on."],
      [ICONS.smile, "React to rate.", "Every reaction counts, and taking it off takes it back."],
    ];
    put(
      this.log,
      h(
        "section",
        { class: "empty" },
        h("img", { src: "/web/icon.svg", alt: "", width: "64", height: "64" }),
        h("h2", {}, page.self?.notes.length ? "What shall we talk about?" : "It learns how you like to be answered"),
        h("ul", { class: "lessons" }, teach.map(([icon, title, text]) => h("li", {}, drawing(icon), h("div", {}, h("strong", {}, title), h("p", {}, text))))),
        h("p", { class: "model", id: "model" }),
        h("div", { class: "starters" }, h("p", {}, "Try"), (page.about?.model === "practice" ? TOY_STARTERS : STARTERS).map((text) => button(text, async () => {
          await this.ask(text, null);
          page.composer.drawConsent();
        }, { kind: "starter" }))),
      ),
    );
    this.drawModel();
    page.composer.drawConsent();
  }

  /** Which model answers, how large it is and what it is good for. */
  drawModel() {
    const card = this.page.about?.card;
    if (card) byId("model")?.replaceChildren(card.sentence);
  }
}

/** One question and everything under it. */
class MessageView {
  constructor(page, text) {
    this.page = page;
    this.id = null;
    this.text = text;
    this.replies = new Map(); // reply id → ReplyView
    this.isTakingIn = false; // something that was said under an answer
    this.question = h("div", { class: "question" });
    this.status = h("div", { class: "status" });
    this.answers = h("div", { class: "answers" });
    this.element = h("article", { class: "exchange" }, this.question, this.answers, this.status);
    this.drawQuestion();
  }

  drawQuestion() {
    put(
      this.question,
      h("div", { class: "bubble" }, this.text),
      !this.isWithdrawn && h("div", { class: "own-actions" },
        iconButton("Edit this question", ICONS.edit, () => this.edit()),
        iconButton("Withdraw this question: it is erased", ICONS.bin, () => this.withdraw())),
    );
  }

  update(message) {
    if (message.text !== this.text) {
      this.text = message.text;
      this.drawQuestion();
    }
    const current = new Set(message.replies.map((reply) => reply.id));
    for (const [id, view] of this.replies) {
      if (!current.has(id)) {
        view.element.remove();
        this.replies.delete(id);
      }
    }
    for (const reply of message.replies) this.show(reply);
    for (const [id, view] of this.replies) view.thread.update(message.teachings.filter((teaching) => teaching.reply === id));
    this.isTakingIn = message.teachings.some((teaching) => teaching.state === "waiting");
    const held = new Set(message.teachings.filter((teaching) => teaching.holds).map((teaching) => teaching.revision));
    for (const view of this.replies.values()) if (view.reply.revises) view.holds(held.has(view.reply.id));
    if (message.state === "waiting") this.wait();
    else if (message.state === "failed") this.failed(message.problem);
    else if (message.state === "cancelled") this.cancelled();
    else this.settle();
    if (message.state === "waiting" || this.isTakingIn) this.watch();
  }

  show(reply) {
    const known = this.replies.get(reply.id);
    if (known) known.update(reply);
    else {
      const view = new ReplyView(this.page, reply);
      this.replies.set(reply.id, view);
      const original = reply.revises && this.replies.get(reply.revises);
      (original ? original.thread.items : this.answers).append(view.element);
    }
    if (!reply.revises) this.settle();
  }

  wait() {
    if (this.bar) return;
    this.bar = h("div", { class: "bar-fill" });
    this.words = h("span", {}, "Thinking…");
    put(
      this.status,
      h("div", { class: "weaving", role: "status" },
        h("span", { class: "shuttle", "aria-hidden": "true" }, h("i")),
        this.words,
        h("div", { class: "bar-track", "aria-hidden": "true" }, this.bar),
        iconButton("Stop: withdraw this question", ICONS.stop, () => this.withdraw())),
    );
  }

  progress({ done, total, phase }) {
    this.wait();
    const words = phase === "weaving" ? "branches" : phase;
    this.words.textContent = total > 1 ? `${done} of ${total} ${words}` : "Writing…";
    this.bar.style.width = `${total ? Math.min(100, (100 * done) / total) : 0}%`;
  }

  settle() {
    if (this.isWithdrawn) return;
    clearInterval(this.polling);
    this.bar = null;
    put(this.status);
  }

  failed(problem) {
    this.settle();
    put(this.status, h("div", { class: "problem", role: "alert" },
      h("p", {}, h("strong", {}, "This was not answered. "), problem ?? "The service gave no reason."),
      button("Ask again", () => this.change(this.text, true), { kind: "plain" })));
  }

  cancelled() {
    this.settle();
    this.isWithdrawn = true;
    this.element.classList.add("withdrawn");
    this.drawQuestion();
    put(this.status, h("p", { class: "faint" }, "Withdrawn: not answered, and not learned from."));
  }

  /** Events bring replies; a failure or a lost event is found by looking. */
  watch() {
    clearInterval(this.polling);
    this.polling = setInterval(async () => {
      if (!this.element.isConnected || !(this.bar || this.isTakingIn)) return clearInterval(this.polling);
      try {
        const message = await this.page.api.get(`/api/messages/${this.id}`);
        if (message.state !== "waiting" || this.isTakingIn) await this.page.chat.refresh();
      } catch {
        // the connection's own banner says so
      }
      return undefined;
    }, POLL_MS);
  }

  edit() {
    const field = h("textarea", { class: "edit-field", "aria-label": "Your question" });
    field.value = this.text;
    const save = async () => {
      if (field.value.trim()) await this.change(field.value.trim());
    };
    put(
      this.question,
      h("form", { class: "edit", onsubmit: (event) => { event.preventDefault(); save(); } },
        field,
        h("div", { class: "row" }, button("Cancel", () => this.drawQuestion(), { kind: "plain" }), h("button", { type: "submit", class: "button primary" }, "Ask this instead"))),
    );
    field.focus();
  }

  async change(text, isAgain = false) {
    const { page } = this;
    if (isAgain) return page.chat.ask(text, null);
    return page.guard(async () => {
      await page.api.patch(`/api/messages/${this.id}`, { person: page.person, text });
      this.text = text;
      this.drawQuestion();
      this.replies.clear();
      put(this.answers);
      this.wait();
      this.watch();
    });
  }

  async withdraw() {
    const { page } = this;
    await page.guard(async () => {
      this.id ??= (await this.posted).message; // stopped before the service had said its id
      await page.api.delete(`/api/messages/${this.id}?person=${encodeURIComponent(page.person)}`);
      this.cancelled();
      toast("Withdrawn: it is erased.");
    });
  }
}
