// What Anthropic's client for JavaScript does.
//
// usage: NODE_PATH=.../node_modules node anthropic_checks.cjs URL KEY
// prints a line of JSON for each check

"use strict";

const assert = require("node:assert/strict");
const Anthropic = require("@anthropic-ai/sdk");
const { Server, report } = require("./checking.cjs");

const [url, key] = process.argv.slice(2);
const server = new Server(url, key);

const SAID = "Grüße, house.";
const BRIEF = { model: "claude", messages: [{ role: "user", content: "Say hello." }], max_tokens: 20 };
// An answer that is the same every time, whatever the model would rather say.
const SAY = { ...BRIEF, grammar: `root ::= "${SAID}"` };
const CALL = {
  ...BRIEF,
  max_tokens: 60,
  tools: [
    {
      name: "turn_on",
      description: "Turn on the light of a room",
      input_schema: { type: "object", properties: { room: { enum: ["hall"] } }, required: ["room"] },
    },
  ],
  tool_choice: { type: "tool", name: "turn_on", disable_parallel_tool_use: true },
};
const ENDLESS = { ...BRIEF, max_tokens: 2000, ban_eos_token: true };

const CHECKS = {
  async models(client) {
    const page = await client.models.list();
    assert.equal((await client.models.retrieve(page.data[0].id)).id, page.data[0].id);
  },

  async messages(client) {
    const answer = await client.messages.create(SAY);
    assert.deepEqual(
      answer.content.map((block) => [block.type, block.text]),
      [["text", SAID]],
    );
    assert.equal(answer.stop_reason, "end_turn");
  },

  async stream(client) {
    let text = "";
    const stream = client.messages.stream(SAY).on("text", (delta) => {
      text += delta;
    });
    assert.equal(await stream.finalText(), SAID);
    assert.equal(text, SAID);
  },

  async tools(client) {
    const [call] = (await client.messages.create(CALL)).content;
    assert.equal(call.type, "tool_use");
    assert.deepEqual(call.input, { room: "hall" });
  },

  async tools_stream(client) {
    const [call] = (await client.messages.stream(CALL).finalMessage()).content;
    assert.deepEqual(call.input, { room: "hall" });
  },

  async count_tokens(client) {
    const { max_tokens: _, ...body } = BRIEF;
    assert.ok((await client.messages.countTokens(body)).input_tokens > 10);
  },

  async errors(client) {
    await assert.rejects(client.withOptions({ apiKey: "wrong" }).messages.create(BRIEF), Anthropic.AuthenticationError);
    await assert.rejects(client.messages.create({ ...BRIEF, messages: [] }), Anthropic.BadRequestError);
    await assert.rejects(client.models.retrieve("nothing"), Anthropic.NotFoundError);
  },

  async closing_a_stream(client) {
    const stream = await client.messages.create({ ...ENDLESS, stream: true });
    for await (const event of stream) {
      assert.equal(event.type, "message_start");
      break;
    }
    await server.waitUntilFree();
  },
};

report(CHECKS, new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 60_000 }));
