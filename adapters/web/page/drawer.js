// The drawer at the side: one thing at a time, closed with Escape, focus goes back to where it was.

import { h, ICONS, iconButton, put } from "./dom.js";

export class Drawer {
  constructor(element) {
    this.element = element;
    this.kind = null;
    element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  open(kind, title, content) {
    if (!this.kind) this.opener = document.activeElement;
    this.kind = kind;
    this.element.setAttribute("aria-label", title);
    this.body = h("div", { class: "drawer-body" }, content);
    put(
      this.element,
      h("header", { class: "drawer-bar" }, h("h2", { tabindex: "-1" }, title), iconButton("Close", ICONS.close, () => this.close())),
      this.body,
    );
    this.element.hidden = false;
    document.body.dataset.drawer = "open";
    this.element.querySelector("h2").focus();
  }

  fill(kind, content) {
    if (this.kind === kind) put(this.body, content);
  }

  close() {
    if (!this.kind) return;
    this.kind = null;
    this.element.hidden = true;
    delete document.body.dataset.drawer;
    put(this.element);
    this.opener?.isConnected && this.opener.focus();
  }
}
