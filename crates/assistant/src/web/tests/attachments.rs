//! Files beside entries: sent in pieces, refused in words, nothing left of what was refused.

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

/// Ana with one entry.
async fn with_entry() -> (Bench, String, String) {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let entry = bench.post(&ana, "/api/journal", json!({"text": "At the river"})).await.text("/entry/id");
    (bench, ana, entry)
}

impl Bench {
    /// Every file below the data folder but the database's.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("files")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found
    }

    fn rows_of_attachments(&self) -> i64 {
        self.stored().query_row("SELECT count(*) FROM attachments", [], |row| row.get(0)).expect("asks")
    }

    async fn offset(&self, token: &str, id: &str) -> Answer {
        self.ask(token, "HEAD", &format!("/api/attachments/{id}"), None, &[("tus-resumable", "1.0.0")]).await
    }
}

#[tokio::test]
async fn a_file_that_was_cut_goes_on_where_it_was_and_is_fetched_as_it_is() {
    let (bench, ana, entry) = with_entry().await;
    let bytes: Vec<u8> = PNG.iter().copied().chain((0..600_000_u32).map(|n| (n % 251) as u8)).collect();
    let announced = bench.announce(&ana, &entry, "Café am Fluß.png", bytes.len()).await;
    assert_eq!(announced.status, StatusCode::CREATED, "{}", announced.body);
    assert_eq!(announced.headers[header::LOCATION].to_str().ok(), announced.json()["upload"].as_str());
    let id = announced.text("/id");
    assert_eq!(
        bench.get(&ana, &format!("/api/attachments/{id}")).await.status,
        StatusCode::NOT_FOUND,
        "not whole"
    );
    // The connection breaks in the middle: what came is kept.
    let (first, rest) = bytes.split_at(300_000);
    let pieces = futures_util::stream::iter([Ok(first.to_vec()), Err(std::io::Error::other("cut"))]);
    let request = Request::patch(format!("/api/attachments/{id}"))
        .header("authorization", format!("Bearer {ana}"))
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", "0")
        .header("content-type", "application/offset+octet-stream");
    bench.send(request.body(Body::from_stream(pieces)).expect("a request")).await;
    let told = bench.offset(&ana, &id).await;
    assert_eq!((told.status, told.headers["upload-offset"].to_str().ok()), (StatusCode::OK, Some("300000")));
    assert_eq!(bench.piece(&ana, &id, 0, rest).await.status, StatusCode::CONFLICT, "another offset");
    let sent = bench.piece(&ana, &id, first.len(), rest).await;
    assert_eq!(sent.headers["upload-offset"].to_str().ok(), Some(bytes.len().to_string().as_str()));
    let request =
        Request::get(format!("/api/attachments/{id}")).header("authorization", format!("Bearer {ana}"));
    let response =
        bench.router.clone().call(request.body(Body::empty()).expect("a request")).await.expect("answers");
    let headers = response.headers().clone();
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), bytes);
    assert_eq!(headers[header::CONTENT_TYPE], "image/png");
    assert_eq!(
        headers[header::CONTENT_DISPOSITION],
        "attachment; filename*=UTF-8''Caf%C3%A9%20am%20Flu%C3%9F.png"
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let listed = bench.get(&ana, "/api/journal").await.json();
    assert_eq!(listed["entries"][0]["attachments"][0]["name"], "Café am Fluß.png");
    assert_eq!(bench.files().len(), 1, "{:?}", bench.files());
}

#[tokio::test]
async fn what_is_not_taken_is_refused_in_words_and_leaves_nothing() {
    let (bench, ana, entry) = with_entry().await;
    for name in ["../../etc/passwd", "..", "a/b.txt", "a\\b.txt", "", "a\u{7}.txt", "invoice\u{202e}gpj.txt"]
    {
        let answer = bench.announce(&ana, &entry, name, 10).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}: {}", answer.body);
        assert!(answer.text("/detail").contains("the file's name"), "{}", answer.body);
    }
    let large = bench.announce(&ana, &entry, "large.png", 10 * 1_024 * 1_024 + 1).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(large.text("/detail").contains("at most 10 MiB"), "{}", large.body);
    assert_eq!(bench.announce(&ana, &entry, "empty.txt", 0).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.rows_of_attachments(), 0);
    let program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0";
    let id = bench.announce(&ana, &entry, "picture.png", program.len()).await.text("/id");
    let refused = bench.piece(&ana, &id, 0, program).await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        refused.text("/detail").contains("images, PDF and plain text in UTF-8 are taken"),
        "{}",
        refused.body
    );
    let id = bench.announce(&ana, &entry, "a.txt", 4).await.text("/id");
    assert_eq!(bench.piece(&ana, &id, 0, b"longer than that").await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!((bench.rows_of_attachments(), bench.files().len()), (0, 0), "{:?}", bench.files());
    let plain = bench.ask(&ana, "POST", &format!("/api/journal/{entry}/attachments"), None, &[]).await;
    assert_eq!(plain.status, StatusCode::PRECONDITION_FAILED, "{}", plain.body);
    assert_eq!(plain.headers["tus-version"], "1.0.0", "a client learns what to speak");
    let asked = bench.ask("", "OPTIONS", &format!("/api/journal/{entry}/attachments"), None, &[]).await;
    assert_eq!(
        (asked.status, &asked.headers["tus-extension"]),
        (StatusCode::NO_CONTENT, &"creation,termination".parse().expect("a header"))
    );
}

#[tokio::test]
async fn the_same_bytes_lie_once_and_stay_as_long_as_somebody_needs_them() {
    let (bench, ana, entry) = with_entry().await;
    let one = bench.upload(&ana, &entry, "one.txt", b"the same words").await;
    let two = bench.upload(&ana, &entry, "two.txt", b"the same words").await;
    assert_eq!(bench.files().len(), 1);
    let remove =
        async |id: &str| bench.ask(&ana, "DELETE", &format!("/api/attachments/{id}"), None, &[]).await.status;
    assert_eq!(remove(&one).await, StatusCode::OK);
    assert_eq!(bench.get(&ana, &format!("/api/attachments/{two}")).await.body, "the same words");
    assert_eq!(remove(&two).await, StatusCode::OK);
    assert_eq!(remove(&two).await, StatusCode::NOT_FOUND);
    assert_eq!((bench.rows_of_attachments(), bench.files().len()), (0, 0));
}

#[tokio::test]
async fn the_page_takes_a_file_without_script_and_shows_it() {
    let (bench, ana, entry) = with_entry().await;
    let csrf = bench.csrf(&ana).await;
    let send = async |csrf: &str, name: &str, bytes: &[u8]| {
        let part = |name: &str| format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"");
        let mut body = format!("{}\r\n\r\n{csrf}\r\n", part("csrf")).into_bytes();
        body.extend(format!("{}; filename=\"{name}\"\r\n\r\n", part("file")).bytes());
        body.extend(bytes);
        body.extend(b"\r\n--edge--\r\n");
        let request = Request::post(format!("/journal/{entry}/attachments"))
            .header("authorization", format!("Bearer {ana}"))
            .header("accept", "text/html")
            .header("content-type", "multipart/form-data; boundary=edge");
        bench.send(request.body(Body::from(body)).expect("a request")).await
    };
    assert_eq!(send("guess", "a.png", PNG).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        send(&csrf, "a.sh.png", b"\x7fELF\x02\x01\x01\0").await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let large = send(&csrf, "a.txt", &vec![b'a'; 10 * 1_024 * 1_024 + 1]).await;
    assert!(large.status == StatusCode::PAYLOAD_TOO_LARGE && large.body.contains("10 MiB"), "{}", large.body);
    assert_eq!((bench.rows_of_attachments(), bench.files().len()), (0, 0));
    let sent = send(&csrf, "river.png", PNG).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let page = bench.get(&ana, "/journal").await.body;
    let id = bench.get(&ana, "/api/journal").await.text("/entries/0/attachments/0/id");
    assert!(page.contains(&format!("<img src=\"/api/attachments/{id}\" alt=\"river.png\"")), "{page}");
    let removed = bench.form(&ana, &format!("/attachments/{id}/delete"), "back=/journal").await;
    assert_eq!((removed.status, bench.files().len()), (StatusCode::SEE_OTHER, 0));
}

#[tokio::test]
async fn an_entry_that_comes_back_has_its_files_again() {
    let (bench, ana, entry) = with_entry().await;
    let id = bench.upload(&ana, &entry, "a.txt", b"words").await;
    let deleted =
        bench.stored().execute("DELETE FROM journal_entries WHERE id = ?1", [&entry]).expect("deletes");
    assert_eq!(deleted, 1);
    let mut db = bench.stored();
    let tx = db.transaction().expect("begins");
    assert_eq!(crate::attachments::overdue(&tx, 10).expect("asks"), vec![]);
    tx.execute(
        "UPDATE attachments SET orphan_since = orphan_since - ?1",
        [crate::attachments::ORPHAN_MS + 1],
    )
    .expect("ages");
    assert_eq!(crate::attachments::overdue(&tx, 10).expect("asks").len(), 1);
    tx.commit().expect("commits");
    let sql = "INSERT INTO journal_entries (id, account_id, day, text, created_at, rev)
               SELECT entry_id, account_id, '2026-11-21', 'back', 0, 2 FROM attachments WHERE id = ?1";
    db.execute(sql, [&id]).expect("comes back");
    let tx = db.transaction().expect("begins");
    assert_eq!(crate::attachments::overdue(&tx, 10).expect("asks"), vec![], "it is needed again");
}

/// A small disk at the folder of files; unmounted when dropped.
struct SmallDisk(PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_of_the_file_is_left() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not shown: only root can mount a small disk");
        return;
    }
    let (bench, ana, entry) = with_entry().await;
    let files = bench.folder.path().join("files");
    std::fs::create_dir_all(&files).expect("a folder");
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=512k", "mainstay-test"]).arg(&files);
    assert!(mount.status().is_ok_and(|status| status.success()), "root can mount");
    let _disk = SmallDisk(files);
    let large = vec![b'a'; 1_024 * 1_024];
    let id = bench.announce(&ana, &entry, "large.txt", large.len()).await.text("/id");
    let refused = bench.piece(&ana, &id, 0, &large).await;
    assert_eq!(refused.status, StatusCode::INSUFFICIENT_STORAGE, "{}", refused.body);
    assert!(refused.text("/detail").contains("The disk of this machine is full"), "{}", refused.body);
    assert_eq!((bench.rows_of_attachments(), bench.files().len()), (0, 0), "{:?}", bench.files());
    bench.upload(&ana, &entry, "small.txt", b"there is room for this").await;
}
