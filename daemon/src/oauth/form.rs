//! An `application/x-www-form-urlencoded` body that never leaves a copy of a secret behind.

use zeroize::Zeroizing;

use crate::secret::Secret;

/// Names and values in order; a name is set once, `add` is for those that may repeat.
#[derive(Default)]
pub(super) struct Form(Vec<(String, Zeroizing<Vec<u8>>)>);

impl Form {
    pub(super) fn new(grant_type: &str) -> Self {
        let mut form = Self::default();
        form.set("grant_type", grant_type.as_bytes());
        form
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Sets a value unless it is set.
    pub(super) fn set(&mut self, name: &str, value: &[u8]) {
        if !self.has(name) {
            self.add(name, value);
        }
    }

    /// Adds a value beside others of the same name.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), Zeroizing::new(value.to_vec())));
    }

    /// The body, written into one allocation that is large enough from the start.
    pub(super) fn into_body(self) -> Secret {
        let mut body = Zeroizing::new(Vec::with_capacity(self.room()));
        for (name, value) in &self.0 {
            if !body.is_empty() {
                body.push(b'&');
            }
            for piece in form_urlencoded::byte_serialize(name.as_bytes()) {
                body.extend_from_slice(piece.as_bytes());
            }
            body.push(b'=');
            for piece in form_urlencoded::byte_serialize(value) {
                body.extend_from_slice(piece.as_bytes());
            }
        }
        Secret::locked_copy_of(&body)
    }
    /// Bytes that are enough if every byte is escaped.
    fn room(&self) -> usize {
        self.0.iter().map(|(name, value)| (name.len() + value.len()) * 3 + 2).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_never_outgrows_its_room() {
        let mut form = Form::default();
        form.add("//", b"/////");
        form.add("/", b"//");
        let room = form.room();
        // Everything is escaped, and there is one `&` less than there are fields.
        assert_eq!(form.into_body().len(), room - 1);
    }
}
