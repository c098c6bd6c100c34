// What OpenAI's client for JavaScript does.
//
// usage: NODE_PATH=.../node_modules node openai_checks.cjs URL KEY
// prints a line of JSON for each check

"use strict";

const assert = require("node:assert/strict");
const OpenAI = require("openai");
const { Server, report } = require("./checking.cjs");

const HELLO = [{ role: "user", content: "Say hello." }];
// An answer that is the same every time, whatever the model would rather say.
const SAID = "Grüße, house.";
const SAY = { home_llm: { choice: [SAID] } };
const BRIEF = { model: "any", messages: HELLO, max_tokens: 20, temperature: 0 };
const ROOMS = {
  type: "object",
  properties: { room: { enum: ["hall"] } },
  required: ["room"],
  additionalProperties: false,
};
const LIGHT = { name: "turn_on", description: "Turn on the light of a room", parameters: ROOMS };
const CALL = {
  ...BRIEF,
  tools: [{ type: "function", function: LIGHT }],
  tool_choice: { type: "function", function: { name: "turn_on" } },
  parallel_tool_calls: false,
  max_tokens: 60,
};
const ENDLESS = { model: "any", messages: HELLO, stream: true, ban_eos_token: true };

const CHECKS = {
  async models(client) {
    const { data } = await client.models.list();
    assert.equal(data.length, 1);
    assert.equal((await client.models.retrieve(data[0].id)).id, data[0].id);
  },

  async chat(client) {
    const answer = await client.chat.completions.create({ ...BRIEF, ...SAY });
    assert.equal(answer.choices[0].message.content, SAID);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.total_tokens > 0);
  },

  async chat_stream_with_usage(client) {
    const body = { ...BRIEF, ...SAY, stream: true, stream_options: { include_usage: true } };
    let text = "";
    let last;
    for await (const chunk of await client.chat.completions.create(body)) {
      text += chunk.choices[0]?.delta.content ?? "";
      last = chunk;
    }
    assert.equal(text, SAID);
    assert.deepEqual(last.choices, []);
    assert.ok(last.usage.completion_tokens > 0);
  },

  async stream_helper(client) {
    const runner = client.chat.completions.stream({ ...BRIEF, ...SAY });
    let text = "";
    runner.on("content", (delta) => {
      text += delta;
    });
    assert.equal(await runner.finalContent(), SAID);
    assert.equal(text, SAID);
  },

  async tool_call(client) {
    const { message, finish_reason: reason } = (await client.chat.completions.create(CALL)).choices[0];
    assert.equal(reason, "tool_calls");
    const [call] = message.tool_calls;
    assert.equal(call.function.name, "turn_on");
    assert.deepEqual(JSON.parse(call.function.arguments), { room: "hall" });
    const result = { role: "tool", tool_call_id: call.id, content: "done" };
    const again = { ...BRIEF, messages: [...HELLO, message, result], tools: CALL.tools };
    assert.equal((await client.chat.completions.create(again)).choices[0].message.role, "assistant");
  },

  async tool_call_stream(client) {
    const runner = client.chat.completions.stream(CALL);
    const { message, finish_reason: reason } = (await runner.finalChatCompletion()).choices[0];
    assert.equal(reason, "tool_calls");
    assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { room: "hall" });
  },

  async structured_output(client) {
    const format = { type: "json_schema", json_schema: { name: "light", schema: ROOMS, strict: true } };
    const answer = await client.chat.completions.parse({ ...BRIEF, response_format: format });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { room: "hall" });
  },

  async choices(client) {
    const { choices } = await client.chat.completions.create({ ...BRIEF, ...SAY, n: 2 });
    assert.deepEqual(
      choices.map((choice) => [choice.index, choice.message.content]),
      [
        [0, SAID],
        [1, SAID],
      ],
    );
  },

  async logprobs(client) {
    const body = { ...BRIEF, ...SAY, logprobs: true, top_logprobs: 2 };
    const { content } = (await client.chat.completions.create(body)).choices[0].logprobs;
    assert.equal(Buffer.from(content.flatMap((token) => token.bytes)).toString("utf8"), SAID);
  },

  async completions(client) {
    const body = { model: "any", prompt: "The capital of France is", grammar: 'root ::= " Paris"' };
    assert.equal((await client.completions.create(body)).choices[0].text, " Paris");
    let text = "";
    for await (const chunk of await client.completions.create({ ...body, stream: true })) {
      text += chunk.choices[0].text;
    }
    assert.equal(text, " Paris");
  },

  async embeddings(client) {
    const { data } = await client.embeddings.create({ model: "any", input: ["the hall light", "the kitchen light"] });
    const numbers = await client.embeddings.create({
      model: "any",
      input: "the hall light",
      encoding_format: "float",
    });
    assert.equal(data.length, 2);
    numbers.data[0].embedding.forEach((number, index) => {
      assert.ok(Math.abs(number - data[0].embedding[index]) < 0.01);
    });
  },

  async responses(client) {
    const answer = await client.responses.create({ model: "any", input: "Say hello.", ...SAY });
    assert.equal(answer.output_text, SAID);
    assert.equal(answer.status, "completed");
  },

  async responses_stream(client) {
    const stream = client.responses.stream({ model: "any", input: "Say hello.", ...SAY });
    let text = "";
    stream.on("response.output_text.delta", (event) => {
      text += event.delta;
    });
    assert.equal((await stream.finalResponse()).output_text, SAID);
    assert.equal(text, SAID);
  },

  async errors(client) {
    await assert.rejects(client.withOptions({ apiKey: "wrong" }).models.list(), OpenAI.AuthenticationError);
    const noMessage = client.chat.completions.create({ model: "any", messages: [] });
    await assert.rejects(noMessage, (error) => error instanceof OpenAI.BadRequestError && error.param === "messages");
    await assert.rejects(client.models.retrieve("nothing"), OpenAI.NotFoundError);
  },

  async rate_limit(client) {
    await server.waitUntilFree();
    const places = await server.places();
    const streams = [];
    try {
      for (let number = 0; number < places; number += 1) {
        streams.push(await client.chat.completions.create(ENDLESS));
      }
      await assert.rejects(client.chat.completions.create(BRIEF), OpenAI.RateLimitError);
    } finally {
      streams.forEach((stream) => stream.controller.abort());
    }
    await server.waitUntilFree();
  },

  async closing_a_stream(client) {
    const stream = await client.chat.completions.create(ENDLESS);
    for await (const chunk of stream) {
      assert.equal(chunk.choices.length, 1);
      break;
    }
    await server.waitUntilFree();
  },

  async timing_out(client) {
    const whole = client.chat.completions.create({ ...ENDLESS, stream: false }, { timeout: 1000 });
    await assert.rejects(whole, OpenAI.APIConnectionTimeoutError);
    await server.waitUntilFree();
  },
};

const [url, key] = process.argv.slice(2);
const server = new Server(url, key);
report(CHECKS, new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 60_000 }));
