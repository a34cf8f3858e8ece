// One answer: its text, the reactions under it, its other answers, and the thread that teaches.

import { button, byId, h, ICONS, iconButton, put, toast } from "./dom.js";
import { emojiOf, picker, plain } from "./emoji.js";
import { rendered } from "./markdown.js";
import { Thread } from "./thread.js";

export class ReplyView {
  constructor(page, reply) {
    this.page = page;
    this.heading = h("div", { class: "reply-heading" });
    this.body = h("div", { class: "reply-text" });
    this.others = h("div", { class: "others" });
    this.reactions = h("div", { class: "reactions" });
    this.thread = new Thread(page, this);
    this.isTakenBack = false;
    this.element = h(
      "section",
      { class: "reply", tabindex: "-1", "aria-label": "Answer", onkeydown: (event) => this.key(event) },
      this.heading, this.body, this.others, this.reactions, this.thread.element,
    );
    this.update(reply);
  }

  update(reply) {
    this.reply = reply;
    this.element.dataset.reply = reply.id;
    this.drawHeading();
    if (reply.duel) this.drawDuel();
    else put(this.body, rendered(reply.text));
    this.drawReactions();
  }

  /** What was understood of the words that led to this answer, and how to take that back. */
  drawHeading() {
    const { heading, revises, id } = this.reply;
    if (!heading) return put(this.heading);
    if (this.isTakenBack && heading.startsWith("Not kept")) return put(this.heading, heading);
    if (this.isTakenBack) return put(this.heading, h("span", { class: "faint" }, h("s", {}, heading), " Taken back."));
    const press = (kind) => this.page.guard(async () => {
      await this.page.press({ kind, target: id });
      this.isTakenBack = true;
      this.drawHeading();
      if (kind === "was_question") await this.page.chat.refresh();
      await this.page.refreshSelf();
    });
    return put(
      this.heading,
      h("span", {}, heading),
      button("Undo", () => press("undo_note"), { kind: "link" }),
      revises && button("That was a question", () => press("was_question"), { kind: "link" }),
    );
  }

  /** Whether what led to this answer still holds. */
  holds(isHeld) {
    this.isTakenBack = !isHeld;
    this.drawHeading();
  }

  drawReactions() {
    const { reply } = this;
    const chips = reply.reactions.map((emoji) =>
      h("button", {
        type: "button", class: "reaction", "aria-pressed": "true",
        "aria-label": `Take ${emoji} back`, title: "Take it back", onclick: () => this.react(emoji, false),
      }, emoji));
    const count = reply.alternatives.length;
    put(
      this.reactions,
      chips,
      h("div", { class: "picker-place" }, iconButton("React: rate this answer", ICONS.smile, (event) => this.pick(event.currentTarget), { class: "icon-button react", "aria-haspopup": "dialog", "aria-expanded": "false" })),
      button("Teach", () => this.thread.write(), { icon: ICONS.teach, title: "Say what should be different, or give the text you wanted (R)" }),
      count > 0 && !reply.duel && button(count === 1 ? "1 other answer" : `${count} other answers`, () => this.pageOthers(0), { icon: ICONS.others, title: "The search's other answers (O)" }),
      button("Why?", () => this.page.why.show(reply), { icon: ICONS.why, title: "What this answer was made of (W)" }),
      h("span", { class: "faint meta", title: reply.lora ?? "" }, [
        reply.rating && `rated ${reply.rating} of 5`,
        reply.lora && `your LoRA, version ${reply.lora.split("-").at(-1)}`,
      ].filter(Boolean).join(" · ")),
    );
  }

  pick(opener) {
    const place = opener.parentElement;
    const close = () => {
      place.querySelector(".picker")?.remove();
      opener.setAttribute("aria-expanded", "false");
      document.removeEventListener("pointerdown", outside);
      opener.focus();
    };
    const outside = (event) => {
      if (!place.contains(event.target)) close();
    };
    if (place.querySelector(".picker")) return close();
    opener.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside);
    const room = opener.getBoundingClientRect().top - byId("scroller").getBoundingClientRect().top;
    place.classList.toggle("down", room < 240);
    place.append(picker(this.page.about, this.reply.reactions, (emoji) => {
      close();
      this.toggle(emoji);
    }, close));
    return undefined;
  }

  toggle(emoji) {
    const isOn = this.reply.reactions.some((each) => plain(each) === plain(emoji));
    return this.react(emoji, !isOn);
  }

  async react(emoji, on) {
    const { page, reply } = this;
    await page.guard(async () => {
      const { rating } = await page.api.post(`/api/replies/${reply.id}/reactions`, { person: page.person, emoji, on });
      const others = this.reply.reactions.filter((each) => plain(each) !== plain(emoji));
      this.update({ ...this.reply, rating, reactions: on ? [...others, emoji] : others });
      this.element.focus({ preventScroll: true });
      await page.refreshSelf();
    });
  }

  /** The search's other finished branches, one at a time. */
  pageOthers(index) {
    const { alternatives } = this.reply;
    const shown = alternatives[index];
    const go = (step) => this.pageOthers((index + step + alternatives.length) % alternatives.length);
    put(
      this.others,
      h("section", { class: "other", "aria-label": `Other answer ${index + 1} of ${alternatives.length}` },
        h("div", { class: "other-bar" },
          iconButton("The one before", ICONS.left, () => go(-1)),
          h("span", { "aria-live": "polite" }, `${index + 1} of ${alternatives.length}`),
          iconButton("The next one", ICONS.right, () => go(1)),
          h("span", { class: "faint" }, `score ${shown.score.toFixed(2)}`),
          iconButton("Close the other answers", ICONS.close, () => put(this.others), { class: "icon-button last" })),
        h("div", { class: "reply-text" }, rendered(shown.text)),
        button("Take this one", () => this.take(shown.id), { icon: ICONS.check, kind: "plain" })),
    );
    this.others.querySelector("button:nth-of-type(2)")?.focus();
  }

  async take(alternative) {
    const { page, reply } = this;
    await page.guard(async () => {
      const taken = await page.api.post(`/api/replies/${reply.id}/choose`, { person: page.person, alternative }, { wait: 10 });
      put(this.others);
      this.update(taken);
      toast(alternative === reply.id ? "Noted: you preferred the answer as it is." : "Taken. That this one was better will be learned.");
      this.element.focus({ preventScroll: true });
    });
  }

  /** Now and then two answers stand side by side, where the choice would teach most. */
  drawDuel() {
    const other = this.reply.alternatives.find((each) => each.id === this.reply.duel);
    if (!other) return put(this.body, rendered(this.reply.text));
    const side = (text, id, label) => h("div", { class: "side" }, h("div", { class: "reply-text" }, rendered(text)),
      button(label, () => this.take(id), { kind: "plain", icon: ICONS.check }));
    return put(
      this.body,
      h("p", { class: "duel-question" }, "Which is better? Your choice teaches most here."),
      h("div", { class: "duel" }, side(this.reply.text, this.reply.id, "The first"), side(other.text, other.id, "The second")),
    );
  }

  key(event) {
    if (event.target !== this.element || event.ctrlKey || event.metaKey || event.altKey) return;
    const rating = Number(event.key);
    const doings = {
      e: () => this.pick(this.reactions.querySelector(".react")),
      r: () => this.thread.write(),
      o: () => this.reply.alternatives.length && this.pageOthers(0),
      w: () => this.page.why.show(this.reply),
    };
    if (rating >= 1 && rating <= 5) this.toggle(emojiOf(this.page.about, rating));
    else if (doings[event.key]) doings[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
