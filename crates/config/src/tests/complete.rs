//! What needs every feature: the whole schema, and the documents made from the code.

mod documents;
mod schema;
