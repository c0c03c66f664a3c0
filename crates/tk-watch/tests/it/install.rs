//! Triggers and destinations.
