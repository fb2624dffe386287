//! Converts JSON with chatpb.

use chatpb::{Accumulator, Codec, Error, Options};

use crate::protocol::{Conversion, Convert, Outcome, Refusal, Response};

pub fn convert(request: &Convert) -> Result<Response, String> {
    let codec = Codec::new(&request.r#type).map_err(|error| error.to_string())?;
    let codec = codec.with(Options { skip_unknown: request.skip_unknown, ..Options::default() });
    let outcomes = request.inputs.iter().map(|input| match output(request.conversion(), &codec, input) {
        Ok(output) => Ok(Outcome { output, refusal: None }),
        Err(error) => Ok(Outcome { output: Vec::new(), refusal: Some(refusal(&error)?) }),
    });
    Ok(Response { outcomes: outcomes.collect::<Result<_, String>>()?, ..Response::default() })
}

fn output(conversion: Conversion, codec: &Codec, input: &[u8]) -> Result<Vec<u8>, Error> {
    match conversion {
        Conversion::JsonToWire => codec.json_to_wire(input),
        Conversion::WireToJson => codec.wire_to_json(input).map(String::into_bytes),
        Conversion::Validate => {
            let violations = codec
                .validate(input)?
                .into_iter()
                .map(|each| serde_json::json!({"path": each.path, "rule": each.rule, "message": each.message}));
            Ok(serde_json::Value::from_iter(violations).to_string().into_bytes())
        }
        Conversion::Accumulate => {
            let mut accumulator = Accumulator::default();
            for line in input.split_inclusive(|&byte| byte == b'\n') {
                accumulator.add_json(line.strip_suffix(b"\n").unwrap_or(line))?;
            }
            accumulator.to_json().map(String::into_bytes)
        }
        Conversion::Unspecified => unreachable!("no such conversion"),
    }
}

fn refusal(error: &Error) -> Result<Refusal, String> {
    let reason = match error {
        Error::Json(error) => &error.reason,
        Error::Wire(error) => &error.reason,
        _ => return Err(error.to_string()),
    };
    let number = |found: Option<usize>| found.unwrap_or_default() as u64;
    Ok(Refusal {
        code: error.code().into(),
        path: error.path().unwrap_or_default().into(),
        line: number(error.line()),
        column: number(error.column()),
        offset: number(error.offset()),
        reason: reason.clone(),
    })
}
