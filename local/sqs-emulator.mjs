// Starts the SQS emulator: node sqs-emulator.mjs PORT [DATA_FOLDER]
// Quiet, on loopback only, ends on SIGTERM. With a data folder its queues outlive it, kill -9 included.
// GET /_requests answers how many requests of each kind there were, for the benchmarks: SQS is paid by the request.
import http from "node:http";
import { Server } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { startFauxqs } from "fauxqs";

// startFauxqs() knows how to persist but listens on every interface, whatever host it is given.
const listen = Server.prototype.listen;
Server.prototype.listen = function (options, ...rest) {
  return listen.call(this, { ...options, host: "127.0.0.1" }, ...rest);
};

// One fsync for each message would be the slowest part of the system. Without it a queue outlives its process, not the machine's crash.
const exec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function (sql) {
  exec.call(this, sql);
  if (sql.includes("journal_mode")) exec.call(this, "PRAGMA synchronous = NORMAL");
};

// A message that is given back (visibility 0) is written with a receive count of NULL, which its column refuses: the request fails, and the
// message is gone until the next start. It keeps the count that it has.
const prepare = DatabaseSync.prototype.prepare;
DatabaseSync.prototype.prepare = function (sql) {
  return prepare.call(this, sql.replace(/(approximate_(?:receive_count|first_receive_timestamp)) = \?/g, "$1 = coalesce(?, $1)"));
};

const requests = {};
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, request, response) {
  if (event === "request") {
    if (request.url === "/_requests") return response.setHeader("content-type", "application/json").end(JSON.stringify(requests));
    const action = request.headers["x-amz-target"]?.split(".").at(-1);
    if (action) requests[action] = (requests[action] ?? 0) + 1;
  }
  return emit.apply(this, arguments);
};

const [port, dataDir] = process.argv.slice(2);
const server = await startFauxqs({ port: Number(port), logger: false, dataDir });

process.on("SIGTERM", async () => {
  await server.stop();
  process.exit(0);
});
