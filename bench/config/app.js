// The fake app in Node, for the comparison with PM2: the same answers, to the byte, as crates/testkit/src/fakeapp/answer.rs.
const http = require('http');
const crypto = require('crypto');

const env = process.env;
const release = env.MAINSTAY_RELEASE || env.FAKE_RELEASE || '0';
const instance = env.MAINSTAY_INSTANCE || `web.${release}.${env.NODE_APP_INSTANCE || 0}`;
const began = Date.now();
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const MASK = (1n << 64n) - 1n;

function filler(nonce, bytes) {
  let state = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(nonce)) state = ((state ^ BigInt(byte)) * 0x100000001b3n) & MASK;
  let text = '';
  for (let i = 0; i < bytes; i++) {
    state = (state * 6364136223846793005n + 1442695040888963407n) & MASK;
    text += ALPHABET[Number(state >> 58n)];
  }
  return text;
}

function answer(req, res, body, size) {
  const nonce = req.headers['x-nonce'] || '-';
  const digest = crypto.createHash('sha256').update(body).digest('hex');
  const text = `nonce=${nonce} release=${release} instance=${instance} digest=${digest}\n` + filler(nonce, size);
  res.writeHead(Number(env.FAKE_STATUS || 200), {
    'x-nonce': nonce, 'x-release': release, 'x-instance': instance, 'content-length': Buffer.byteLength(text),
  });
  res.end(text);
}

function stream(req, res, n, ms) {
  const nonce = req.headers['x-nonce'] || '-';
  res.writeHead(200, { 'content-type': 'text/event-stream', 'x-release': release, 'x-instance': instance });
  let sent = 0;
  const timer = setInterval(() => {
    res.write(`id: ${sent}\nevent: ${sent === n ? 'done' : 'tick'}\ndata: ${nonce} ${sent}\n\n`);
    if (sent++ === n) { clearInterval(timer); res.end(); }
  }, ms);
  res.on('close', () => clearInterval(timer));
}

const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://localhost');
  const number = (name, fallback) => Number(url.searchParams.get(name) || fallback);
  if (url.pathname === '/sse') return stream(req, res, number('n', 10), number('ms', 100));
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => setTimeout(() => answer(req, res, Buffer.concat(chunks), number('size', 0)), number('ms', 0)));
});

// Longer than any client pauses: who closes an idle connection first is the proxy's choice, not the app's.
server.keepAliveTimeout = 65_000;

if (env.FAKE_BOOT === 'throw') throw new Error('thrown at boot on purpose');
if (env.FAKE_BOOT === 'never-listen') setInterval(() => {}, 1000);
else setTimeout(() => server.listen(Number(env.PORT), '127.0.0.1'), Number(env.FAKE_BOOT_DELAY_MS || 0));

// Many apps have no handler: they die at the signal with all that they hold.
for (const signal of env.FAKE_STOP === 'die' ? [] : ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => { server.close(() => process.exit(0)); server.closeIdleConnections(); });
}
