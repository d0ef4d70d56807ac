//! Names and values in SQL, quoted by construction.

use std::fmt;

/// A name in SQL, quoted by construction: `order` and `weird "name` are names like any other.
#[derive(Clone, Copy)]
pub(crate) struct Ident<'a>(pub(crate) &'a str);

impl fmt::Display for Ident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A text value in a script that is printed; what we run ourselves takes parameters.
#[derive(Clone, Copy)]
pub(crate) struct Literal<'a>(pub(crate) &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = self.0.replace('\'', "''");
        match quoted.contains('\\') {
            true => write!(f, "E'{}'", quoted.replace('\\', "\\\\")),
            false => write!(f, "'{quoted}'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_quoted() {
        assert_eq!(Ident("weird \"name").to_string(), "\"weird \"\"name\"");
        assert_eq!(Literal("it's").to_string(), "'it''s'");
        assert_eq!(Literal(r"a\'").to_string(), r"E'a\\'''");
    }
}
