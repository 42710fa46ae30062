//! A browser without script, by plain HTTP: it reads pages, fills their forms in, sends them and follows where they lead.

use std::{cell::RefCell, collections::BTreeMap, mem, net::SocketAddr};

use html5ever::{
    tendril::StrTendril,
    tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer},
};
use testkit::http::{self, Answer};

use crate::assistant::Result;

/// Bound: redirects of one answer.
const REDIRECTS_MAX: usize = 5;
const BOUNDARY: &str = "----a-form-without-script";

/// One person's browser, with its cookies.
#[derive(Clone, Debug)]
pub struct Browser {
    at: SocketAddr,
    host: String,
    cookies: BTreeMap<String, String>,
}

/// What is shown, and where.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    /// With what stands behind the `?`.
    pub path: String,
    pub html: String,
}

/// A form of a page as it stands there, to be filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    action: String,
    is_multipart: bool,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Field {
    name: String,
    kind: String,
    value: Vec<u8>,
    /// Of a file that was chosen.
    file_name: Option<String>,
    /// The id of the words that tell what is wrong with it.
    described_by: Option<String>,
}

impl Browser {
    pub fn new(at: SocketAddr, host: &str) -> Self {
        Self { at, host: host.to_owned(), cookies: BTreeMap::new() }
    }

    /// # Errors
    /// No answer, or redirects without end.
    pub fn get(&mut self, path: &str) -> Result<Page> {
        let answer = self.ask("GET", path, &[], &[])?;
        self.follow(path, answer)
    }

    /// What a link leads to that is no page.
    ///
    /// # Errors
    /// No answer.
    pub fn download(&mut self, path: &str) -> Result<Answer> {
        self.ask("GET", path, &[], &[])
    }

    /// Sends the form as it is filled in.
    ///
    /// # Errors
    /// As [`Browser::get`].
    pub fn send(&mut self, form: &Form) -> Result<Page> {
        let (kind, body) = form.body();
        let head = [format!("content-type: {kind}"), format!("origin: http://{}", self.host)];
        let answer = self.ask("POST", &form.action, &head, &body)?;
        self.follow(&form.action, answer)
    }

    fn ask(&mut self, method: &str, path: &str, head: &[String], body: &[u8]) -> Result<Answer> {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut lines = vec!["accept: text/html".to_owned(), format!("cookie: {}", cookies.join("; "))];
        lines.extend(head.iter().cloned());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer = http::ask(self.at, &self.host, method, path, &lines, body)
            .map_err(|error| format!("{method} {path}: {error}"))?;
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }

    fn follow(&mut self, path: &str, mut answer: Answer) -> Result<Page> {
        let mut path = path.to_owned();
        for _ in 0..REDIRECTS_MAX {
            let to = answer.header("location").filter(|_| answer.status == 303).map(str::to_owned);
            let Some(to) = to else { return Ok(Page { status: answer.status, html: answer.text(), path }) };
            path = to.split('#').next().unwrap_or_default().to_owned();
            answer = self.ask("GET", &path, &[], &[])?;
        }
        Err(format!("{path}: redirects without end"))
    }
}

impl Page {
    /// The last form that is sent to `action`: what a page has for good stands below what it shows.
    ///
    /// # Errors
    /// There is none.
    pub fn form(&self, action: &str) -> Result<Form> {
        let found = self.forms(action).pop();
        found.ok_or_else(|| format!("{} has no form for {action}: {}", self.path, self.html))
    }

    /// All forms that are sent to `action`, in their order.
    pub fn forms(&self, action: &str) -> Vec<Form> {
        forms(&self.html).into_iter().filter(|form| form.action == action).collect()
    }

    /// The addresses of all forms that begin and end so.
    pub fn actions(&self, begin: &str, end: &str) -> Vec<String> {
        let actions = forms(&self.html).into_iter().map(|form| form.action);
        actions.filter(|action| action.starts_with(begin) && action.ends_with(end)).collect()
    }

    /// The words that tell what is wrong with a field of the form that is sent to `action`.
    ///
    /// # Errors
    /// The field is not said to be wrong, or nothing says how.
    pub fn error_at(&self, action: &str, field: &str) -> Result<String> {
        let form = self.form(action)?;
        let field = form.fields.iter().find(|known| known.name == field);
        let id = field.and_then(|field| field.described_by.as_deref());
        let id =
            id.ok_or_else(|| format!("{action} tells of no error at its field {field:?}: {}", self.html))?;
        let words = self.html.split(&format!("id=\"{id}\" role=\"alert\">")).nth(1);
        let words = words.and_then(|rest| rest.split('<').next());
        words.map(unescaped).ok_or_else(|| format!("nothing is called {id}: {}", self.html))
    }

    /// Whether this stands in it.
    pub fn shows(&self, text: &str) -> bool {
        unescaped(&self.html).contains(text)
    }
}

/// Text of HTML as it is read.
fn unescaped(text: &str) -> String {
    [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

impl Form {
    /// # Errors
    /// The form has no such field.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self> {
        self.field(name)?.value = value.as_bytes().to_vec();
        Ok(self)
    }

    /// Chooses a file.
    ///
    /// # Errors
    /// The form has no such field.
    pub fn with_file(mut self, name: &str, file_name: &str, bytes: &[u8]) -> Result<Self> {
        let field = self.field(name)?;
        field.value = bytes.to_vec();
        field.file_name = Some(file_name.to_owned());
        Ok(self)
    }

    /// What stands in a field.
    ///
    /// # Errors
    /// The form has no such field.
    pub fn value(&self, name: &str) -> Result<String> {
        let field = self.fields.iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| format!("{} has no field {name}", self.action))?;
        Ok(String::from_utf8_lossy(&field.value).into_owned())
    }

    fn field(&mut self, name: &str) -> Result<&mut Field> {
        let (action, found) = (&self.action, self.fields.iter_mut().find(|field| field.name == name));
        found.ok_or_else(|| format!("{action} has no field {name}"))
    }

    fn body(&self) -> (String, Vec<u8>) {
        if self.is_multipart {
            return (format!("multipart/form-data; boundary={BOUNDARY}"), self.parts());
        }
        let pairs = self
            .fields
            .iter()
            .map(|field| format!("{}={}", percent(field.name.as_bytes()), percent(&field.value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        ("application/x-www-form-urlencoded".to_owned(), body.into_bytes())
    }

    fn parts(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for field in &self.fields {
            let mut head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"", field.name);
            if field.kind == "file" {
                // Where none was chosen a browser sends an empty one without a name.
                let name = field.file_name.as_deref().unwrap_or_default();
                head.push_str(&format!("; filename=\"{name}\"\r\nContent-Type: application/octet-stream"));
            }
            body.extend_from_slice(format!("{head}\r\n\r\n").as_bytes());
            body.extend_from_slice(&field.value);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        body
    }
}

fn percent(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

/// The forms of a page that are sent by POST, in their order.
fn forms(html: &str) -> Vec<Form> {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(Reader::default(), Default::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner().forms
}

#[derive(Default)]
struct Reader(RefCell<Read>);

#[derive(Default)]
struct Read {
    forms: Vec<Form>,
    open: Option<Form>,
    /// The text of a field of many lines, as far as it was read.
    text: Option<Field>,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut read = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => read.tag(&tag),
            Token::CharacterTokens(text) => {
                if let Some(field) = &mut read.text {
                    field.value.extend_from_slice(text.as_bytes());
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Read {
    fn tag(&mut self, tag: &Tag) {
        let attribute = |name: &str| {
            let found = tag.attrs.iter().find(|attribute| *attribute.name.local == *name);
            found.map(|attribute| attribute.value.to_string())
        };
        match (tag.kind, &*tag.name) {
            (TagKind::StartTag, "form") if attribute("method").as_deref() == Some("post") => {
                let is_multipart = attribute("enctype").as_deref() == Some("multipart/form-data");
                let action = attribute("action").unwrap_or_default();
                self.open = Some(Form { action, is_multipart, ..Form::default() });
            }
            (TagKind::EndTag, "form") => self.forms.extend(self.open.take()),
            (TagKind::StartTag, "input" | "textarea") => {
                let (Some(form), Some(name)) = (&mut self.open, attribute("name")) else { return };
                let value = attribute("value").unwrap_or_default();
                let (kind, described_by) =
                    (attribute("type").unwrap_or_default(), attribute("aria-describedby"));
                let described_by = described_by.filter(|_| attribute("aria-invalid").is_some());
                let field = Field { name, kind, value: value.into_bytes(), file_name: None, described_by };
                match &*tag.name {
                    "textarea" => self.text = Some(field),
                    _ => form.fields.push(field),
                }
            }
            (TagKind::EndTag, "textarea") => {
                let Some(mut field) = self.text.take() else { return };
                // The line end that a writer of HTML puts first is no part of the text.
                if field.value.first() == Some(&b'\n') {
                    field.value = mem::take(&mut field.value).split_off(1);
                }
                if let Some(form) = &mut self.open {
                    form.fields.push(field);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str = "<form method=\"get\" action=\"/a\"><input name=\"q\"></form>\
        <form method=\"post\" action=\"/a\" enctype=\"multipart/form-data\"><input type=\"hidden\" name=\"csrf\" value=\"x&amp;y\">\
        <input type=\"file\" name=\"file\" aria-invalid=\"true\" aria-describedby=\"wrong\"><p id=\"wrong\" role=\"alert\">Too &lt;large&gt;.</p></form>\
        <form method=\"post\" action=\"/b\"><textarea name=\"text\">\none &amp; two</textarea><button name=\"text\" value=\"said\">x</button></form>";

    fn page() -> Page {
        Page { status: 200, path: "/".to_owned(), html: HTML.to_owned() }
    }

    #[test]
    fn a_form_is_read_filled_in_and_sent_as_a_browser_does() {
        let form = page().form("/b").expect("a form");
        assert_eq!(form.value("text").expect("a field"), "one & two");
        let (kind, body) = form.with("text", "a b").expect("a field").body();
        assert_eq!(
            (kind.as_str(), body.as_slice()),
            ("application/x-www-form-urlencoded", b"%74%65%78%74=%61%20%62".as_slice())
        );
        let form = page().form("/a").expect("a form");
        assert_eq!(form.value("csrf").expect("a field"), "x&y");
        let (_, body) = form.with_file("file", "a.txt", b"words").expect("a field").body();
        let body = String::from_utf8(body).expect("text");
        assert!(
            body.contains("name=\"file\"; filename=\"a.txt\"\r\n") && body.contains("\r\n\r\nwords\r\n"),
            "{body}"
        );
        assert!(page().form("/b").expect("a form").with("nothing", "x").is_err());
        assert!(page().form("/c").is_err());
    }

    #[test]
    fn an_error_is_found_only_at_the_field_that_says_it() {
        assert_eq!(page().error_at("/a", "file").expect("an error"), "Too <large>.");
        assert!(page().error_at("/a", "csrf").is_err());
        assert!(page().error_at("/b", "text").is_err());
    }
}
