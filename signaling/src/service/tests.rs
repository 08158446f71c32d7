//! The service as sessions see it, on both databases.

mod chat;
mod harness;
mod hostile;
mod people;
mod refusals;
mod rooms;
mod staff;
