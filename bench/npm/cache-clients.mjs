// The clients of `bench/run cache`, timed against Lanyard and against Azurite: a JSON line in, a line out (milliseconds and CPU-milliseconds, or a URL). What the clients print is dropped.
import { createRequire } from 'node:module';
import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as http from 'node:http';
import * as path from 'node:path';
import * as readline from 'node:readline';

const [folder, megabytes, account, diskUrl, diskKey, memoryUrl, memoryKey] = process.argv.slice(2);
const say = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;
process.env.GITHUB_WORKSPACE = path.join(folder, 'workspace');
process.env.RUNNER_TEMP = path.join(folder, 'temp');
fs.mkdirSync(process.env.RUNNER_TEMP, { recursive: true });
fs.mkdirSync(path.join(process.env.GITHUB_WORKSPACE, 'd'), { recursive: true });
process.chdir(process.env.GITHUB_WORKSPACE);
const size = Number(megabytes) << 20;
const content = fs.openSync('d/content', 'w');
for (let at = 0; at < size; at += 1 << 24) fs.writeSync(content, crypto.randomBytes(1 << 24));
fs.closeSync(content);
const buffer = Buffer.alloc(size);

const require = createRequire(import.meta.url);
const cache = require('actions-cache-5');
const storage = require('@azure/storage-blob');
const peers = {};
for (const [name, url, key] of [['disk', diskUrl, diskKey], ['memory', memoryUrl, memoryKey]]) {
  const secret = new storage.StorageSharedKeyCredential(account, key);
  const container = new storage.BlobServiceClient(`${url}/${account}`, secret).getContainerClient('bench');
  await container.create();
  peers[name] = { secret, container };
}

// Azurite knows blobs and no cache: what of the cache's own protocol the official client needs, before Azurite's URLs.
const sas = (name, { container, secret } = peers.disk) => `${container.url}/${name}?${storage.generateBlobSASQueryParameters({
  containerName: 'bench', blobName: name, permissions: storage.BlobSASPermissions.parse('rcw'), expiresOn: new Date(Date.now() + 3600_000) }, secret)}`;
const known = new Set();
const answers = {
  CreateCacheEntry: ({ key }) => ({ ok: true, signed_upload_url: sas(key) }),
  FinalizeCacheEntryUpload: ({ key }) => (known.add(key), { ok: true, entry_id: '1' }),
  GetCacheEntryDownloadURL: ({ key }) => (known.has(key) ? { ok: true, signed_download_url: sas(key), matched_key: key } : { ok: false }),
};
const front = http.createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(answers[request.url.split('/').at(-1)](JSON.parse(Buffer.concat(parts)))));
});
await new Promise((done) => front.listen(0, '127.0.0.1', done));

const timed = async (work) => {
  const [began, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
  await work();
  const [took, { user, system }] = [process.hrtime.bigint() - began, process.cpuUsage(cpu)];
  return `${Number(took) / 1e6} ${(user + system) / 1e3}`;
};
const check = (good, what) => {
  if (!good) throw new Error(what);
};
const parallel = { blockSize: 8 << 20, concurrency: 4 };
const operations = {
  front: () => `http://127.0.0.1:${front.address().port}/`,
  sas: ({ peer, name }) => sas(name, peers[peer]),
  drop: ({ peer, name }) => peers[peer].container.deleteBlob(name).then(() => 'done'),
  target: ({ url, token }) => {
    Object.assign(process.env, { ACTIONS_RESULTS_URL: url, ACTIONS_RUNTIME_TOKEN: token, ACTIONS_CACHE_SERVICE_V2: 'true' });
    return 'done';
  },
  save: ({ name }) => timed(async () => check((await cache.saveCache(['d'], name)) > 0, 'not saved')),
  restore: async ({ name }) => {
    fs.rmSync('d', { recursive: true });
    const took = await timed(async () => check((await cache.restoreCache(['d'], name)) === name, 'not restored'));
    check(fs.statSync('d/content').size === size, 'not whole');
    return took;
  },
  up: ({ url }) => timed(() => new storage.BlockBlobClient(url).uploadFile('d/content', parallel)),
  // The second time counts: what an upload left behind for the garbage collector is paid for by who comes next, and so is memory that the host has taken away meanwhile.
  down: async ({ url }) => {
    const load = () => new storage.BlockBlobClient(url).downloadToBuffer(buffer, 0, size, parallel);
    buffer.fill(1);
    await load();
    return timed(load);
  },
};
say('ready\n');
for await (const line of readline.createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  say(`${await operations[asked.op](asked)}\n`);
}
