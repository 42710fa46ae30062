//! Whose binary it is: a detached signature of minisign's, by a key that this machine's file or the build names.

use std::io::{self, Read};

use base64::Engine as _;
use minisign_verify::{Error, PublicKey, Signature};
use model::Explain;

/// The key of who made this build, where they gave one.
const OF_THE_BUILD: Option<&str> = option_env!("MAINSTAY_UPGRADE_KEY");

/// Those of machine.toml and of the build.
///
/// # Errors
/// There is none, or one is no key.
pub(super) fn trusted(of_the_machine: &[String]) -> Result<Vec<PublicKey>, Explain> {
    let of_the_build = OF_THE_BUILD.into_iter().filter(|key| !key.is_empty());
    let all = of_the_machine.iter().map(String::as_str).chain(of_the_build);
    let keys = all.map(|text| {
        PublicKey::from_base64(text).map_err(|error| {
            Explain::new("bad-upgrade-key", format!("`{text}` is no public key of minisign")).because(&error)
        })
    });
    let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(Explain::new("upgrade-no-key", "this machine trusts nobody to sign a Mainstay")
            .now("nothing was changed")
            .help("put the public key of who signs it into machine.toml: `upgrade_keys = [\"RW…\"]`, and restart the keeper"));
    }
    Ok(keys)
}

/// A signature by a key that is trusted, of bytes that are still to be seen.
pub(super) struct Signed {
    key: PublicKey,
    signature: Signature,
}

impl Signed {
    /// # Errors
    /// `text` is no signature, or another's.
    pub(super) fn read(keys: Vec<PublicKey>, text: &str) -> Result<Self, Explain> {
        let signature = Signature::decode(text).map_err(|error| {
            refused("signature-unreadable", "the signature is not one of minisign's")
                .because(&error)
                .help("sign it by `minisign -S -m FILE`, which writes FILE.minisig")
        })?;
        for key in keys {
            match key.verify_stream(&signature).map(drop) {
                Ok(()) => return Ok(Self { key, signature }),
                Err(Error::UnexpectedKeyId) => continue,
                Err(error) => return Err(legacy(&error)),
            }
        }
        Err(refused(
            "signature-untrusted",
            format!("the signature is by the key {}, which is not trusted here", key_id(text)),
        )
        .help("if it should be, put the public key into machine.toml: `upgrade_keys = [\"RW…\"]`, and restart the keeper"))
    }

    /// The trusted comment, once the key has signed all of `file` and the comment.
    ///
    /// # Errors
    /// It is a signature of something else; the file cannot be read.
    pub(super) fn check(&self, file: &mut impl Read) -> Result<String, Explain> {
        let mut verifier = self.key.verify_stream(&self.signature).map_err(|error| legacy(&error))?;
        each_chunk(file, |chunk| verifier.update(chunk)).map_err(|error| {
            Explain::new("upgrade-unreadable", "the binary that was sent cannot be read")
                .because(&error)
                .help("look at the disk of the data folder, then send it again")
        })?;
        match verifier.finalize() {
            Ok(()) => Ok(self.signature.trusted_comment().to_owned()),
            Err(_) => Err(refused("signature-wrong", "the signature is not of this file")
                .caused_by("the file, the signature or its trusted comment was changed since it was signed")
                .help("get both anew from where they were published")),
        }
    }
}

fn legacy(error: &Error) -> Explain {
    refused("signature-legacy", "the signature is of a form that is not taken")
        .because(error)
        .help("sign it anew by a minisign of 0.8 or later")
}

fn refused(code: &'static str, message: impl Into<String>) -> Explain {
    Explain::new(code, message.into()).now("nothing was changed")
}

fn each_chunk(file: &mut impl Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            count => take(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// As minisign shows it: two bytes of the algorithm, then the id, a little-endian number.
fn key_id(signature: &str) -> String {
    let line = signature.lines().nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(line).unwrap_or_default();
    let id = bytes.get(2..10).and_then(|id| id.try_into().ok()).map(u64::from_le_bytes);
    id.map_or_else(|| "of an unknown id".to_owned(), |id| format!("{id:016X}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"a binary";

    fn pair() -> (minisign::KeyPair, PublicKey) {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().expect("a pair");
        let key = PublicKey::from_base64(&pair.pk.to_base64()).expect("a key");
        (pair, key)
    }

    fn signed(pair: &minisign::KeyPair) -> String {
        let made = minisign::sign(None, &pair.sk, BYTES, Some("version 9"), None);
        made.expect("signed").into_string()
    }

    fn check(keys: &[PublicKey], text: &str, mut bytes: &[u8]) -> Result<String, Explain> {
        Signed::read(keys.to_vec(), text)?.check(&mut bytes)
    }

    fn code(keys: &[PublicKey], text: &str, bytes: &[u8]) -> String {
        check(keys, text, bytes).expect_err("refused").code
    }

    #[test]
    fn what_one_of_the_keys_has_signed_gives_its_comment() {
        let ((_, other), (pair, key)) = (pair(), pair());
        let told = check(&[other, key], &signed(&pair), BYTES);
        assert_eq!(told.expect("good"), "version 9");
    }

    #[test]
    fn each_way_to_be_wrong_has_its_own_words() {
        let ((_, other), (pair, key)) = (pair(), pair());
        let good = signed(&pair);
        let keys = [key];
        assert_eq!(code(&keys, &good, b"a binarY"), "signature-wrong");
        assert_eq!(code(&keys, &good.replace("version 9", "version 8"), BYTES), "signature-wrong");
        assert_eq!(code(&keys, "no signature", BYTES), "signature-unreadable");
        let untrusted = check(&[other], &good, BYTES).expect_err("refused");
        let id = u64::from_le_bytes(pair.pk.keynum().try_into().expect("8 bytes"));
        assert_eq!(untrusted.code, "signature-untrusted");
        assert!(untrusted.message.contains(&format!("{id:016X}")), "{}", untrusted.message);
    }

    #[test]
    fn a_machine_without_a_key_says_where_to_put_one() {
        let refused = trusted(&[]).expect_err("there is none");
        assert_eq!(refused.code, "upgrade-no-key");
        assert!(refused.help.is_some_and(|help| help.contains("upgrade_keys")));
        assert_eq!(trusted(&[pair().0.pk.to_base64()]).expect("one").len(), 1);
    }
}
