//! What machine.toml says and what is refused.
