// Why an answer is as it is: what the prompt held, what the judge asked, the tree, the LoRA, the seed.

import { h, put } from "./dom.js";
import { drawTree } from "./tree.js";

const KINDS = {
  persona: "Who the bot is",
  name: "Whom it talks with",
  fact: "A fact about you",
  note: "A note of yours",
  example: "An earlier answer that you rated",
  user: "You",
  assistant: "Nightloom",
};

export class Why {
  constructor(page) {
    this.page = page;
  }

  async show(reply) {
    const { page } = this;
    page.drawer.open("why", "Why this answer?", h("p", { class: "faint" }, "Looking it up…"));
    const why = await page.guard(() => page.api.get(`/api/replies/${reply.id}/why`));
    if (!why) return page.drawer.close();
    return page.drawer.fill("why", this.drawn(why));
  }

  drawn(why) {
    const tree = why.tree.length > 1 && section(
      "The tree",
      h("p", { class: "faint" }, `${why.tree.length} branches, ${why.tree.filter((node) => node.is_finished).length} finished. Point at one, or walk with the arrow keys, to read it.`),
      drawTree(why.tree),
    );
    return [
      h("p", { class: `verdict ${why.learned_from ? "yes" : "no"}` }, this.learning(why)),
      tree,
      section("What the judge asked", this.questions(why.questions)),
      section("What the prompt held", this.prompt(why.prompt)),
      section("How it was made", facts({
        Search: why.mode,
        Model: why.model,
        LoRA: why.lora ?? "none: the bare base model",
        Seed: why.seed,
        Tokens: `${why.generated_tokens.toLocaleString("en")} generated in ${why.seconds.toFixed(1)} s`,
      })),
    ];
  }

  learning({ learned_from: isLearnedFrom, learned_why: reason }) {
    const said = this.page.self?.learning;
    if (isLearnedFrom) return "It is learned from by night, for you alone.";
    if (said === null || said === undefined) return "It is not learned from by night: you have not said yet whether it may be.";
    return said ? `It is not learned from. ${reason}` : "It is not learned from by night: you switched learning off. The switch is in your panel.";
  }

  questions(questions) {
    if (!questions.length) return h("p", { class: "faint" }, "Nothing: a single sample was taken as it was.");
    return h("ul", { class: "questions" }, questions.map(({ text, yes }) => {
      const percent = Math.round(100 * yes);
      const bar = h("i");
      bar.style.width = `${percent}%`;
      return h("li", {},
        h("span", {}, text),
        h("span", { class: "meter", role: "img", "aria-label": `yes with ${percent} percent` }, bar),
        h("span", { class: "percent", "aria-hidden": "true" }, `${percent}% yes`));
    }));
  }

  prompt(parts) {
    return h("ol", { class: "prompt" }, parts.map(({ kind, text }) =>
      h("li", { "data-kind": kind }, h("span", { class: "part" }, KINDS[kind] ?? kind), h("p", {}, text))));
  }
}

export function section(title, ...content) {
  return h("section", { class: "block" }, h("h3", {}, title), ...content);
}

export function facts(values) {
  const list = h("dl", { class: "facts" });
  put(list, Object.entries(values).map(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]));
  return list;
}
