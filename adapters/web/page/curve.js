// The learning curve: how well answers were as wanted on held-back requests, night by night.

import { h, s } from "./dom.js";

const WIDTH = 340;
const HEIGHT = 120;
const MARGIN = 20;

/** `curve`: one point for each night that measured something; null where there is none. */
export function drawCurve(curve) {
  if (!curve.length) return null;
  const x = (index) => MARGIN + ((WIDTH - 2 * MARGIN) * index) / Math.max(2, curve.length);
  const y = (share) => HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * Math.max(0, Math.min(1, share));
  const levels = [curve[0].before, ...curve.map((point) => (point.is_promoted ? point.after : point.before))];
  const percent = (share) => `${Math.round(100 * share)}%`;
  const marks = curve.map((point, index) => [
    s("line", { x1: x(index + 1), x2: x(index + 1), y1: y(point.low), y2: y(point.high), class: "interval" }),
    s("circle", { cx: x(index + 1), cy: y(point.after), r: 4.5, class: point.is_promoted ? "" : "hollow" },
      s("title", {}, `Night ${index + 1}: ${percent(point.before)} before, ${percent(point.after)} after${point.is_promoted ? "" : ", not promoted"}`)),
  ]);
  return h("figure", { class: "curve" },
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `As wanted: ${percent(levels[0])} before the first night, ${percent(levels.at(-1))} now` },
      s("line", { x1: MARGIN, x2: WIDTH - MARGIN, y1: y(0), y2: y(0), class: "axis" }),
      s("line", { x1: MARGIN, x2: WIDTH - MARGIN, y1: y(1), y2: y(1), class: "axis" }),
      s("polyline", { points: levels.map((level, index) => `${x(index)},${y(level)}`).join(" ") }),
      s("circle", { cx: x(0), cy: y(levels[0]), r: 4.5, class: "hollow" }, s("title", {}, `Before: ${percent(levels[0])}`)),
      marks),
    h("figcaption", { class: "faint" }, `As wanted on requests held back from training: ${percent(levels[0])} before, ${percent(levels.at(-1))} now`));
}
