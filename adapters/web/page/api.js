// Speaks with the service. Knows the calls and their errors, and nothing of the page.

/** A refusal, in words that can be shown. */
export class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const UNREACHABLE = "Nightloom does not answer. Is it running? Nothing that was sent is lost.";

export class Api {
  constructor(token) {
    this.token = token;
  }

  get(path) {
    return this.call("GET", path);
  }

  post(path, body, { wait = 0, key = null } = {}) {
    return this.call("POST", wait ? `${path}?wait=${wait}` : path, { body, key });
  }

  patch(path, body) {
    return this.call("PATCH", path, { body });
  }

  delete(path) {
    return this.call("DELETE", path);
  }

  async call(method, path, { body = undefined, key = null } = {}) {
    const headers = { Authorization: `Bearer ${this.token}` };
    if (key) headers["Idempotency-Key"] = key;
    const isFile = body instanceof Blob;
    if (body !== undefined) headers["Content-Type"] = isFile ? "application/zip" : "application/json";
    const response = await reach(path, {
      method,
      headers,
      body: body === undefined ? undefined : isFile ? body : JSON.stringify(body),
    });
    const isJson = (response.headers.get("Content-Type") ?? "").startsWith("application/json");
    const said = isJson ? await response.json() : await response.blob();
    if (response.ok) return said;
    const { code = "error", message = `The service answered ${response.status}.` } = said.error ?? {};
    throw new Problem(response.status, code, message);
  }

  /** Follow a person's events until `stop` is aborted; comes back by itself after a break. */
  async listen(person, stop, { opened, broken, heard }) {
    let pause = 500;
    while (!stop.aborted) {
      try {
        const response = await reach(`/api/events?person=${encodeURIComponent(person)}`, {
          headers: { Authorization: `Bearer ${this.token}` },
          signal: stop,
        });
        if (!response.ok) throw new Problem(response.status, "events", `The service answered ${response.status}.`);
        pause = 500;
        opened();
        await read(response.body, heard);
        throw new Problem(0, "ended", "The stream of events has ended.");
      } catch (error) {
        if (stop.aborted) return;
        broken(error);
      }
      await new Promise((wake) => setTimeout(wake, pause));
      pause = Math.min(pause * 2, 8000);
    }
  }
}

/** What a service is doing that may not be ready yet. Needs no token. */
export async function readiness() {
  try {
    const response = await fetch("/readyz", { cache: "no-store" });
    return await response.json();
  } catch {
    return null;
  }
}

async function reach(path, options) {
  try {
    return await fetch(path, { cache: "no-store", credentials: "omit", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "unreachable", UNREACHABLE);
  }
}

/** Server-sent events from a stream: `event:` and `data:` lines, a blank line ends one. */
async function read(stream, heard) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      const kind = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (kind && data) heard(kind, JSON.parse(data));
    }
  }
}
