// npm oidc-provider with client credentials and a JWT as access token: issuer.mjs ALG PORT. Keys and secret are made here; the secret is printed.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const [, , alg, port] = process.argv;
const pair = alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = alg === 'RS256' ? pair : generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = (key, kid, name) => ({ ...key.privateKey.export({ format: 'jwk' }), kid, alg: name, use: 'sig' });
const secret = randomBytes(24).toString('base64url');
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: alg === 'RS256' ? [jwk(pair, 'r1', 'RS256')] : [jwk(rsa, 'r1', 'RS256'), jwk(pair, 'e1', 'ES256')] },
  clients: [{
    client_id: 'ci', client_secret: secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  scopes: ['api'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:kube',
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'api', audience: 'kube', accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg } } }),
    },
  },
});
provider.on('server_error', (_, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log('secret ' + secret));
