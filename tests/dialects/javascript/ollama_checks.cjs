// What Ollama's client for JavaScript does.
//
// usage: NODE_PATH=.../node_modules node ollama_checks.cjs URL KEY
// prints a line of JSON for each check

"use strict";

const assert = require("node:assert/strict");
const { Ollama } = require("ollama");
const { Server, report } = require("./checking.cjs");

const [url, key] = process.argv.slice(2);
const server = new Server(url, key);

const SAID = '"Grüße, house."';
const HELLO = {
  model: "embedded",
  messages: [{ role: "user", content: "Say hello." }],
  // An answer that is the same every time, whatever the model would rather say.
  format: { const: "Grüße, house." },
};
const ENDLESS = { ...HELLO, format: undefined, options: { num_predict: -1, ignore_eos: true } };

const CHECKS = {
  async list(client) {
    const name = await server.model();
    assert.ok((await client.list()).models.some((model) => model.name === `${name}:latest`));
    assert.equal((await client.ps()).models[0].name, `${name}:latest`);
    assert.ok((await client.show({ model: name })).capabilities.includes("tools"));
  },

  async chat(client) {
    const answer = await client.chat(HELLO);
    assert.equal(answer.message.content, SAID);
    assert.equal(answer.done_reason, "stop");
  },

  async stream(client) {
    let text = "";
    let last;
    for await (const part of await client.chat({ ...HELLO, stream: true })) {
      text += part.message.content;
      last = part;
    }
    assert.equal(text, SAID);
    assert.ok(last.done);
  },

  async generate(client) {
    const body = { model: "embedded", prompt: "Say hello.", format: HELLO.format };
    assert.equal((await client.generate(body)).response, SAID);
  },

  async embed(client) {
    const { embeddings } = await client.embed({ model: "embedded", input: ["the hall light", "the kitchen light"] });
    assert.equal(embeddings.length, 2);
  },

  async errors(client) {
    await assert.rejects(client.chat({ ...HELLO, model: "llama3.2" }), /model 'llama3\.2' not found/);
    const wrongKey = new Ollama({ host: url, headers: { Authorization: "Bearer wrong" } });
    await assert.rejects(wrongKey.list(), /key/);
  },

  async closing_a_stream(client) {
    const stream = await client.chat({ ...ENDLESS, stream: true });
    await assert.rejects(async () => {
      for await (const part of stream) {
        assert.equal(part.done, false);
        stream.abort();
      }
    }, /abort/i);
    await server.waitUntilFree();
  },
};

report(CHECKS, new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } }));
