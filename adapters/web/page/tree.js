// The search tree as a picture: branches coloured by score, the chosen path drawn strong.

import { h, put, s } from "./dom.js";

const COLUMN = 60;
const MARGIN = 14;

/** An SVG of the tree, and under it the text of the branch that is pointed at. */
export function drawTree(nodes) {
  const placed = place(nodes);
  const rows = Math.max(...placed.map((node) => node.row));
  const rowHeight = rows > 30 ? 14 : rows > 14 ? 17 : 24;
  for (const node of placed) {
    node.x = MARGIN + COLUMN * node.depth;
    node.y = MARGIN + rowHeight * node.row;
  }
  const width = MARGIN * 2 + COLUMN * Math.max(...placed.map((node) => node.depth));
  const height = MARGIN * 2 + rowHeight * rows;
  const caption = h("figcaption", { class: "branch", "aria-live": "polite" }, "The strong line is the answer that was sent.");
  const byId = new Map(placed.map((node) => [node.id, node]));
  const show = (node) => put(caption,
    h("strong", {}, `${node.is_chosen ? "Chosen" : node.is_finished ? "Finished" : "Given up"}, score ${node.score.toFixed(2)}`),
    h("p", {}, spoken(node, byId)));
  const lines = placed.filter((node) => byId.has(node.parent)).map((node) => line(byId.get(node.parent), node));
  const dots = placed.map((node) => dot(node, show));
  walkable(dots, placed);
  const picture = s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, class: "tree", role: "group", "aria-label": `The search tree with ${nodes.length} branches` },
    lines.sort((a, b) => Number(a.classList.contains("chosen")) - Number(b.classList.contains("chosen"))), dots,
  );
  const frame = h("div", { class: "tree-scroll" }, picture);
  const chosen = placed.filter((node) => node.is_chosen).at(-1);
  requestAnimationFrame(() => { frame.scrollTop = (chosen?.y ?? 0) - frame.clientHeight / 2; });
  return h("figure", { class: "tree-figure" }, frame, caption);
}

/** Depth from the root; leaves get a row each, in order, and a parent sits between its children. */
function place(nodes) {
  const known = new Set(nodes.map((node) => node.id));
  const children = new Map();
  const roots = [];
  for (const node of nodes) {
    if (node.parent === null || !known.has(node.parent)) roots.push(node);
    else children.set(node.parent, [...(children.get(node.parent) ?? []), node]);
  }
  const scores = nodes.map((node) => node.score);
  const low = Math.min(...scores);
  const span = Math.max(...scores) - low || 1;
  const placed = [];
  let row = 0;
  const visit = (node, depth) => {
    const mine = { ...node, depth, share: (node.score - low) / span };
    placed.push(mine);
    const below = (children.get(node.id) ?? []).map((child) => visit(child, depth + 1));
    mine.row = below.length ? (below[0].row + below.at(-1).row) / 2 : row++;
    return mine;
  };
  for (const root of roots) visit(root, 0);
  return placed;
}

function line(from, to) {
  const middle = (from.x + to.x) / 2;
  const path = s("path", {
    d: `M${from.x} ${from.y} C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`,
    class: to.is_chosen ? "limb chosen" : "limb",
  });
  path.style.stroke = to.is_chosen ? "" : colour(to.share);
  return path;
}

function dot(node, show) {
  const circle = s("circle", {
    cx: node.x, cy: node.y, r: node.is_finished ? 6 : 4.5,
    class: ["leaf", node.is_chosen && "chosen", node.is_finished && "finished"].filter(Boolean).join(" "),
    tabindex: "-1", role: "img",
    "aria-label": `${node.is_chosen ? "chosen, " : ""}score ${node.score.toFixed(2)}: ${node.text}`,
    onpointerenter: () => show(node), onfocus: () => show(node), onclick: () => show(node),
  });
  circle.style.fill = colour(node.share);
  return circle;
}

/** One stop for the Tab key; the arrows go on from there. */
function walkable(dots, placed) {
  const first = Math.max(0, placed.findIndex((node) => node.is_chosen));
  dots[first]?.setAttribute("tabindex", "0");
  dots.forEach((each, index) => each.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    dots[index + step]?.focus();
  }));
}

/** From cool and pale, low, to warm and full, high; readable on light and on dark. */
function colour(share) {
  return `oklch(${0.62 + 0.1 * share} ${0.06 + 0.1 * share} ${270 - 200 * share})`;
}

function spoken(node, byId) {
  const parts = [];
  for (let at = node; at; at = byId.get(at.parent)) parts.unshift(at.text);
  return parts.join("") || "The beginning: nothing was said yet.";
}
