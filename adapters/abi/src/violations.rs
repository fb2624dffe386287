//! Violations as JSON, which every language reads.

use chatpb_core::Violation;
use chatpb_core::json_text::quote_and;

/// Return a JSON array of objects with the strings `path`, `rule` and `message`.
pub fn to_json(violations: &[Violation]) -> Vec<u8> {
    let mut json = vec![b'['];
    for violation in violations {
        let Violation { path, rule, message } = violation;
        json.extend_from_slice(b"{\"path\":");
        quote_and(path.as_bytes(), b',', &mut json);
        json.extend_from_slice(b"\"rule\":");
        quote_and(rule.as_bytes(), b',', &mut json);
        json.extend_from_slice(b"\"message\":");
        quote_and(message.as_bytes(), b'}', &mut json);
        json.push(b',');
    }
    if !violations.is_empty() {
        json.pop();
    }
    json.push(b']');
    json
}
