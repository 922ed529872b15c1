//! `postgres`, from the newest version that is installed.
