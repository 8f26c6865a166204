// graphile-worker without a local queue: graphile.mjs SOCKETS USER DATABASE. For each line "N" it queues N jobs that do nothing and answers how many a second were done, at concurrency 10.
import { createInterface } from 'node:readline';
import pg from 'pg';
import { run, runMigrations, Logger } from 'graphile-worker';

const [, , host, user, database] = process.argv;
const pgPool = new pg.Pool({ host, user, database, max: 20 });
const logger = new Logger(() => () => {});
await runMigrations({ pgPool, logger });
for await (const line of createInterface({ input: process.stdin })) {
  const wanted = Number(line);
  await pgPool.query(`select graphile_worker.add_job('nothing', json_build_object('n', n)) from generate_series(1, ${wanted}) n`);
  let done = 0;
  let finished;
  const all = new Promise((resolve) => (finished = resolve));
  const began = process.hrtime.bigint();
  const runner = await run({ pgPool, logger, concurrency: 10, noHandleSignals: true, pollInterval: 200, taskList: { nothing: async () => { if (++done === wanted) finished(); } } });
  await all;
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  await runner.stop();
  console.log(wanted / seconds);
}
