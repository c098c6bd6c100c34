// What the programs share that check a client: running the checks, telling how each went, and looking at the server.

"use strict";

const assert = require("node:assert/strict");

/** Run every check with a client, and print a line of JSON for each: its name, and what went wrong or null. */
async function report(checks, client) {
  for (const [check, run] of Object.entries(checks)) {
    let error = null;
    try {
      await run(client);
    } catch (failure) {
      error = failure.stack;
    }
    console.log(JSON.stringify({ check, error }));
  }
}

/** The server, as it tells of itself. */
class Server {
  constructor(url, key) {
    this.url = url;
    this.headers = { Authorization: `Bearer ${key}` };
  }

  /** Return what a route tells. */
  async ask(route) {
    return (await fetch(this.url + route, { headers: this.headers })).json();
  }

  /** Return how many requests have a place, those that wait for one that runs included. */
  async places() {
    return (await this.ask("/props")).places;
  }

  /** Return the name of the model. */
  async model() {
    return (await this.ask("/v1/models")).data[0].id;
  }

  /** Wait until no request has a place. */
  async waitUntilFree() {
    const end = Date.now() + 5000;
    while ((await this.ask("/slots")).some((slot) => slot.is_processing)) {
      assert.ok(Date.now() < end, "a request keeps its place although its client has gone");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

module.exports = { Server, report };
