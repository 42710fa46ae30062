const path = require('path');
const name = `site-${process.env.NODE_ENV}`; // "apps: [" in a comment is no list
const defaults = { watch: false };

/* what runs */
module.exports = {
  "apps": [
    {
      name,
      script: path.join(__dirname, 'server.js'),
    },
    {
      ...defaults,
      name: 'server',
      script: 'server.js',
      node_args: '--max-old-space-size=' + 512,
      instances: process.env.WEB_CONCURRENCY || 2,
      port: 4000,
      wait_ready: true, listen_timeout: 90000,
      frobnicate: { deep: [1, 2, { er: true }] },
      env: {
        GREETING: 'it\'s {braced}',
        HOST: '0.0.0.0',
        STARTED: Date.now(),
        'not-a-name': 'x',
      },
    },
    { name: 'server', script: 'twice.js' },
    { name: 'scheduler', script: './tick.sh', cron_restart: '0 0 * * *' },
  ]
}
