// The learning curve: how the live answers did on held-back feedback, night by night.

import { h, s } from "./dom.js";

const WIDTH = 340;
const HEIGHT = 96;
const MARGIN = 18;
const SCORES = ["new", "candidate", "score", "win_rate", "held_out", "new_score"];

export function drawCurve(versions) {
  const points = versions.map((each) => ({ version: each.version, state: each.state, score: scoreOf(each.metrics) })).filter((each) => each.score !== null);
  if (points.length < 2) return null;
  const scores = points.map((each) => each.score);
  const low = Math.min(...scores);
  const span = Math.max(...scores) - low || 1;
  const x = (index) => MARGIN + ((WIDTH - 2 * MARGIN) * index) / (points.length - 1);
  const y = (score) => HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * (score - low)) / span;
  return h("figure", { class: "curve" },
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `From ${scores[0].toFixed(2)} to ${scores.at(-1).toFixed(2)} over ${points.length} nights` },
      s("polyline", { points: points.map((each, index) => `${x(index)},${y(each.score)}`).join(" ") }),
      points.map((each, index) => s("circle", { cx: x(index), cy: y(each.score), r: 4, class: each.state === "rejected" ? "hollow" : "" },
        s("title", {}, `Version ${each.version}: ${each.score.toFixed(2)}`)))),
    h("figcaption", { class: "faint" }, "On requests held back from training, night by night"));
}

function scoreOf(metrics) {
  const name = SCORES.find((each) => typeof metrics[each] === "number");
  return name ? metrics[name] : null;
}
