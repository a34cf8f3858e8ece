// The two questions before the chat: the token, where the address had none, and a name.

import { byId, h, put } from "./dom.js";

/** Ask for the token that Nightloom printed. */
export function askToken(reason) {
  return ask({
    title: "Nightloom is locked",
    text: "Open the address that Nightloom printed when it started, or paste its token here.",
    label: "Token",
    type: "password",
    action: "Open",
    reason,
  });
}

/** Ask how to call the person. */
export function askName() {
  return ask({
    title: "Welcome to Nightloom",
    text: "It learns how you like to be answered. Everything you teach is kept under the name you give here, on this server alone.",
    label: "Your name",
    type: "text",
    action: "Start talking",
    pattern: "[^\\s:\\/\\\\][^:\\/\\\\]{0,63}",
    hint: "Up to 64 characters, without : / and \\",
  });
}

function ask({ title, text, label, type, action, reason = null, pattern = null, hint = null }) {
  const gate = byId("gate");
  return new Promise((resolve) => {
    const field = h("input", { id: "gate-field", type, required: true, autocomplete: "off", spellcheck: "false", pattern, title: hint, maxlength: "200" });
    const form = h(
      "form",
      {
        class: "gate-card",
        onsubmit: (event) => {
          event.preventDefault();
          gate.hidden = true;
          put(gate);
          resolve(field.value.trim());
        },
      },
      h("img", { src: "/web/icon.svg", alt: "", width: "56", height: "56" }),
      h("h1", {}, title),
      h("p", {}, text),
      reason && h("p", { class: "problem", role: "alert" }, reason),
      h("label", { for: "gate-field" }, label),
      field,
      h("button", { type: "submit", class: "button primary" }, action),
    );
    put(gate, form);
    gate.hidden = false;
    field.focus();
  });
}
