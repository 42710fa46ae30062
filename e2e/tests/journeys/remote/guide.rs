//! The commands of `docs/guide/remote.md`, as they stand there, against a machine that is called as the page calls it.

use std::{fs, path::Path, process::Command};

use testkit::{FakeApp, Mainstay, Sshd, binaries, mainstay::Running};

const PAGE: &str = include_str!("../../../../docs/guide/remote.md");

/// The blocks after a fence of these words.
fn blocks(fence: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            blocks.push(lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n"));
        }
    }
    blocks
}

/// `mainstay` and `ssh` for a PATH: the built one, and the system's with the test's configuration, by which the users of the page are
/// the account that runs this test.
fn tools(folder: &Path, ssh: &str) -> String {
    fs::create_dir_all(folder).expect("own folder");
    let _ = std::os::unix::fs::symlink(binaries::path("mainstay"), folder.join("mainstay"));
    let path = folder.join("ssh");
    let account = Sshd::account();
    let script = format!(
        "#!/bin/sh\nfor word; do shift; case $word in *@app.example.com) word={account}@app.example.com;; esac\n\
         set -- \"$@\" \"$word\"; done\nexec /usr/bin/{ssh} \"$@\"\n"
    );
    fs::write(&path, script).expect("own folder");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("own file");
    format!("{}:/usr/bin:/bin", folder.display())
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let mut mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "shop");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let there = tools(&mainstay.folder().join("there"), "ssh");
    let sshd = Sshd::start_with(&format!("SetEnv PATH={there} MAINSTAY_DATA={}", mainstay.data().display()));
    let run = |key: &str, script: &str| {
        sshd.name_host(key, "app.example.com");
        let mut sh = Command::new("sh");
        sh.args(["-ec", script]).current_dir(app.folder());
        sh.env("PATH", tools(&mainstay.folder().join(format!("desk-{key}")), &sshd.client(key)));
        sh.env_remove("MAINSTAY_DATA").env_remove("MAINSTAY_SSH").env_remove("XDG_RUNTIME_DIR");
        Running::start(sh, script.to_owned()).wait()
    };
    let (mut releases, mut scripts) = (1, 0);
    let mut host = String::new();
    for script in blocks("```sh") {
        let app = app.clone().next();
        if script.contains(" deploy\n") {
            app.write();
            releases += 1;
        }
        run("ana", &format!("{host}{script}")).expect_code(0);
        host =
            script.lines().find(|line| line.starts_with("export")).map_or(host, |line| format!("{line}\n"));
        scripts += 1;
    }
    assert!(scripts >= 3, "the page has commands");
    assert_eq!(mainstay.serving(&app.site()), releases);
    // On the server, with the file of this sshd for that of the login; then by that key alone.
    sshd.make_key("ci");
    fs::copy(sshd.public_key_file("ci"), app.folder().join("ci.pub")).expect("copied");
    for script in blocks("```sh server") {
        let keys = format!("mainstay user --authorized-keys {}", sshd.authorized_keys().display());
        let script = script.replace("mainstay user", &keys);
        let script = format!("export MAINSTAY_DATA={}\n{script}", mainstay.data().display());
        let said = run("ana", &script).expect_code(0);
        assert!(said.out.contains("shop/production"), "{said}");
    }
    app.clone().next().next().write();
    for script in blocks("```sh ci") {
        run("ci", &script).expect_code(0);
        releases += 1;
    }
    assert_eq!(mainstay.serving(&app.site()), releases);
    let records = mainstay.api(&format!("/v1/apps/{}/events", app.site())).expect("answered");
    assert_eq!(records[0]["operator"], "key ci", "{records}");
    mainstay.down();
}
