//! The client of the admin API.
