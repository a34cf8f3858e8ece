// Builds DOM nodes. Text only ever enters as text: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: properties beginning with "on" are listeners, null and false are left out. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function s(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Everything in an element replaced. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A button with a text; `icon` is a path of a 24×24 drawing. */
export function button(label, onclick, { icon = null, kind = "quiet", title = null, ...more } = {}) {
  const face = icon ? [drawing(icon), h("span", {}, label)] : [label];
  return h("button", { type: "button", class: `button ${kind}`, onclick, title, ...more }, ...face);
}

/** A button that is only a drawing; the label is for screen readers and the tooltip. */
export function iconButton(label, icon, onclick, more = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...more },
    drawing(icon),
  );
}

export function drawing(path) {
  return s(
    "svg",
    { viewBox: "0 0 24 24", class: "drawing", "aria-hidden": "true" },
    ...[path].flat().map((d) => s("path", { d })),
  );
}

export const ICONS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  send: "M5 12l14-7-4.5 14-3-6z",
  smile: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "M8.5 14.5c1 1.4 2.2 2 3.5 2s2.5-.6 3.5-2", "M9 9.5v.5M15 9.5v.5"],
  teach: ["M4 5h16v11H9l-5 4z", "M8 9h8M8 12.5h5"],
  others: ["M12 4v5", "M12 9c0 4-6 3-6 8v3", "M12 9c0 4 6 3 6 8v3", "M12 9v11"],
  why: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "M9.5 9.5a2.5 2.5 0 1 1 3.600 2.200c-.8.4-1.100.9-1.100 1.800", "M12 16.700v.1"],
  close: "M6 6l12 12M18 6L6 18",
  edit: "M4 20l1-4L16 5l3 3L8 19z",
  bin: ["M5 7h14M10 7V4h4v3", "M7 7l1 13h8l1-13"],
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  check: "M5 12.5l4.5 4.5L19 7",
  copy: ["M9 9h11v11H9z", "M15 9V4H4v11h5"],
  down: "M12 4v12M6 11l6 6 6-6M5 20h14",
  up: "M12 20V8M6 13l6-6 6 6M5 4h14",
  stop: "M7 7h10v10H7z",
  keys: ["M3 7h18v10H3z", "M7 10.5v.1M11 10.5v.1M15 10.5v.1M8 14h8"],
};

/** "3 minutes ago" in the reader's language. */
export function ago(iso, now = Date.now()) {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

/** A short message at the edge that goes away by itself. */
export function toast(text, { kind = "plain", action = null } = {}) {
  const shown = h("div", { class: `toast ${kind}` }, h("span", {}, text));
  if (action) shown.append(button(action.label, () => { shown.remove(); action.run(); }, { kind: "link" }));
  byId("toasts").append(shown);
  setTimeout(() => shown.remove(), kind === "error" ? 9000 : 5000);
}
