//! Messages of prost.

use crate::buffers::{Buffers, text, with_buffers};
use crate::codec::Codec;
use crate::error::{Error, Result, SchemaError};
use prost::{Message, Name};
use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

/// The codecs of the contract's types, by the classes that were generated from it.
static CODECS: LazyLock<RwLock<HashMap<TypeId, Codec>>> = LazyLock::new(RwLock::default);

/// Return the message of the contract that the text of a JSON object stands for.
///
/// `M` is a type that prost-build generated, with the names that `Config::enable_type_names` adds.
///
/// # Errors
///
/// Those of [`Codec::json_to_wire`], and [`Error::Schema`] for a type that the contract does not have.
pub fn from_json<M: Message + Name + Default + 'static>(json: impl AsRef<[u8]>) -> Result<M> {
    from_json_with(&codec_of::<M>()?, json)
}

/// Return the message that the text of a JSON object stands for, by a codec: with options, or of your own contract.
///
/// # Errors
///
/// Those of [`from_json`]; [`Error::Schema`] for the codec of another type.
pub fn from_json_with<M: Message + Name + Default>(codec: &Codec, json: impl AsRef<[u8]>) -> Result<M> {
    check_type::<M>(codec)?;
    with_buffers(|Buffers { encoder, wire, .. }| {
        codec.encode(encoder, json.as_ref(), wire)?;
        Ok(M::decode(wire.as_slice())?)
    })
}

/// Return the JSON text of a message of the contract.
///
/// # Errors
///
/// [`Error::Wire`] for a message that holds what JSON cannot, and
/// [`Error::Schema`] for a type that the contract does not have.
pub fn to_json<M: Message + Name + 'static>(message: &M) -> Result<String> {
    to_json_with(&codec_of::<M>()?, message)
}

/// Return the JSON text of a message by a codec: with options, or of your own contract.
///
/// # Errors
///
/// Those of [`to_json`]; [`Error::Schema`] for the codec of another type.
pub fn to_json_with<M: Message + Name>(codec: &Codec, message: &M) -> Result<String> {
    check_type::<M>(codec)?;
    with_buffers(|Buffers { printer, wire, json, .. }| {
        message.encode_raw(wire);
        codec.print(printer, wire, json)?;
        Ok(text(json))
    })
}

fn codec_of<M: Name + 'static>() -> Result<Codec> {
    let key = TypeId::of::<M>();
    if let Some(codec) = CODECS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(codec.clone());
    }
    let codec = Codec::new(&M::full_name())?;
    CODECS.write().unwrap_or_else(PoisonError::into_inner).insert(key, codec.clone());
    Ok(codec)
}

fn check_type<M: Name>(codec: &Codec) -> Result<()> {
    let name = M::full_name();
    if codec.type_name() == name {
        return Ok(());
    }
    let reason = format!("a message of the type {name}, with a codec of {}", codec.type_name());
    Err(Error::Schema(SchemaError(reason)))
}
