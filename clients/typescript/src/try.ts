/** Uses the client against a service that runs: `node dist/try.js URL KEY`; ends with an error when something is not as it should be. */
import assert from "node:assert/strict";

import { connect, dataOf, ServiceError, watch, type Frame } from "./index.js";

const [url, key] = process.argv.slice(2);
assert(url !== undefined && key !== undefined, "usage: node dist/try.js URL KEY");
const client = connect({ url, key });

const me = await dataOf(client.GET("/api/v1/me"));
console.log(`${me.user.name} (${me.user.role})`);

const task = await dataOf(
  client.POST("/api/v1/optimize/start", {
    body: {
      strategy_name: "momentum",
      optimization_type: "random",
      optimization_config: { n_calls: 50 },
    },
  }),
);
const frames: Frame[] = [];
let covered = 0;
for await (const frame of watch({ url, key }, task.task_id, "progress", { after: 0 })) {
  if (frame.type === "events") assert.equal(frame.first, covered + 1);
  covered = frame.seq;
  frames.push(frame);
}
const end = frames.at(-1);
assert(end?.type === "end");
assert.equal(end.status, "completed");

const again: Frame[] = [];
for await (const frame of watch({ url, key }, task.task_id, "convergence", { after: covered })) again.push(frame);
assert.equal(again.at(-1)?.seq, covered);

const params = { path: { task_id: task.task_id } };
const result = await dataOf(client.GET("/api/v1/optimize/{task_id}/results", { params }));
console.log(`${frames.length} frames, events to ${covered}, best`, result.best_parameters);

const nobody = dataOf(connect({ url, key: "so_nothing" }).GET("/api/v1/me"));
await assert.rejects(nobody, (error) => error instanceof ServiceError && error.status === 401);
const missing = watch({ url, key }, "opt_nothing");
await assert.rejects(missing.next(), (error) => error instanceof ServiceError && error.status === 404);
console.log("the client works");
