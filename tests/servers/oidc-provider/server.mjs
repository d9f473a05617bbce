// The certified provider, strict: PKCE, refresh tokens that work once, reuse ends the grant.
// With the argument `dpop`, every proof must have a nonce of the server's (RFC 9449 §8), here and at userinfo.
// With `par`, it takes only requests that were pushed (RFC 9126 §5), whoever the client is.
// With `initial-access-token=TOKEN`, it registers clients for those only who show that (RFC 7591 §3).
// Prints a line of JSON when it is ready, `{"issuer": …, "resource": …, "keys": {client: its private key in PEM}}`, and one for each event; ends when its standard input does.
import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, exportPKCS8, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';
import * as mcp from './resource.mjs';

// It warns and notes that its store and its pages are for development, which is what they are for here.
console.warn = console.info = () => {};

const wantsNonces = process.argv.includes('dpop');
const wantsPushed = process.argv.includes('par');
const token = process.argv.find((word) => word.startsWith('initial-access-token='))?.split('=')[1] ?? false;

const api = { scope: 'read write', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
const resources = { 'https://api.acme.example/': api, 'https://mail.acme.example/': api };

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// Clients that sign who they are, one for each algorithm; and one whose secret is hard to write down (RFC 6749 §2.3.1).
const signs = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'];
const grants = ['authorization_code', 'refresh_token', 'client_credentials'];

const native = { application_type: 'native', grant_types: grants, redirect_uris: ['http://127.0.0.1/callback'] };

async function confidential() {
  const keys = {};
  const clients = [
    { client_id: 'robot-basic', token_endpoint_auth_method: 'client_secret_basic', client_secret: 'a:b %+/c' },
    {
      client_id: 'robot-bound',
      token_endpoint_auth_method: 'client_secret_basic',
      client_secret: 'a:b %+/c',
      dpop_bound_access_tokens: true, // no token without a proof
    },
  ];
  for (const alg of signs) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = await exportJWK(publicKey);
    keys[`robot-${alg}`] = await exportPKCS8(privateKey);
    clients.push({
      client_id: `robot-${alg}`,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: alg,
      jwks: { keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk) }] },
    });
  }
  return { keys, clients: clients.map((client) => ({ ...native, ...client })) };
}

async function configuration(others) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return {
    clients: [
      {
        client_id: 'desktop',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback'], // on any port: RFC 8252 §7.3
      },
      {
        client_id: 'phone',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        response_types: [],
        redirect_uris: [],
      },
      {
        client_id: 'careful',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        require_pushed_authorization_requests: true,
        authorization_details_types: ['payment_initiation'],
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: ['http://127.0.0.1/callback'],
      },
      {
        ...native,
        client_id: 'bound',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        dpop_bound_access_tokens: true, // no token without a proof
      },
      ...others,
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: 'Ada', email: `${id}@acme.example`, email_verified: true }),
    }),
    cookies: { keys: [randomBytes(32).toString('hex')] },
    jwks: { keys: [{ ...(await exportJWK(privateKey)), use: 'sig', alg: 'RS256' }] },
    enabledJWA: { clientAuthSigningAlgValues: signs },
    rotateRefreshToken: true,
    ttl: { AccessToken: 3600, ClientCredentials: 600, DeviceCode: 600, IdToken: 3600, RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 600 },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: wantsPushed },
      richAuthorizationRequests: {
        enabled: true,
        ack: 'experimental-01',
        types: { payment_initiation: { validate: () => {} } },
        rarForAuthorizationCode: ({ oidc }) => JSON.parse(oidc.params.authorization_details ?? 'null') ?? undefined,
        rarForCodeResponse: ({ oidc }) => oidc.entities.AuthorizationCode.rar,
        rarForRefreshTokenResponse: ({ oidc }) => oidc.entities.RefreshToken.rar,
      },
      dPoP: wantsNonces
        ? { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true }
        : { enabled: true },
      devInteractions: { enabled: true }, // its own pages for signing in and allowing
      revocation: { enabled: true },
      registration: { enabled: true, initialAccessToken: token },
      registrationManagement: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => {
          if (!resources[resource]) throw new errors.InvalidTarget();
          return resources[resource];
        },
      },
    },
  };
}

function tellEvents(provider) {
  for (const done of ['create', 'delete']) {
    provider.on(`registration_${done}.success`, () => print({ event: `registration_${done}.success` }));
  }
  provider.on('authorization.success', () => print({ event: 'authorization.success' }));
  provider.on('grant.success', (context) => print({ event: 'grant.success', grant: context.oidc.params.grant_type }));
  provider.on('grant.revoked', () => print({ event: 'grant.revoked' }));
  provider.on('pushed_authorization_request.success', () => print({ event: 'pushed_authorization_request.success' }));
  provider.on('refresh_token.consumed', () => print({ event: 'refresh_token.consumed' }));
  for (const kind of ['authorization', 'grant', 'registration_create', 'revocation', 'server']) {
    provider.on(`${kind}.error`, (_context, fault) =>
      print({ event: `${kind}.error`, error: fault.error ?? fault.name, why: fault.error_detail ?? fault.message }),
    );
  }
}

// The form that came to the token and the revocation endpoint, and what it was answered with.
function tellExchanges(provider) {
  provider.use(async (context, next) => {
    await next();
    const { route, body } = context.oidc ?? {};
    const name = { token: `token.${body?.grant_type}`, revocation: 'revocation' }[route];
    if (!name) return;
    const { path, status, headers } = context;
    const form = new URLSearchParams(body).toString();
    print({ event: name, path, authorization: headers.authorization ?? null, form, status, answer: context.body ?? null });
  });
}

const server = createServer();
server.listen(0, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const { keys, clients } = await confidential();
  const resource = await mcp.listen(() => issuer);
  resources[resource] = { scope: mcp.scope, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
  const provider = new Provider(issuer, await configuration(clients));
  tellEvents(provider);
  tellExchanges(provider);
  server.on('request', provider.callback());
  print({ issuer, resource, keys });
});
process.stdin.resume().on('end', () => process.exit());
