// Simple markdown as DOM nodes: fences, lists, headings, bold, italics, code, links. Never HTML.

import { button, h, toast } from "./dom.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)\s*$/;
const BULLET = /^\s{0,3}[-*•]\s+(.*)$/;
const NUMBER = /^\s{0,3}(\d{1,9})[.)]\s+(.*)$/;
const HEADING = /^(#{1,4})\s+(.*)$/;
const QUOTE = /^>\s?(.*)$/;
const INLINE = /(`[^`\n]+`|\*\*[^*\n]+\*\*|(?<![\w*])\*[^*\s][^*\n]*\*(?!\w)|https?:\/\/[^\s<>"')\]]+)/;

/** The nodes of a text. */
export function rendered(text) {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const nodes = [];
  for (let at = 0; at < lines.length; ) {
    const [node, next] = block(lines, at);
    if (node) nodes.push(node);
    at = next;
  }
  return nodes;
}

function block(lines, at) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  const fence = line.match(FENCE);
  if (fence) return fenced(lines, at, fence);
  const heading = line.match(HEADING);
  if (heading) return [h("p", { class: "heading" }, inline(heading[2])), at + 1];
  if (BULLET.test(line)) return listed(lines, at, BULLET, "ul", 1);
  if (NUMBER.test(line)) return listed(lines, at, NUMBER, "ol", 2);
  if (QUOTE.test(line)) {
    const [inside, next] = taken(lines, at, (each) => QUOTE.test(each));
    return [h("blockquote", {}, broken(inside.map((each) => each.match(QUOTE)[1]))), next];
  }
  const [inside, next] = taken(lines, at, (each, index) => each.trim() && (index === at || !starts(each)));
  return [h("p", {}, broken(inside)), next];
}

const starts = (line) => [FENCE, BULLET, NUMBER, HEADING, QUOTE].some((form) => form.test(line));

function taken(lines, at, fits) {
  let end = at;
  while (end < lines.length && fits(lines[end], end)) end += 1;
  return [lines.slice(at, end), end];
}

function fenced(lines, at, [, mark, language]) {
  let end = at + 1;
  while (end < lines.length && !(lines[end].trim().startsWith(mark) && /^[`~]+$/.test(lines[end].trim()))) end += 1;
  const code = lines.slice(at + 1, end).join("\n");
  // There is no clipboard where the page came over plain HTTP.
  const copy = navigator.clipboard && button("Copy", async () => {
    await navigator.clipboard.writeText(code);
    toast("Copied");
  }, { kind: "link" });
  const top = h("figcaption", {}, h("span", {}, language || "text"), copy);
  return [h("figure", { class: "code" }, top, h("pre", { tabindex: "0" }, h("code", {}, code))), end + 1];
}

function listed(lines, at, form, tag, group) {
  const [inside, next] = taken(lines, at, (each) => form.test(each));
  const first = tag === "ol" ? Number(inside[0].match(form)[1]) : null;
  const items = inside.map((each) => h("li", {}, inline(each.match(form)[group])));
  return [h(tag, { start: first !== 1 ? first : null }, items), next];
}

function broken(lines) {
  return lines.flatMap((line, index) => (index ? [h("br"), ...inline(line)] : inline(line)));
}

function inline(text) {
  return text.split(INLINE).filter(Boolean).map(span);
}

function span(part) {
  if (part.length > 2 && part.startsWith("`") && part.endsWith("`")) return h("code", {}, part.slice(1, -1));
  if (part.length > 4 && part.startsWith("**") && part.endsWith("**")) return h("strong", {}, part.slice(2, -2));
  if (part.length > 2 && part.startsWith("*") && part.endsWith("*")) return h("em", {}, part.slice(1, -1));
  if (/^https?:\/\//.test(part)) {
    return h("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part);
  }
  return part;
}
