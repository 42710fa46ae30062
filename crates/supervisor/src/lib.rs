//! The room `supervisor`.
