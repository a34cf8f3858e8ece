// Which emoji can be picked under an answer, and what each means.

import { h } from "./dom.js";

const WORDS = { 1: "bad", 2: "not good", 3: "neutral", 4: "good", 5: "excellent" };
const FALLBACK = { "👎": 1, "💩": 1, "😕": 2, "😐": 3, "👍": 4, "❤️": 5, "🎉": 5, "🔥": 5, "💯": 5, "1️⃣": 1, "2️⃣": 2, "3️⃣": 3, "4️⃣": 4, "5️⃣": 5 };

/** Every emoji that says something, with its meaning in words. */
export function meanings(about) {
  const ratings = about?.ratings ?? FALLBACK;
  const never = about?.never_learn ?? "🚫";
  return [
    ...Object.entries(ratings).map(([emoji, rating]) => [emoji, `${rating} of 5, ${WORDS[rating]}`]),
    [never, "never learn from this answer"],
  ];
}

/** The emoji of a number key: the first that gives this rating. */
export function emojiOf(about, rating) {
  return Object.entries(about?.ratings ?? FALLBACK).find(([, value]) => value === rating)?.[0];
}

export const plain = (emoji) => emoji.replaceAll("\ufe0f", "");

/** The picker: a grid that is walked with the arrow keys. */
export function picker(about, given, pick, close) {
  const all = meanings(about);
  const cells = all.map(([emoji, meaning], index) =>
    h("button", {
      type: "button",
      class: "emoji",
      "aria-label": `${emoji} ${meaning}`,
      "aria-pressed": String(given.some((each) => plain(each) === plain(emoji))),
      title: meaning,
      tabindex: index ? "-1" : "0",
      onclick: () => pick(emoji),
    }, emoji));
  const walk = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 5, ArrowUp: -5 }[event.key];
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
    if (!step) return;
    event.preventDefault();
    const next = cells[cells.indexOf(document.activeElement) + step];
    next?.focus();
  };
  const box = h("div", { class: "picker", role: "dialog", "aria-label": "React to this answer", onkeydown: walk },
    h("p", { class: "faint" }, "Rate this answer"),
    h("div", { class: "emoji-grid" }, cells));
  requestAnimationFrame(() => cells[0].focus());
  return box;
}
