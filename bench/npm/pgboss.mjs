// pg-boss in batches of 100: pgboss.mjs SOCKETS USER DATABASE. For each line "N" it queues N jobs and answers how many a second were fetched and completed.
import { createInterface } from 'node:readline';
import PgBoss from 'pg-boss';

const [, , host, user, database] = process.argv;
const boss = new PgBoss({ host, user, database, max: 10, supervise: false, schedule: false });
boss.on('error', (error) => { console.error(error); process.exit(1); });
await boss.start();
await boss.createQueue('bench');
for await (const line of createInterface({ input: process.stdin })) {
  const wanted = Number(line);
  for (let made = 0; made < wanted; made += 1000) {
    await boss.insert(Array.from({ length: Math.min(1000, wanted - made) }, (_, n) => ({ name: 'bench', data: { n } })));
  }
  let done = 0;
  const began = process.hrtime.bigint();
  while (done < wanted) {
    const jobs = await boss.fetch('bench', { batchSize: 100 });
    if (jobs.length === 0) break;
    await boss.complete('bench', jobs.map((job) => job.id));
    done += jobs.length;
  }
  console.log(done / (Number(process.hrtime.bigint() - began) / 1e9));
}
