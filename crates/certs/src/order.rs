//! One order, step by step (RFC 8555, 7.1.6). What the next step stands on is kept before it is taken, so that whoever dies
//! between two steps goes on with the same order.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, Error, Identifier, NewOrder, Order,
    OrderStatus, Problem, RetryPolicy,
};
use machine::failpoint::hit;

use crate::{
    challenge::{self, Answer},
    folder::Folder,
    key,
    record::Pending,
    settings::Settings,
};

/// Looks at the order while the CA looks at the challenges, and while it signs.
const LOOKS: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).timeout(Duration::from_secs(120));

/// Why there is no certificate yet, in words.
#[derive(Debug)]
pub(crate) struct Failed {
    pub why: String,
    /// The order is of no use any more; the next try places another.
    pub is_over: bool,
    /// The CA does not know the account.
    pub has_no_account: bool,
    /// A nonce of the CA's own was refused again and again: nothing was done, and the same is asked anew (RFC 8555, 6.5).
    pub is_nonce: bool,
}

impl Failed {
    pub(crate) fn new(why: String) -> Self {
        Self { why, is_over: false, has_no_account: false, is_nonce: false }
    }

    fn over(why: String) -> Self {
        Self { is_over: true, ..Self::new(why) }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let is = |kind: &str| matches!(&error, Error::Api(problem) if is_of_kind(problem, kind));
        Self {
            has_no_account: is("accountDoesNotExist"),
            is_nonce: is("badNonce"),
            ..Self::new(words(&error))
        }
    }
}

/// What an order came to, as PEM.
#[derive(Debug)]
pub(crate) struct Obtained {
    pub chain: String,
    pub key: String,
}

/// What it takes.
pub(crate) struct Ordering<'a> {
    pub account: &'a Account,
    pub settings: &'a Settings,
    pub folder: &'a Folder,
    pub name: &'a str,
    /// The certificate that this order is to replace, where the CA asks for that.
    pub replaces: Option<CertificateIdentifier<'static>>,
}

/// Writes down where an order is; `None`: there is none.
pub(crate) type Keep<'a> = &'a mut dyn FnMut(Option<&Pending>) -> Result<(), Failed>;

impl Ordering<'_> {
    /// Goes on with `pending`, or places an order, until there is a certificate. Cancel-safe: what was kept is gone on with.
    /// # Errors
    /// Why there is none.
    pub(crate) async fn obtain(&self, pending: Option<Pending>, keep: Keep<'_>) -> Result<Obtained, Failed> {
        let (mut order, mut pending) = self.open(pending, keep).await?;
        if order.state().status == OrderStatus::Pending {
            self.authorize(&mut order).await?;
        }
        let key = match pending.key.take() {
            Some(key) => key,
            None => self.new_key().await?,
        };
        if order.state().status == OrderStatus::Ready {
            // Crash: with the key kept, whatever the CA signs of it is fetched by the next try.
            keep(Some(&Pending { key: Some(key.clone()), ..pending }))?;
            hit("certs-key-kept");
            let request = key::request(&key, self.name).map_err(|error| {
                Failed::over(format!("the request for a certificate cannot be made: {error}"))
            })?;
            order.finalize_csr(&request).await?;
            hit("certs-finalized");
        }
        let chain = order.poll_certificate(&LOOKS).await.map_err(|error| {
            let is_refused = matches!(error, Error::Api(_));
            let failed = Failed::from(error);
            Failed { is_over: is_refused && !failed.is_nonce, ..failed }
        })?;
        hit("certs-fetched");
        Ok(Obtained { chain, key })
    }

    async fn open(&self, pending: Option<Pending>, keep: Keep<'_>) -> Result<(Order, Pending), Failed> {
        if let Some(known) = pending {
            match self.account.order(known.url.clone()).await {
                Ok(mut order) => {
                    if is_of_use(order.state().status, &known) {
                        return Ok((order, known));
                    }
                }
                Err(Error::Api(problem)) if is_gone(&problem) => {}
                Err(error) => return Err(error.into()),
            }
            keep(None)?;
        }
        let identifiers = [Identifier::Dns(self.name.to_owned())];
        let mut new = NewOrder::new(&identifiers);
        if let Some(profile) = &self.settings.profile {
            new = new.profile(profile);
        }
        if let Some(replaced) = self.replaces.clone() {
            new = new.replaces(replaced);
        }
        let order = self.account.new_order(&new).await?;
        // Crash: the CA has an order that nobody knows. It costs nothing: nothing was signed, and it ends by itself.
        hit("certs-ordered");
        let pending = Pending { url: order.url().to_owned(), key: None };
        keep(Some(&pending))?;
        hit("certs-order-kept");
        Ok((order, pending))
    }

    /// Answers what the CA asks, until the order is ready.
    async fn authorize(&self, order: &mut Order) -> Result<(), Failed> {
        let mut answers = Vec::new();
        let ready = match self.answer(order, &mut answers).await {
            Ok(()) => until_ready(order).await,
            Err(failed) => Err(failed),
        };
        for answer in answers {
            answer.withdraw().await;
        }
        ready
    }

    async fn answer(&self, order: &mut Order, answers: &mut Vec<Answer>) -> Result<(), Failed> {
        let kind = challenge::kind(self.settings.challenge);
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let mut challenge = authorization.challenge(kind.clone()).ok_or_else(|| {
                Failed::over("the CA does not offer the `challenge` of machine.toml for this name".to_owned())
            })?;
            answers.push(challenge::answer(self.folder, self.settings, self.name, &challenge).await?);
            hit("certs-challenge-placed");
            if challenge.status == ChallengeStatus::Pending {
                challenge.set_ready().await?;
            }
            hit("certs-challenge-ready");
        }
        Ok(())
    }

    async fn new_key(&self) -> Result<String, Failed> {
        let kind = self.settings.key;
        let made = tokio::task::spawn_blocking(move || key::generate(kind)).await;
        let made =
            made.map_err(|error| error.to_string()).and_then(|made| made.map_err(|error| error.to_string()));
        made.map_err(|error| Failed::new(format!("a key cannot be made: {error}")))
    }
}

/// While the CA looks for the answers.
async fn until_ready(order: &mut Order) -> Result<(), Failed> {
    match order.poll_ready(&LOOKS).await {
        Ok(OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid) => Ok(()),
        Ok(OrderStatus::Pending) => {
            Err(Failed::new("the CA has not looked for the answer to its challenge yet".to_owned()))
        }
        Err(Error::Api(problem)) if !is_of_kind(&problem, "badNonce") => Err(why_invalid(order).await),
        Ok(OrderStatus::Invalid) => Err(why_invalid(order).await),
        Err(error) => Err(error.into()),
    }
}

/// An order that was signed for a key that is lost is of none.
fn is_of_use(status: OrderStatus, known: &Pending) -> bool {
    match status {
        OrderStatus::Pending | OrderStatus::Ready => true,
        OrderStatus::Processing | OrderStatus::Valid => known.key.is_some(),
        OrderStatus::Invalid => false,
    }
}

/// The CA does not know it, as it says of one that is too old.
fn is_gone(problem: &Problem) -> bool {
    let is_of_another_thing = is_of_kind(problem, "accountDoesNotExist") || is_of_kind(problem, "badNonce");
    let is_refused = problem.status.is_some_and(|status| matches!(status, 400 | 403 | 404 | 410));
    is_refused && !is_of_another_thing
}

/// RFC 8555, 6.7.
fn is_of_kind(problem: &Problem, kind: &str) -> bool {
    problem.r#type.as_deref().and_then(|full| full.rsplit(':').next()) == Some(kind)
}

/// What the CA found where it looked.
async fn why_invalid(order: &mut Order) -> Failed {
    let mut found = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        // What was read before it was tried says nothing.
        let Ok(state) = authorization.refresh().await else { continue };
        found.extend(state.challenges.iter().filter_map(|one| one.error.as_ref()).map(problem));
    }
    let found = if found.is_empty() { "it does not say why".to_owned() } else { found.join("; ") };
    Failed::over(format!("the CA could not see that the name leads here: {found}"))
}

fn words(error: &Error) -> String {
    match error {
        Error::Api(refused) => format!("the CA refuses it: {}", problem(refused)),
        Error::Timeout(_) => {
            "the CA has not come to an end within the time that it is given; the same order is gone on with"
                .to_owned()
        }
        other => format!("the CA cannot be asked: {other}"),
    }
}

fn problem(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or_default().rsplit(':').next().unwrap_or_default();
    let detail = problem.detail.as_deref().unwrap_or("no detail");
    let more = problem.subproblems.iter().filter_map(|more| more.detail.as_deref());
    let all = std::iter::once(detail).chain(more).collect::<Vec<_>>().join("; ");
    // Strangers' text: for a log and a terminal.
    let all: String = all.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1_000).collect();
    if kind.is_empty() { all } else { format!("{all} ({kind})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: &str, status: u16, detail: &str) -> Problem {
        let text = serde_json::json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "status": status, "detail": detail });
        serde_json::from_value(text).expect("a problem")
    }

    #[test]
    fn a_signed_order_is_of_use_only_with_its_key() {
        let known = |key: Option<&str>| Pending { url: "u".to_owned(), key: key.map(str::to_owned) };
        assert!(is_of_use(OrderStatus::Ready, &known(None)));
        assert!(is_of_use(OrderStatus::Valid, &known(Some("k"))));
        assert!(
            !is_of_use(OrderStatus::Valid, &known(None))
                && !is_of_use(OrderStatus::Invalid, &known(Some("k")))
        );
    }

    #[test]
    fn an_order_that_is_gone_is_not_one_that_is_refused_for_now() {
        assert!(is_gone(&refused("malformed", 404, "no such order")));
        assert!(!is_gone(&refused("rateLimited", 429, "later")));
        assert!(!is_gone(&refused("accountDoesNotExist", 400, "who?")));
        assert!(!is_gone(&refused("badNonce", 400, "which?")));
        assert!(Failed::from(Error::Api(refused("accountDoesNotExist", 400, "who?"))).has_no_account);
    }

    #[test]
    fn what_a_ca_says_is_told_in_one_line() {
        let told = words(&Error::Api(refused("rateLimited", 429, "too many\ncertificates")));
        assert_eq!(told, "the CA refuses it: too many certificates (rateLimited)");
    }
}
