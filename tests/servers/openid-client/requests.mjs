// What openid-client, a certified client, would send for the same input. Nothing is sent: each request is caught on its way.
// Reads from standard input `{"server": metadata, "client": {"id", "auth", "secret" or "key", "dpop"}, "calls": [{"call", …}]}`,
// prints a JSON array with one request for each call: `{"method", "url", "headers", "form"}`.
import { readFileSync } from 'node:fs';
import { createPublicKey } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, importPKCS8, jwtVerify } from 'jose';
import * as openid from 'openid-client';

const { server, client, calls } = JSON.parse(readFileSync(0, 'utf8'));

const auth = await {
  private_key_jwt: async () => openid.PrivateKeyJwt({ key: await importPKCS8(client.key, 'ES256'), kid: client.kid }),
  none: () => openid.None(),
  basic: () => openid.ClientSecretBasic(client.secret),
  post: () => openid.ClientSecretPost(client.secret),
}[client.auth]();
const config = new openid.Configuration(server, client.id, {}, auth);
openid.allowInsecureRequests(config);
const bound = client.dpop ? { DPoP: openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256')) } : {};

class Caught extends Error {}
let caught;
let wanted;
config[openid.customFetch] = async (url, { method, headers, body }) => {
  if (wanted) {
    // The first try is refused as by a server that wants a nonce; the second is what counts.
    const headers = { 'dpop-nonce': wanted, 'www-authenticate': 'DPoP error="use_dpop_nonce"' };
    wanted = undefined;
    return new Response(null, { status: 401, headers });
  }
  caught = {
    method,
    url: String(url),
    headers: Object.fromEntries(new Headers(headers)),
    form: [...new URLSearchParams(body ?? '')],
  };
  throw new Caught();
};

const made = {
  authorize: ({ params }) => ({ method: 'GET', url: openid.buildAuthorizationUrl(config, new URLSearchParams(params)).href }),
  challenge: async ({ verifier }) => ({ challenge: await openid.calculatePKCECodeChallenge(verifier) }),
  code: ({ redirected, verifier, state, nonce, params }) =>
    openid.authorizationCodeGrant(
      config,
      new URL(redirected),
      { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce },
      new URLSearchParams(params),
      bound,
    ),
  refresh: ({ refresh_token, params }) =>
    openid.refreshTokenGrant(config, refresh_token, new URLSearchParams(params), bound),
  client_credentials: ({ params }) => openid.clientCredentialsGrant(config, new URLSearchParams(params), bound),
  exchange: ({ params }) =>
    openid.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', new URLSearchParams(params), bound),
  device: ({ params }) => openid.initiateDeviceAuthorization(config, new URLSearchParams(params)),
  device_poll: ({ device }) => openid.pollDeviceAuthorizationGrant(config, device, undefined, bound),
  pushed: ({ params }) => openid.buildAuthorizationUrlWithPAR(config, new URLSearchParams(params), bound),
  revoke: ({ token, params }) => openid.tokenRevocation(config, token, new URLSearchParams(params)),
  // What jose says of a signed statement of ours, with the client's key or the one in its own header.
  verify: async ({ jwt }) => {
    const { protectedHeader, payload } = await jwtVerify(jwt, client.key ? createPublicKey(client.key) : EmbeddedJWK);
    return { header: protectedHeader, claims: payload };
  },
  thumbprint: async ({ jwk }) => ({ thumbprint: await calculateJwkThumbprint(jwk) }),
  resource: ({ token, method, url }) =>
    openid.fetchProtectedResource(config, token, new URL(url), method, undefined, undefined, bound),
  introspect: ({ token, params }) => openid.tokenIntrospection(config, token, new URLSearchParams(params)),
};

const requests = [];
for (const call of calls) {
  caught = undefined;
  wanted = call.nonce_wanted;
  try {
    caught = await made[call.call](call);
  } catch (fault) {
    if (!caught) throw fault;
  }
  requests.push(caught);
}
console.log(JSON.stringify(requests));
