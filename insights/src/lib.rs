//! The insight store.
