// The keyboard: moving among answers, and the keys that work anywhere. Shown by "?".

import { button, byId, h } from "./dom.js";

const KEYS = [
  ["/", "Write a message"],
  ["n", "New conversation"],
  ["p", "Your panel: notes, ratings, LoRAs"],
  ["j  k", "The next, the previous answer"],
  ["1 … 5", "Rate the answer"],
  ["e", "React with an emoji"],
  ["r", "Reply under the answer: teach"],
  ["o", "Other answers"],
  ["w", "Why this answer?"],
  ["Esc", "Close what is open"],
  ["?", "This list"],
];

export function keepKeys(page) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
    const doings = {
      "/": () => page.composer.field.focus(),
      n: () => page.guard(() => page.open(null)),
      p: () => page.panel.show(),
      j: () => step(1),
      k: () => step(-1),
      "?": () => showKeys(),
      Escape: () => page.drawer.close(),
    };
    if (!doings[event.key]) return;
    event.preventDefault();
    doings[event.key]();
  });
}

function isWriting(element) {
  return element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName) || Boolean(element.closest?.("dialog"));
}

function step(by) {
  const answers = [...byId("log").querySelectorAll(".reply")];
  const here = answers.indexOf(document.activeElement.closest(".reply"));
  const next = here < 0 ? (by > 0 ? 0 : answers.length - 1) : here + by;
  answers[Math.max(0, Math.min(answers.length - 1, next))]?.focus();
}

export function showKeys() {
  const dialog = h("dialog", { class: "dialog", "aria-label": "Keys", onclose: (event) => event.target.remove() },
    h("h2", {}, "Keys"),
    h("dl", { class: "keys" }, KEYS.map(([key, what]) => [h("dt", {}, key.split(/\s+/).map((each) => each === "…" ? " … " : h("kbd", {}, each))), h("dd", {}, what)])),
    h("p", { class: "faint" }, "The keys for an answer work while it is selected: press j or k first."),
    h("div", { class: "row end" }, button("Close", () => dialog.close(), { kind: "primary" })));
  document.body.append(dialog);
  dialog.showModal();
}

/** Ask before something that cannot be taken back; resolves to true or false. */
export function confirmed(title, text, { action, word = null }) {
  return new Promise((resolve) => {
    const field = word && h("input", { type: "text", "aria-label": `Type ${word} to confirm`, placeholder: word, autocomplete: "off" });
    const go = h("button", { type: "submit", class: "button danger", disabled: Boolean(word) }, action);
    field?.addEventListener("input", () => { go.disabled = field.value.trim() !== word; });
    const dialog = h("dialog", { class: "dialog", "aria-label": title, onclose: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } },
      h("form", { method: "dialog", onsubmit: (event) => { event.preventDefault(); dialog.close("yes"); } },
        h("h2", {}, title), h("p", {}, text), field,
        h("div", { class: "row end" }, button("Cancel", () => dialog.close("no"), { kind: "plain" }), go)));
    document.body.append(dialog);
    dialog.showModal();
  });
}
