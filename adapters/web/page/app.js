// The page as a whole: who speaks, which conversation, what the service says happens. Draws no message.

import { Api, readiness } from "./api.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { byId, h, ICONS, iconButton, put, toast } from "./dom.js";
import { Drawer } from "./drawer.js";
import { askName, askToken } from "./gate.js";
import { newId } from "./ids.js";
import { keepKeys } from "./keys.js";
import { Panel } from "./panel.js";
import { Sidebar } from "./sidebar.js";
import { Why } from "./why.js";

const stored = {
  get: (name) => localStorage.getItem(`nightloom.${name}`),
  set: (name, value) => localStorage.setItem(`nightloom.${name}`, value),
};

const LOOK_MS = 1000;
const READY_LOOK_MS = 8000;

class Page {
  constructor() {
    this.api = new Api(takeToken());
    this.person = takePerson();
    this.isModelMet = false;
    this.about = null; // the service's model, rating emoji and limits
    this.conversation = null; // null: a new one that has no message yet
    this.conversations = [];
    this.self = null; // the person as the service knows them
    this.listening = null;
    this.drawer = new Drawer(byId("drawer"));
    this.sidebar = new Sidebar(this);
    this.chat = new Chat(this);
    this.composer = new Composer(this);
    this.panel = new Panel(this);
    this.why = new Why(this);
  }

  async start() {
    document.documentElement.dataset.theme = stored.get("theme") ?? "auto";
    keepKeys(this);
    byId("scrim").addEventListener("click", () => this.sidebar.toggle(false));
    this.watchReadiness();
    await this.beLetIn();
    if (!this.person) await this.meet(await askName());
    stored.set("person", this.person);
    await this.enter();
  }

  /** Somebody new: their nights are to be by their own clock. */
  async meet(person) {
    this.person = person;
    const path = `/api/people/${encodeURIComponent(person)}`;
    const { timeZone: timezone } = Intl.DateTimeFormat().resolvedOptions();
    await this.guard(async () => {
      const known = await this.api.patch(path, {});
      if (known.learning === null && known.timezone === "UTC" && timezone !== "UTC") await this.api.patch(path, { timezone });
    });
  }

  /** Everything of the person who speaks now. */
  async enter() {
    this.listening?.abort();
    this.listening = new AbortController();
    this.conversation = null;
    await this.refreshSelf();
    await this.refreshConversations();
    const first = location.hash.slice(1) ? decodeURIComponent(location.hash.slice(1)) : null;
    const known = this.conversations.some((line) => line.conversation === first);
    // Whoever has written by now stays with what they wrote.
    if (this.conversation === null) await this.open(known ? first : (this.conversations[0]?.conversation ?? null));
    this.api.listen(this.person, this.listening.signal, {
      opened: () => this.reconnected(),
      broken: (error) => this.disconnected(error),
      heard: (kind, data) => this.heard(kind, data),
    });
  }

  async open(conversation) {
    this.conversation = conversation;
    history.replaceState(null, "", conversation ? `#${encodeURIComponent(conversation)}` : location.pathname);
    this.sidebar.toggle(false);
    this.drawBar();
    this.sidebar.draw();
    await this.chat.open(conversation);
    this.composer.focus();
  }

  /** The name of the conversation that is open, made when its first message is sent. */
  claimConversation() {
    if (!this.conversation) {
      const now = new Date();
      const day = now.toISOString().slice(0, 10);
      this.conversation = `${day}-${newId().slice(0, 6)}`;
      history.replaceState(null, "", `#${encodeURIComponent(this.conversation)}`);
    }
    return this.conversation;
  }

  async refreshSelf() {
    try {
      this.self = await this.api.get(`/api/people/${encodeURIComponent(this.person)}`);
    } catch (error) {
      if (error.status !== 404) throw error;
      this.self = null; // not met yet
    }
    this.drawBar();
    this.sidebar.draw();
    this.panel.refresh();
  }

  async refreshConversations() {
    this.conversations = await this.api.get(`/api/conversations?person=${encodeURIComponent(this.person)}`);
    this.sidebar.draw();
    this.drawBar();
  }

  async changeSelf(change) {
    this.self = await this.api.patch(`/api/people/${encodeURIComponent(this.person)}`, change);
    await this.refreshSelf();
  }

  /** A button under an answer or a notice; what is said to that is given back. */
  async act({ kind, target }) {
    const conversation = this.conversation ?? "page";
    const { notice } = await this.api.post("/api/actions", { person: this.person, conversation, kind, target });
    return notice;
  }

  /** The same, and what is said to it is shown for a moment. */
  async press(action) {
    const notice = await this.act(action);
    if (notice) toast(notice.text);
    return notice;
  }

  drawBar() {
    const line = this.conversations.find((each) => each.conversation === this.conversation);
    const live = this.self?.live ? `Your LoRA, version ${this.self.live}` : "Not taught by night yet";
    put(
      byId("bar"),
      iconButton("Conversations", ICONS.menu, () => this.sidebar.toggle(true), { id: "menu" }),
      h("h1", { class: "title" }, line?.title ?? "New conversation"),
      h("button", { type: "button", class: `chip ${this.self?.live ? "live" : ""}`, title: "Open your panel", onclick: () => this.panel.show() },
        h("span", { class: "dot", "aria-hidden": "true" }), live),
    );
  }

  heard(kind, data) {
    if (kind === "progress") this.chat.progress(data);
    else if (kind === "reply") this.replied(data);
    else if (kind === "notice") this.chat.notice(data);
    else if (kind === "night") this.panel.night(data);
  }

  async replied(reply) {
    await this.chat.replied(reply);
    if (!this.conversations.some((line) => line.conversation === reply.conversation)) await this.refreshConversations();
    if (reply.revises) await this.refreshSelf();
  }

  reconnected() {
    if (this.isBroken) this.guard(() => this.chat.refresh());
    this.isBroken = false;
  }

  disconnected(error) {
    if (error.status === 401) return this.guard(() => { throw error; });
    this.isBroken = true; // the banner says so within a moment, and what was missed is read afterwards
    return null;
  }

  /** Run something that may be refused, and say so where it is. */
  async guard(work) {
    try {
      return await work();
    } catch (error) {
      if (error.status === 401) {
        stored.set("token", "");
        this.api.token = await askToken("The token is wrong, or Nightloom was started with another one.");
        stored.set("token", this.api.token);
        await this.enter();
      } else {
        toast(error.message, { kind: "error" });
      }
      return undefined;
    }
  }

  /** Say what the service is doing whenever it cannot answer. What is asked meanwhile waits there. */
  async watchReadiness() {
    for (;;) {
      const state = await readiness();
      if (!state) banner("error", "Nightloom does not answer.", "Is it running? This page tries again every second; what you sent is kept.");
      else if (!state.store) banner("error", "The database does not answer.", state.detail);
      else if (!state.ready) banner("loading", "Waking up.", `${state.detail} You can write already.`);
      else await this.meetModel(), banner(null);
      await new Promise((wake) => setTimeout(wake, state?.ready ? READY_LOOK_MS : LOOK_MS));
    }
  }

  /** What the model is, once it is found. */
  async meetModel() {
    if (!this.about || this.isModelMet) return;
    this.isModelMet = true; // a backend that echoes has no card to wait for
    this.about = await this.api.get("/api/about").catch(() => this.about);
    if (this.about.card) this.chat.drawModel();
  }

  /** Until the token is right; a service that is not there yet is waited for. */
  async beLetIn() {
    for (let reason = null; ; ) {
      if (this.api.token) {
        try {
          this.about = await this.api.get("/api/about");
          this.composer.field.maxLength = this.about.max_text_chars;
          stored.set("token", this.api.token);
          return;
        } catch (error) {
          if (error.status !== 401) {
            await new Promise((wake) => setTimeout(wake, LOOK_MS));
            continue;
          }
          reason = "That token is wrong, or Nightloom was started with another one.";
        }
      }
      this.api.token = await askToken(reason);
    }
  }

  theme(name) {
    document.documentElement.dataset.theme = name;
    stored.set("theme", name);
  }

  /** Somebody else speaks from this browser. */
  async become(person) {
    await this.meet(person);
    stored.set("person", person);
    this.drawer.close();
    await this.guard(() => this.enter());
  }
}

function banner(kind, title = "", text = "") {
  const element = byId("banner");
  if (element.textContent.trim() === `${kind ? title : ""} ${text}`.trim()) return; // said already, also to screen readers
  element.dataset.kind = kind ?? "";
  put(element, kind && [
    kind === "loading" && h("span", { class: "shuttle", "aria-hidden": "true" }, h("i")),
    h("p", {}, h("strong", {}, title), " ", text),
  ]);
}

/** The token of the page's first load, taken out of the address so that it is not shared with it. */
function takeToken() {
  const address = new URL(location.href);
  const given = address.searchParams.get("token");
  if (given !== null) {
    address.searchParams.delete("token");
    history.replaceState(null, "", address.pathname + address.search + address.hash);
    return given;
  }
  return stored.get("token") ?? "";
}

function takePerson() {
  const address = new URL(location.href);
  const given = address.searchParams.get("person");
  if (given !== null) {
    address.searchParams.delete("person");
    history.replaceState(null, "", address.pathname + address.search + address.hash);
  }
  return given || stored.get("person") || "";
}

const page = new Page();
page.start().catch((error) => banner("error", "Something went wrong.", error.message));
