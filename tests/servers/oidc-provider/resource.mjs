// A protected resource, as an MCP server is one: says whose tokens it takes (RFC 9728), refuses whoever brings none with a
// pointer to that (RFC 6750 §3), and checks the signature, issuer and audience of what it is brought (RFC 9068 §4).
import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';

export const scope = 'read write';

/** Listens; gives its address. `issuer` tells, once there is one, whose tokens it takes. */
export async function listen(issuer) {
  const server = createServer((request, response) => answer(request, response).catch((fault) => response.destroy(fault)));
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const host = `http://127.0.0.1:${server.address().port}`;
  const resource = `${host}/mcp`;
  const described = `${host}/.well-known/oauth-protected-resource/mcp`;

  async function answer(request, response) {
    const say = (status, body, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    };
    if (`${host}${request.url}` === described) {
      return say(200, { resource, authorization_servers: [issuer()], scopes_supported: scope.split(' ') });
    }
    if (request.url !== '/mcp') return say(404, {});
    const keys = createRemoteJWKSet(new URL(`${issuer()}/jwks`));
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    try {
      const { payload } = await jwtVerify(token, keys, { issuer: issuer(), audience: resource });
      return say(200, { hello: payload.sub, scope: payload.scope });
    } catch {
      return say(401, {}, { 'www-authenticate': `Bearer resource_metadata="${described}"` });
    }
  }
  return resource;
}
