//! Argon2id in memory that goes back to the machine at once.
//!
//! glibc keeps freed blocks of up to 32 MiB for each thread that ever had one, once it has seen a block of that size
//! go (mallopt(3), `M_MMAP_THRESHOLD`): 19 MiB a thread, for ever. A larger block is always mapped and unmapped by itself.

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        CustomizedPasswordHasher, PasswordHasher, Result,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};

/// More than glibc ever keeps. What is not written of it takes no memory.
const ROOM_BYTES: usize = 33 << 20;

#[derive(Default)]
pub(super) struct Hasher {
    algorithm: Algorithm,
    version: Version,
    params: Params,
}

impl Hasher {
    /// OWASP's second choice: 19 MiB, t = 2, p = 1.
    pub(super) fn new() -> Self {
        // The numbers are valid, so the default is never taken.
        Self { params: Params::new(19 * 1_024, 2, 1, None).unwrap_or_default(), ..Self::default() }
    }
}

impl PasswordHasher<PasswordHash> for Hasher {
    fn hash_password_with_salt(&self, password: &[u8], salt: &[u8]) -> Result<PasswordHash> {
        let salt = Salt::new(salt)?;
        let mut out = vec![0; self.params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
        let count = self.params.block_count();
        let mut blocks = Vec::with_capacity(count.max(ROOM_BYTES / Block::SIZE));
        blocks.resize(count, Block::new());
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        argon2.hash_password_into_with_memory(password, &salt, &mut out, &mut blocks)?;
        Ok(PasswordHash {
            algorithm: self.algorithm.ident(),
            version: Some(self.version.into()),
            params: ParamsString::try_from(&self.params)?,
            salt: Some(salt),
            hash: Some(Output::new(&out)?),
        })
    }
}

/// What looks at a password hashes it as the stored one was.
impl CustomizedPasswordHasher<PasswordHash> for Hasher {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> Result<PasswordHash> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        Self { algorithm, version, params }.hash_password_with_salt(password, salt)
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier;

    use super::*;

    #[test]
    fn hashes_are_those_of_the_crate_itself() {
        let (ours, theirs) = (Hasher::new(), Argon2::from(Hasher::new().params));
        let hash = ours.hash_password(b"correct horse").expect("hashes");
        assert!(theirs.verify_password(b"correct horse", &hash).is_ok());
        assert!(theirs.verify_password(b"another horse", &hash).is_err());
        let hash = theirs.hash_password(b"correct horse").expect("hashes");
        assert!(ours.verify_password(b"correct horse", &hash).is_ok());
        assert!(ours.verify_password(b"another horse", &hash).is_err());
        assert!(hash.to_string().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }
}
