// The HTTP face: keep-alive, bounded bodies, and a stop that finishes what was begun.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import { Invalid, settle } from "./money.js";
import { normalise } from "./normalise.js";

export const VERSION = readFileSync(new URL("../RELEASE", import.meta.url), "utf8").trim();
const MAXIMUM_BODY = 1 << 20;

class Malformed extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Return a server that is not listening yet. */
export function serve(schedule) {
  const server = createServer((request, response) => {
    answerTo(request, schedule).then(
      ([status, document]) => send(request, response, status, document),
      (error) => {
        if (error instanceof Malformed) response.shouldKeepAlive = false;
        const status = error.status ?? (error instanceof Invalid ? 422 : 500);
        send(request, response, status, { error: error.message });
      },
    );
  });
  server.keepAliveTimeout = 60_000;
  return server;

  function send(request, response, status, document) {
    const body = `${JSON.stringify(document)}\n`;
    response.setHeader("Server", `settlement/${VERSION}`);
    response.setHeader("Content-Type", "application/json");
    response.setHeader("Content-Length", Buffer.byteLength(body));
    if (!server.listening) response.shouldKeepAlive = false;
    response.writeHead(status);
    response.end(request.method === "HEAD" ? undefined : body);
  }
}

async function answerTo(request, schedule) {
  const nothing = [404, { error: `there is nothing at ${request.url}` }];
  if (request.method === "GET" || request.method === "HEAD") {
    if (request.url === "/api/health") return [200, { status: "ok", version: VERSION }];
    if (request.url === "/api/version") return [200, { version: VERSION, schedule }];
    return nothing;
  }
  if (request.method !== "POST") return [501, { error: `no ${request.method} here` }];
  const document = await read(request);
  if (request.url === "/api/settlements") {
    return [200, { schedule, ...settle(document.trades, schedule) }];
  }
  if (request.url === "/api/normalisations") {
    return [200, { records: normalise(document.records) }];
  }
  return nothing;
}

async function read(request) {
  const length = request.headers["content-length"];
  if (request.headers["transfer-encoding"] || length === undefined) {
    throw new Malformed(411, "send a Content-Length");
  }
  if (Number(length) > MAXIMUM_BODY) throw new Malformed(413, `a body may have ${MAXIMUM_BODY} bytes`);
  const parts = [];
  for await (const part of request) parts.push(part);
  let document;
  try {
    document = JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    throw new Invalid("the body is not JSON");
  }
  if (document === null || typeof document !== "object" || Array.isArray(document)) {
    throw new Invalid("the body is not a JSON object");
  }
  return document;
}
