//! What the manifest says and what is refused.
