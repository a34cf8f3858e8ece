// The person's panel: what was taught, what is learned from it, and everything that can be done with both.

import { ago, button, h, ICONS, iconButton, put, toast } from "./dom.js";
import { MODES } from "./composer.js";
import { drawCurve } from "./curve.js";
import { confirmed } from "./keys.js";
import { rendered } from "./markdown.js";
import { facts, section } from "./why.js";

const NIGHT_WAIT_MS = 1500;
const percent = (share) => `${Math.round(100 * share)}%`;
const FIGURES = [
  ["wanted_before", "As wanted before", percent],
  ["wanted_after", "As wanted after", percent],
  ["probability_better", "Probably better", percent],
  ["train_s", "Training", (seconds) => `${seconds.toFixed(0)} s`],
];

export class Panel {
  constructor(page) {
    this.page = page;
    this.nightPlace = h("div", { class: "night", "aria-live": "polite" });
    this.comparePlace = h("div", {});
  }

  get path() {
    return `/api/people/${encodeURIComponent(this.page.person)}`;
  }

  async show() {
    this.page.sidebar.toggle(false);
    this.page.drawer.open("panel", this.page.person, this.drawn());
    await this.page.guard(() => this.page.refreshSelf());
  }

  /** Drawn anew only where something has changed: a button that goes while it is pressed was not pressed. */
  refresh() {
    const { body, kind } = this.page.drawer;
    if (kind !== "panel" || JSON.stringify(this.page.self) === this.shown) return;
    if (body.contains(document.activeElement) && document.activeElement.matches("input[type=text], textarea")) return;
    const held = document.activeElement?.dataset?.keep;
    this.page.drawer.fill("panel", this.drawn());
    if (held) body.querySelector(`[data-keep="${held}"]`)?.focus();
  }

  drawn() {
    const { self } = this.page;
    this.shown = JSON.stringify(self);
    if (!self) {
      return [h("p", {}, "Nothing is kept of you yet. Ask something, or bring what you taught elsewhere."), this.data(), this.theme()];
    }
    return [this.numbers(self), this.notes(self), this.switches(self), this.nights(self), this.compare(), this.data(), this.theme()];
  }

  numbers({ ratings, notes, live }) {
    const number = (value, label) => h("div", {}, h("strong", {}, value), h("span", {}, label));
    return h("div", { class: "numbers" },
      number(String(ratings.count), "ratings"),
      number(ratings.mean === null ? "–" : ratings.mean.toFixed(1), "mean, of 5"),
      number(String(notes.length), notes.length === 1 ? "note" : "notes"),
      number(live ? `v${live}` : "–", "LoRA live"));
  }

  notes({ notes }) {
    if (!notes.length) return section("Notes", h("p", { class: "faint" }, "None yet. Reply under an answer, as “shorter, please”, and it is noted here."));
    return section("Notes", h("ul", { class: "notes" }, notes.map((note) =>
      h("li", {},
        h("div", {}, h("p", {}, note.text), h("p", { class: "faint" }, `from “${note.from}”`)),
        iconButton(`Delete the note: ${note.text}`, ICONS.bin, () => this.deleteNote(note.id))))));
  }

  async deleteNote(id) {
    await this.page.guard(async () => {
      await this.page.api.delete(`${this.path}/notes/${encodeURIComponent(id)}`);
      await this.page.refreshSelf();
      toast("The note is gone; the next answer is made without it.");
    });
  }

  switches(self) {
    const change = (values) => {
      this.shown = null; // a change that is refused is taken back on the page
      return this.page.guard(() => this.page.changeSelf(values));
    };
    const one = (name, label, text) => h("label", { class: "switch" },
      h("span", {}, h("strong", {}, label), h("span", { class: "faint" }, text)),
      h("input", { type: "checkbox", role: "switch", "data-keep": name, checked: self[name] === true, onchange: (event) => change({ [name]: event.target.checked }) }));
    const zones = Intl.supportedValuesOf("timeZone");
    const zone = zones.includes(self.timezone) ? zones : [self.timezone, ...zones];
    return section("How it learns and answers",
      one("learning", "Learn from me", self.learning === null ? "Not answered yet" : "By night, into a LoRA of your own"),
      one("memory", "Memory", "Answer with your notes and your best-rated answers"),
      one("lora", "LoRA", "Answer with what the nights have trained"),
      h("label", { class: "switch" }, h("span", {}, h("strong", {}, "Search"), h("span", { class: "faint" }, "How much an answer may cost")),
        h("select", { "data-keep": "mode", onchange: (event) => change({ mode: event.target.value }) },
          MODES.slice(1).map(([value, label]) => h("option", { value, selected: value === self.mode }, label)))),
      h("label", { class: "switch" }, h("span", {}, h("strong", {}, "Time zone"), h("span", { class: "faint" }, "Nights are yours, not the server's")),
        h("select", { "data-keep": "timezone", onchange: (event) => change({ timezone: event.target.value }) },
          zone.map((name) => h("option", { value: name, selected: name === self.timezone }, name.replaceAll("_", " "))))));
  }

  nights(self) {
    const { versions, live } = self;
    return section("Nights",
      drawCurve(self.curve),
      versions.length ? h("ol", { class: "versions", reversed: true }, [...versions].reverse().map((each) => this.version(each, live)))
        : h("p", { class: "faint" }, "No LoRA yet. About twenty reactions and remarks are enough for a first one."),
      h("div", { class: "row" },
        button("Learn now", () => this.learnNow(), { icon: ICONS.moon, kind: "primary" }),
        live !== null && button("Undo the last night", () => this.undo(), { kind: "plain" })),
      this.nightPlace);
  }

  version({ version, state, reason, metrics, at }, live) {
    const measured = FIGURES.filter(([name]) => typeof metrics[name] === "number");
    return h("li", { class: version === live ? "live" : "" },
      h("div", { class: "version-bar" }, h("strong", {}, `Version ${version}`), h("span", { class: "chip" }, version === live ? "live" : state), at && h("time", { class: "faint", datetime: at }, ago(at))),
      reason && h("p", { class: "faint" }, reason),
      measured.length ? facts(Object.fromEntries(measured.map(([name, label, say]) => [label, say(metrics[name])]))) : null);
  }

  async undo() {
    await this.page.guard(async () => {
      const { live } = await this.page.api.post(`${this.path}/undo`, undefined);
      await this.page.refreshSelf();
      toast(live === null ? "Undone: the base model answers now." : `Undone: version ${live} answers now.`);
    });
  }

  async learnNow() {
    const { page } = this;
    put(this.nightPlace, this.nightLine("Looking at what you taught…", null));
    const begun = await page.guard(() => page.api.post("/api/nights", { people: [page.person] }));
    return begun ? this.follow(begun) : put(this.nightPlace);
  }

  /** Until it is known what came of the night for this person; the others' part in it may take longer. */
  async follow(night) {
    this.followed = night.id;
    while (night?.state === "running" && !this.mine(night)?.outcome) {
      await new Promise((wake) => setTimeout(wake, NIGHT_WAIT_MS));
      night = await this.howFar(night);
    }
    return night ? this.nightEnded(night) : put(this.nightPlace);
  }

  mine(night) {
    return night.people.find((each) => each.person === this.page.person);
  }

  /** The night as it stands now; null: that was refused, and said. A service that is away comes back. */
  async howFar(night) {
    try {
      return await this.page.api.get(`/api/nights/${night.id}`);
    } catch (error) {
      const isRefused = error.status >= 400 && error.status < 500;
      if (!isRefused) return night;
      await this.page.guard(() => { throw error; });
      return null;
    }
  }

  /** What is heard of a night. The end of one that nobody follows here is looked up. */
  async night({ night, phase, done, total }) {
    if (phase === "done" && night !== this.followed) return this.follow({ id: night, state: "running", people: [] });
    return put(this.nightPlace, this.nightLine(`${phase[0].toUpperCase()}${phase.slice(1)}`, total ? done / total : null));
  }

  nightLine(words, share) {
    const fill = h("div", { class: "bar-fill" });
    fill.style.width = `${Math.round(100 * (share ?? 0))}%`;
    return h("div", { class: "weaving" }, h("span", { class: "shuttle", "aria-hidden": "true" }, h("i")), h("span", {}, words),
      h("div", { class: "bar-track", role: "progressbar", "aria-label": "Night", "aria-valuenow": String(Math.round(100 * (share ?? 0))), "aria-valuemin": "0", "aria-valuemax": "100" }, fill));
  }

  async nightEnded(night) {
    const mine = this.mine(night);
    const said = {
      promoted: `Version ${mine?.version} won and is live.`,
      kept: "The old one stays: the new one was not surely better.",
      skipped: "Nothing was trained.",
      failed: "The night failed; what you taught is kept.",
    }[mine?.outcome ?? (night.state === "failed" ? "failed" : "skipped")];
    put(this.nightPlace, h("p", { class: "verdict" }, h("strong", {}, said), " ", mine?.reason ?? night.problem ?? ""));
    await this.page.guard(() => this.page.refreshSelf());
  }

  compare() {
    const field = h("input", { type: "text", "aria-label": "A prompt to compare with", placeholder: "A prompt, for both", maxlength: "2000" });
    const run = async (event) => {
      event.preventDefault();
      if (!field.value.trim()) return;
      put(this.comparePlace, h("p", { class: "faint" }, "Both are answering…"));
      const both = await this.page.guard(() => this.page.api.post(`${this.path}/compare`, { text: field.value.trim() }));
      put(this.comparePlace, both && h("div", { class: "duel" },
        h("div", { class: "side" }, h("h4", {}, "The base"), h("div", { class: "reply-text" }, rendered(both.base))),
        h("div", { class: "side" }, h("h4", {}, both.lora ? "Yours" : "Yours: notes alone"), h("div", { class: "reply-text" }, rendered(both.own)))));
    };
    return section("Compare", h("p", { class: "faint" }, "The same question to the base model and to what you taught."),
      h("form", { class: "row", onsubmit: run }, field, h("button", { type: "submit", class: "button plain" }, "Compare")), this.comparePlace);
  }

  data() {
    const file = h("input", { type: "file", class: "visually-hidden", id: "import-file", accept: ".zip,.json,.jsonl,.txt,.md", tabindex: "-1", "aria-label": "A file to import", onchange: () => this.import(file) });
    return section("Your data",
      h("p", { class: "faint" }, "Everything you taught fits into one archive: feedback, notes, the live LoRA."),
      h("div", { class: "row" },
        button("Export", () => this.export(), { icon: ICONS.down, kind: "plain" }),
        button("Import", () => file.click(), { icon: ICONS.up, kind: "plain" }),
        file,
        this.page.self && button("Forget me", () => this.forget(), { icon: ICONS.bin, kind: "plain danger-text" }),
        button("Switch person", () => this.leave(), { kind: "link" })));
  }

  async export() {
    await this.page.guard(async () => {
      const archive = await this.page.api.get(`${this.path}/export`);
      const address = URL.createObjectURL(archive);
      h("a", { href: address, download: `nightloom-${this.page.person.replaceAll(":", "-")}.zip` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    });
  }

  async import(field) {
    const [file] = field.files;
    field.value = "";
    if (!file) return;
    await this.page.guard(async () => {
      const said = await this.page.api.post(`${this.path}/import`, file);
      await this.page.refreshSelf();
      await this.page.refreshConversations();
      toast(said.text || "Imported.");
    });
  }

  async forget() {
    const { page } = this;
    const text = "Every message, rating, note and LoRA of yours is erased from this server, at once and for good. Export first if you may want it back.";
    if (!(await confirmed("Forget everything?", text, { action: "Erase it all", word: page.person }))) return;
    await page.guard(async () => {
      const { counts } = await page.api.delete(this.path);
      const erased = Object.values(counts).reduce((sum, each) => sum + each, 0);
      page.drawer.close();
      await page.enter();
      toast(`Forgotten: ${erased} things were erased.`);
    });
  }

  async leave() {
    const { askName } = await import("./gate.js");
    await this.page.become(await askName());
  }

  theme() {
    const now = document.documentElement.dataset.theme;
    return section("Look", h("div", { class: "segments", role: "radiogroup", "aria-label": "Look" }, ["auto", "light", "dark"].map((name) =>
      h("label", {}, h("input", { type: "radio", name: "theme", value: name, checked: name === now, onchange: () => this.page.theme(name) }), h("span", {}, name)))));
  }
}
