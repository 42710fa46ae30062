//! The room `kit`.
