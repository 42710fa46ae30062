//! The signature of Standard Webhooks (<https://www.standardwebhooks.com>): HMAC-SHA256 over `id.time.body`, for which
//! receivers have libraries.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::Secret;
use sha2::Sha256;

/// What begins a secret that is base64.
const PREFIX: &str = "whsec_";
/// Shorter keys can be guessed. Standard Webhooks asks for 24.
pub const KEY_BYTES_MIN: usize = 16;

/// A webhook's key.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// Why a secret is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("what follows `{PREFIX}` is no base64")]
    NoBase64,
    #[error("it has less than {KEY_BYTES_MIN} bytes")]
    Short,
}

impl Key {
    /// `whsec_` and base64, or a text that is taken byte by byte.
    /// # Errors
    /// It is no base64 where it says so, or is too short.
    pub fn parse(secret: &Secret) -> Result<Self, KeyError> {
        let bytes = match secret.reveal().strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| KeyError::NoBase64)?,
            None => secret.reveal().as_bytes().to_vec(),
        };
        if bytes.len() < KEY_BYTES_MIN {
            return Err(KeyError::Short);
        }
        Ok(Self(bytes))
    }

    /// The value of `webhook-signature`. `unix_s`: that of `webhook-timestamp`.
    pub fn sign(&self, id: &str, unix_s: u64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{unix_s}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of the reference libraries (standard-webhooks, `libraries/*/tests`).
    #[test]
    fn the_published_vector_comes_out() {
        let key = Key::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("a key");
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_that_can_be_guessed_or_read_two_ways_is_refused() {
        let code = |text: &str| Key::parse(&Secret::new(text)).map(drop);
        assert_eq!(code("hunter2"), Err(KeyError::Short));
        assert_eq!(code("whsec_$$$$"), Err(KeyError::NoBase64));
        assert_eq!(code("whsec_aGk="), Err(KeyError::Short));
        assert_eq!(code("a text that is long enough"), Ok(()));
    }
}
