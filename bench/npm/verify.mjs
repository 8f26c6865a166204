// Peers that check tokens. Reads one JSON line with keys, tokens and expectations, then names of checks, one a line, and answers each with
// the checks done in a CPU-second.
import { createInterface } from 'node:readline';
import { createVerifier } from 'fast-jwt';
import * as jose from 'jose';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const given = JSON.parse((await lines.next()).value);
const keys = jose.createLocalJWKSet(given.jwks);
const expected = { issuer: given.issuer, audience: given.audience };
const checks = {};
for (const [alg, token] of Object.entries(given.tokens)) {
  const verify = createVerifier({ key: given.pem[alg], allowedIss: given.issuer, allowedAud: given.audience, algorithms: [alg] });
  checks['fast-jwt ' + alg] = () => verify(token);
  checks['jose ' + alg] = () => jose.jwtVerify(token, keys, { ...expected, algorithms: [alg] });
}

async function run(check, isAsync, ms) {
  let done = 0;
  const began = process.cpuUsage();
  for (;;) {
    for (let i = 0; i < 16; i++) {
      const answer = check();
      if (isAsync) await answer;
    }
    done += 16;
    const used = process.cpuUsage(began);
    if (used.user + used.system >= ms * 1000) return done / ((used.user + used.system) / 1e6);
  }
}

for (const name of Object.keys(checks)) await run(checks[name], name.startsWith('jose'), 250);
console.log('ready');
for await (const name of lines) console.log(await run(checks[name], name.startsWith('jose'), 250));
