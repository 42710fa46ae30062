// Three programs of one project.
module.exports = {
  apps: [
    {
      name: "web",
      script: "npm",
      args: "run start:prod",
      instances: "max",
      env_production: { "NODE_ENV": "production", "APP_PORT": "8080" },
      env_staging: { NODE_ENV: "staging" },
      out_file: "/var/log/web.log",
      watch: false,
    },
    {
      name: "worker",
      script: "worker.py",
      interpreter: "python3",
      args: ["--queue", "mail out"],
      cwd: "./jobs",
      max_restarts: 10,
    },
    {
      name: "nightly",
      script: "scripts/report.js",
      autorestart: false,
      cron_restart: "30 2 * * *",
    },
  ],
  deploy: {
    production: { user: "deploy", host: "10.0.0.1", ref: "origin/main", path: "/srv/shop" },
  },
};
