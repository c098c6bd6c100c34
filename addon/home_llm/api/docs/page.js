"use strict";

// Shows the OpenAPI document, and sends what is typed. Addresses are relative, so that they hold behind a proxy too.
(() => {
  const STREAMS = ["text/event-stream", "application/x-ndjson"];
  const byId = (id) => document.getElementById(id);
  let api = {};

  const make = (tag, parent, text, attributes) => {
    const node = document.createElement(tag);
    if (text !== undefined) {
      node.textContent = text;
    }
    for (const [name, value] of Object.entries(attributes || {})) {
      node.setAttribute(name, value);
    }
    parent.append(node);
    return node;
  };

  const follow = (schema) => {
    let found = schema || {};
    while (found.$ref) {
      found = api.components.schemas[found.$ref.split("/").pop()];
    }
    return found;
  };

  const isNull = (schema) => schema.type === "null";

  // What a value may be, in a few words. That most fields may also be null is not worth saying of each.
  const kind = (schema) => {
    const found = follow(schema);
    if (found.anyOf) {
      return [...new Set(found.anyOf.filter((one) => !isNull(one)).map(kind))].join(" or ") || "null";
    }
    if (found.const !== undefined) {
      return JSON.stringify(found.const);
    }
    if (found.enum) {
      return found.enum.map((one) => JSON.stringify(one)).join(" or ");
    }
    if (found.type === "array") {
      return `list of ${kind(found.items || {})}`;
    }
    if (found.properties) {
      return `object with ${Object.keys(found.properties).join(", ")}`;
    }
    return found.type || "any value";
  };

  // The fields of an object, or of all that it may be.
  const fieldsOf = (schema) => {
    const found = follow(schema);
    if (found.type === "array") {
      return fieldsOf(found.items);
    }
    const required = found.required || [];
    const own = Object.entries(found.properties || {}).map(([name, value]) => [name, value, required.includes(name)]);
    const fields = new Map(own.map((field) => [field[0], field]));
    for (const one of found.anyOf || []) {
      for (const field of fieldsOf(one)) {
        fields.set(field[0], field);
      }
    }
    return [...fields.values()];
  };

  const table = (title, schema, parent) => {
    const fields = fieldsOf(schema);
    if (!fields.length) {
      return;
    }
    const box = make("details", parent);
    const summary = make("summary", box, `${title} `);
    make("span", summary, String(fields.length), { class: "count" });
    const rows = make("tbody", make("table", box, undefined, { "aria-label": title }));
    for (const [name, value, required] of fields) {
      const row = make("tr", rows);
      make("code", make("th", row, undefined, { scope: "row" }), name);
      const preset = value.default === undefined || value.default === null ? "" : `, else ${JSON.stringify(value.default)}`;
      make("td", row, kind(value) + (required ? ", required" : "") + preset);
    }
  };

  const needs = (operation) => {
    const keys = (operation.security || []).flatMap((each) => Object.keys(each));
    return keys.length === 0 ? "no key" : keys.includes("api_key") ? "" : "admin key";
  };

  const fill = (path, inputs) => {
    let target = path.slice(1);
    const query = new URLSearchParams();
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") {
        const value = input.value.split("/").map(encodeURIComponent).join("/");
        target = target.replace(`{${parameter.name}}`, value);
      } else if (input.value) {
        query.set(parameter.name, input.value);
      }
    }
    return (target || ".") + (query.size ? `?${query}` : "");
  };

  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

  const asCurl = (method, target, body, keyed) => {
    const words = ["curl", "-N", ...(method === "GET" ? [] : ["-X", method]), quoted(new URL(target, document.baseURI).href)];
    if (keyed) {
      words.push("-H", '"Authorization: Bearer $KEY"');
    }
    if (body !== undefined) {
      words.push("-H", "'Content-Type: application/json'", "-d", quoted(body));
    }
    return words.join(" ");
  };

  const pretty = (text) => {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  };

  // Send, and show what comes while it comes.
  const send = async (method, target, body, signal, show) => {
    const headers = {};
    const key = byId("key").value.trim();
    if (key) {
      headers.Authorization = `Bearer ${key}`;
    }
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
    }
    const begun = performance.now();
    const took = () => `${((performance.now() - begun) / 1000).toFixed(2)} s`;
    show("Waiting for the answer.", "");
    try {
      const answer = await fetch(target, { method, headers, body, signal, cache: "no-store" });
      const status = `${answer.status} ${answer.statusText}`.trim();
      const type = (answer.headers.get("Content-Type") || "").split(";")[0];
      let text = "";
      const decoder = new TextDecoder();
      const reader = answer.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        text += decoder.decode(value, { stream: !done });
        if (done) {
          break;
        }
        show(status, type === "application/json" ? "" : text);
      }
      const hint = [401, 403].includes(answer.status) ? " Type the key at the top of this page." : "";
      show(`${status}, ${type || "no body"}, ${took()}.${hint}`, type === "application/json" ? pretty(text) : text, answer.ok);
    } catch (error) {
      show(error.name === "AbortError" ? `Stopped after ${took()}.` : `The request failed: ${error.message}`, undefined, false);
    }
  };

  // The part of a route that is seen when it is open. It is made when it is opened for the first time.
  const details = (path, method, operation, box, id) => {
    const form = make("form", box);
    const inputs = (operation.parameters || []).map((parameter) => {
      const label = make("label", form, parameter.name + (parameter.description ? `: ${parameter.description}` : ""));
      const input = make("input", label, undefined, { autocomplete: "off" });
      input.required = Boolean(parameter.required);
      return [parameter, input];
    });
    const content = operation.requestBody && operation.requestBody.content["application/json"];
    const answers = Object.entries(operation.responses["200"].content || {});
    const media = answers.map(([type]) => type);
    let text;
    if (content) {
      make("label", form, "Body", { for: `${id}-body` });
      text = make("textarea", form, undefined, { id: `${id}-body`, spellcheck: "false", autocomplete: "off" });
      text.value = JSON.stringify(content.example === undefined ? {} : content.example, null, 2);
      text.rows = Math.min(text.value.split("\n").length + 1, 16);
    }
    const body = () => (text && text.value.trim() ? text.value : undefined);

    const actions = make("div", form, undefined, { class: "actions" });
    make("button", actions, "Send", { type: "submit" });
    const stop = make("button", actions, "Stop", { type: "button", class: "quiet" });
    stop.hidden = true;
    const streamed = media.find((type) => STREAMS.includes(type));
    if (text && streamed && media.length > 1) {
      const label = make("label", actions, undefined, { class: "inline" });
      const stream = make("input", label, undefined, { type: "checkbox" });
      label.append("Stream the answer");
      // Ollama streams unless it is told not to.
      const read = () => {
        try {
          const wanted = JSON.parse(text.value).stream;
          stream.checked = streamed === STREAMS[1] ? wanted !== false : wanted === true;
          stream.disabled = false;
        } catch {
          stream.disabled = true;
        }
      };
      text.addEventListener("input", read);
      stream.addEventListener("change", () => {
        text.value = JSON.stringify({ ...JSON.parse(text.value), stream: stream.checked }, null, 2);
        text.dispatchEvent(new Event("input", { bubbles: true }));
      });
      read();
    }

    make("a", actions, "Link to this route", { href: `#${id}` });

    const outcome = make("div", form, undefined, { class: "outcome", role: "status" });
    const output = make("pre", form, undefined, { tabindex: "0", role: "region", "aria-label": "Answer" });
    output.hidden = true;
    const show = (line, shown, good) => {
      outcome.textContent = line;
      outcome.dataset.good = good === undefined ? "" : String(good);
      if (shown !== undefined) {
        const atEnd = output.scrollTop + output.clientHeight >= output.scrollHeight - 4;
        output.textContent = shown;
        output.hidden = !shown;
        // A stream is followed, unless somebody looks at its beginning.
        output.scrollTop = good === undefined && atEnd ? output.scrollHeight : output.scrollTop;
      }
    };
    let running;
    stop.addEventListener("click", () => running && running.abort());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (running) {
        running.abort();
      }
      const mine = new AbortController();
      running = mine;
      stop.hidden = false;
      await send(method.toUpperCase(), fill(path, inputs), body(), mine.signal, (...what) => running === mine && show(...what));
      if (running === mine) {
        running = undefined;
        stop.hidden = true;
      }
    });

    if (content) {
      table("Fields of the body", content.schema, form);
    }
    for (const [type, answer] of answers) {
      table("Fields of the answer", type === "application/json" ? answer.schema : {}, form);
      table("Fields of each part of a stream", answer["x-event-schema"], form);
    }
    const curl = make("details", form);
    make("summary", curl, "With curl");
    const command = make("pre", curl, undefined, { tabindex: "0", role: "region", "aria-label": "Command for curl" });
    const write = () => {
      command.textContent = asCurl(method.toUpperCase(), fill(path, inputs), body(), needs(operation) !== "no key");
    };
    form.addEventListener("input", write);
    write();
  };

  const route = (path, method, operation, parent) => {
    const id = operation.operationId;
    const box = make("details", parent, undefined, { class: "route", id });
    box.dataset.words = `${method} ${path} ${operation.summary}`.toLowerCase();
    const summary = make("summary", box);
    make("span", summary, method.toUpperCase(), { class: "method", "data-method": method });
    make("code", summary, path);
    make("span", summary, operation.summary);
    if (needs(operation)) {
      make("span", summary, needs(operation), { class: "needs" });
    }
    box.addEventListener("toggle", () => {
      if (box.open && !box.querySelector("form")) {
        details(path, method, operation, box, id);
      }
    });
  };

  const search = () => {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const section of document.querySelectorAll("main section")) {
      let here = 0;
      for (const box of section.querySelectorAll("details.route")) {
        box.hidden = !words.every((word) => box.dataset.words.includes(word));
        here += box.hidden ? 0 : 1;
      }
      section.hidden = here === 0;
      found += here;
    }
    byId("state").textContent = words.length ? `${found} ${found === 1 ? "route" : "routes"} found.` : "";
  };

  const openNamed = () => {
    const box = byId(decodeURIComponent(location.hash.slice(1)));
    if (box && box.matches("details.route")) {
      box.open = true;
    }
    if (box) {
      box.scrollIntoView();
    }
  };

  const start = async () => {
    const answer = await fetch("openapi.json");
    if (!answer.ok) {
      throw new Error(`status ${answer.status}`);
    }
    api = await answer.json();
    byId("version").textContent = api.info.version;
    byId("base").textContent = new URL("v1", document.baseURI).href;
    const sections = new Map();
    const section = (tag, description) => {
      if (!sections.has(tag)) {
        const id = `dialect-${sections.size}`;
        const box = make("section", byId("routes"), undefined, { "aria-labelledby": id });
        make("h2", box, tag, { id });
        if (description) {
          make("p", box, description);
        }
        make("a", byId("dialects"), tag, { href: `#${id}` });
        sections.set(tag, box);
      }
      return sections.get(tag);
    };
    for (const tag of api.tags || []) {
      section(tag.name, tag.description);
    }
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        route(path, method, operation, section(operation.tags[0]));
      }
    }
    byId("state").textContent = "";
    byId("search").addEventListener("input", search);
    window.addEventListener("hashchange", openNamed);
    openNamed();
  };

  // Enter in a field of the head must not load the page anew.
  byId("settings").addEventListener("submit", (event) => event.preventDefault());
  start().catch((error) => {
    byId("state").textContent = `The document cannot be read: ${error.message}`;
  });
})();
