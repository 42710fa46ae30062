module.exports = {
  apps: [{
    name: 'Shop API',
    script: './dist/server.js',
    instances: 4,
    exec_mode: 'cluster',
    max_memory_restart: '300M',
    kill_timeout: 5000,
    env: {
      NODE_ENV: 'production',
      PORT: 3000,
      JWT_SECRET: 'kept-out-of-the-manifest',
      AMQP: 'amqp://shop:hush@10.0.0.5/jobs',
    },
  }],
};
