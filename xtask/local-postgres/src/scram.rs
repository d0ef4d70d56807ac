//! What a server keeps instead of a password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A password's verifier as PostgreSQL stores it (RFC 5803), so that no server, container or process list ever has the
/// password itself.
///
/// Each connection costs the client that many `iterations`: they make a bad password hard to guess. PostgreSQL's
/// default of 4096 is more than half the time of a connection, and adds nothing to 122 random bits.
pub(crate) fn verifier(password: &str, iterations: u32) -> String {
    let salt = Uuid::new_v4().into_bytes();
    let mut block = hmac(
        password.as_bytes(),
        &[&salt[..], &1_u32.to_be_bytes()].concat(),
    );
    let mut salted = block;
    for _ in 1..iterations {
        block = hmac(password.as_bytes(), &block);
        salted
            .iter_mut()
            .zip(block)
            .for_each(|(byte, other)| *byte ^= other);
    }
    let stored = Sha256::digest(hmac(&salted, b"Client Key"));
    let server = hmac(&salted, b"Server Key");
    let [salt, stored, server] =
        [&salt[..], &stored[..], &server[..]].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256${iterations}:{salt}${stored}:{server}")
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text);
    mac.finalize().into_bytes().into()
}
