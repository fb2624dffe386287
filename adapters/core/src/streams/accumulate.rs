//! Puts the chunks of a stream together into a completion.
//!
//! The rules are those of `chatpb/_engine/reference/streams/accumulate.py`, which gives the reason for each.

use crate::schema::Accumulation;
use crate::streams::rules::{Pairs, StreamRules};
use crate::streams::value::{
    Array, Calls, Growth, ItemKey, Members, Object, Piece, Text, Value, index_of, member, members_around, object,
    print_list, print_members, print_text, text_of,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Puts chunks together, given the JSON texts that this engine prints of them.
#[derive(Debug, Clone)]
pub struct StreamAccumulator {
    rules: Arc<StreamRules>,
    top: Object,
    choices: BTreeMap<i64, Choice>,
    /// The text of the last chunk before and behind its choices. To add a member again changes nothing, so what the next
    /// chunk repeats of it is not looked at.
    around: Option<(Vec<u8>, Vec<u8>)>,
}

impl StreamAccumulator {
    pub fn new(rules: Arc<StreamRules>) -> StreamAccumulator {
        StreamAccumulator { rules, top: Object::default(), choices: BTreeMap::new(), around: None }
    }

    /// Add the next chunk, given the JSON text that a `Printer` made of it. Return whether it is the text of an object;
    /// nothing is added if not.
    #[must_use]
    pub fn add(&mut self, text: &[u8]) -> bool {
        let rules = &*self.rules;
        let choices_name = rules.chunk.name_of(Accumulation::Choices);
        let (known, behind) = match &self.around {
            Some((before, behind)) if text.starts_with(before) => (before.len(), behind.as_slice()),
            _ => (0, [].as_slice()),
        };
        let Some((members, place)) = members_around(text, choices_name, known, behind) else { return false };
        if known == 0 || place.as_ref().is_none_or(|place| text[place.end..] != *behind) {
            self.around = place.map(|place| (text[..place.start].to_vec(), text[place.end..].to_vec()));
        }
        for (name, mut value) in members {
            let accumulation = rules.chunk.get(&name);
            if accumulation == Accumulation::None {
                continue;
            }
            if accumulation == Accumulation::Choices {
                if let Piece::Array(items) = &mut value {
                    for (place, item) in items.iter().enumerate() {
                        if let Piece::Object(choice) = item {
                            let index = index_of(choice).unwrap_or(place as i64);
                            self.choices.entry(index).or_default().add(rules, choice);
                        }
                    }
                    items.retain(|item| !matches!(item, Piece::Object(_)));
                }
                grow(rules, self.top.slot(&name), &value, Accumulation::Unspecified);
                continue;
            }
            if let Piece::Text(text) = &mut value
                && let Some((_, values)) = rules.values.iter().find(|(each, _)| **each == *name)
                && let Some((_, whole)) = values.iter().find(|(each, _)| **each == **text)
            {
                *text.to_mut() = whole.to_vec();
            }
            let old = self.top.slot(&name);
            match accumulation {
                Accumulation::First => first(old, &value),
                _ => latest(old, &value),
            }
        }
        true
    }

    /// Return the JSON text of the completion so far, members in the order in which they came.
    pub fn json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let choices_name = self.rules.chunk.name_of(Accumulation::Choices);
        print_list(b"{}", self.top.iter(), &mut out, |(name, value), out| {
            print_text(name, out);
            out.push(b':');
            if name != choices_name || self.choices.is_empty() {
                return value.print(out);
            }
            print_list(b"[]", self.choices.values(), out, |choice, out| choice.print(&self.rules, out));
            let others = match value {
                Value::Array(array) => &*array.items,
                Value::Forms(forms) => &**forms,
                other => std::slice::from_ref(other),
            };
            out.pop();
            for other in others.iter().filter(|other| !other.is_empty()) {
                out.push(b',');
                other.print(out);
            }
            out.push(b']');
        });
        out
    }
}

#[derive(Debug, Default, Clone)]
struct Choice {
    members: Object,
    delta: Option<Value>,
    whole: Option<Value>,
}

impl Choice {
    fn add(&mut self, rules: &StreamRules, choice: &Members) {
        for (name, value) in choice {
            if **name == *rules.delta && matches!(value, Piece::Object(_) | Piece::Null) {
                if let Piece::Object(delta) = value
                    && let Value::Object(message) = self.delta.get_or_insert_with(|| Value::Object(Box::default()))
                {
                    extend(rules, message, delta);
                }
            } else if **name == *rules.message {
                latest(self.whole.get_or_insert_default(), value);
            } else {
                let Some(old) = form(self.members.slot(name), value) else { continue };
                let has_array = matches!(old, Value::Array(_)) || matches!(value, Piece::Array(_));
                match has_array || rules.choice.get(name) == Accumulation::Pieces {
                    true => grow(rules, old, value, Accumulation::Unspecified),
                    false => latest(old, value),
                }
            }
        }
    }

    fn print(&self, rules: &StreamRules, out: &mut Vec<u8>) {
        let message = match (&self.delta, &self.whole) {
            (Some(delta), whole) if !delta.is_empty() || whole.is_none() => Some(delta),
            (_, whole) => whole.as_ref(),
        };
        let message = message.map(|message| (&*rules.message, message));
        print_members(self.members.iter().chain(message), out);
    }
}

/// Add a delta to a message.
fn extend(rules: &StreamRules, message: &mut Object, delta: &Members) {
    for (name, value) in delta {
        let old = message.slot(name);
        let pieces = match value {
            _ if rules.delta_members.get(name) != Accumulation::Calls => None,
            Piece::Array(pieces) => Some(&**pieces),
            _ if matches!(old, Value::Calls(_)) && !value.is_vain() => Some(std::slice::from_ref(value)),
            _ => None,
        };
        let Some(pieces) = pieces else {
            add_member(rules, name, old, value, false, false);
            continue;
        };
        if !matches!(old, Value::Calls(_)) {
            let before = std::mem::replace(old, Value::Calls(Box::default()));
            if let Value::Calls(calls) = old
                && !before.is_vain()
            {
                open_call(calls, 0, before);
            }
        }
        if let Value::Calls(calls) = old {
            pieces.iter().for_each(|piece| add_call(rules, calls, piece));
        }
    }
}

fn add_call(rules: &StreamRules, calls: &mut Calls, piece: &Piece) {
    let Piece::Object(piece) = piece else {
        open_call(calls, calls.highest, piece.to_value());
        return;
    };
    let place = find_call(calls, piece).unwrap_or_else(|| {
        let index = index_of(piece).unwrap_or(calls.highest);
        open_call(calls, index, Value::Object(Box::default()))
    });
    let (index, Value::Object(members)) = &mut calls.calls[place] else { return };
    for (name, value) in piece {
        if rules.call.get(name) != Accumulation::None {
            add_member(rules, name, members.slot(name), value, false, false);
        }
    }
    if let Some(id) = members.text_of(b"id") {
        if calls.by_id.get(id) != Some(&place) {
            calls.by_id.insert(id.into(), place);
        }
        calls.by_both.insert((*index, "id", id.into()), place);
    }
}

fn open_call(calls: &mut Calls, index: i64, call: Value) -> usize {
    calls.calls.push((index, call));
    let place = calls.calls.len() - 1;
    calls.highest = if place > 0 { calls.highest.max(index) } else { index };
    calls.by_index.insert(index, place);
    place
}

/// Return the place of the call that a piece extends, `None` if it opens one.
fn find_call(calls: &Calls, piece: &Members) -> Option<usize> {
    let index = index_of(piece);
    let place = calls.by_index.get(&index.unwrap_or(calls.highest)).copied();
    let latest = place.and_then(|place| match &calls.calls[place].1 {
        Value::Object(call) => Some((place, call)),
        _ => None,
    });
    let Some(id) = text_of(piece, b"id") else {
        return if index.is_none() && has_name(piece) { None } else { latest.map(|(place, _)| place) };
    };
    let found = match index {
        Some(index) => calls.by_both.get(&(index, "id", id.into())),
        None => calls.by_id.get(id),
    };
    let (None, Some((place, call))) = (found, latest) else { return found.copied() };
    if index.is_some() {
        if call.text_of(b"id").is_none() {
            return Some(place);
        }
        if let Some(other) = calls.by_id.get(id) {
            return Some(*other);
        }
    }
    let mut bodies = piece.iter().filter(|(_, value)| matches!(value, Piece::Object(_))).peekable();
    let goes_on = bodies.peek().is_some()
        && !has_name(piece)
        && bodies.all(|(name, _)| matches!(call.get(name), Some(Value::Object(_))));
    goes_on.then_some(place)
}

/// Return whether a piece of a call names what it calls.
fn has_name(piece: &Members) -> bool {
    piece.iter().any(|(_, body)| matches!(body, Piece::Object(body) if text_of(body, b"name").is_some()))
}

/// Add a piece to a member of a message. `is_typed` says that it is one of an item that says its type, `keeps` that what
/// would be replaced is kept.
fn add_member(rules: &StreamRules, name: &[u8], old: &mut Value, new: &Piece, is_typed: bool, keeps: bool) {
    let accumulation = rule(rules, name, is_typed);
    let is_whole = matches!(accumulation, Accumulation::First | Accumulation::Latest);
    match accumulation {
        _ if keeps && !old.is_null() && (is_whole || matches!(new, Piece::Bool(_) | Piece::Number(_))) => {}
        Accumulation::First => first(old, new),
        Accumulation::Latest => latest(old, new),
        accumulation => grow(rules, old, new, accumulation),
    }
}

/// Return how a member accumulates. An item that says its type has base64 whole, such as encrypted data.
fn rule(rules: &StreamRules, name: &[u8], is_typed: bool) -> Accumulation {
    match rules.of_name(name) {
        Accumulation::Base64 if is_typed => Accumulation::Latest,
        found => found,
    }
}

/// Add a piece of an object to it. `is_item` says that it is the item of an array.
fn join(rules: &StreamRules, old: &mut Object, new: &Members, is_item: bool) {
    let is_typed = is_item && text_of(new, b"type").is_some();
    let keeps = is_raised(old, new);
    for (name, value) in new {
        add_member(rules, name, old.slot(name), value, is_typed, keeps);
    }
}

/// Add a piece to a value.
fn grow(rules: &StreamRules, old: &mut Value, new: &Piece, accumulation: Accumulation) {
    match (&mut *old, new) {
        (Value::Null, _) => *old = new.to_value(),
        (_, Piece::Null) => {}
        (Value::Object(object), Piece::Object(members)) => join(rules, object, members, false),
        (Value::Text(text), Piece::Text(more)) => append(text, more, accumulation),
        (Value::Forms(_) | Value::Object(_), _) | (_, Piece::Object(_)) => {
            if let Some(old) = form(old, new) {
                grow(rules, old, new, accumulation);
            }
        }
        (Value::Bool(_) | Value::Number(_), Piece::Bool(_) | Piece::Number(_)) => latest(old, new),
        _ => grow_array(rules, old, new),
    }
}

/// Make an array of two values, neither of them an object, and not both text.
fn grow_array(rules: &StreamRules, old: &mut Value, new: &Piece) {
    if gives_way(old, new) {
        return;
    }
    let old_has_parts = matches!(old, Value::Array(array) if matches!(array.items[0], Value::Object(_)));
    let has_parts = old_has_parts || matches!(new, Piece::Array(items) if matches!(items[0], Piece::Object(_)));
    if !matches!(old, Value::Array(_)) {
        let mut item = std::mem::take(old);
        if has_parts
            && matches!(item, Value::Text(_))
            && let Value::Object(part) = &mut text_part(b"").to_value()
        {
            *part.slot(b"text") = item;
            item = Value::Object(std::mem::take(part));
        }
        *old = Value::array(vec![item]);
    }
    let Value::Array(array) = old else { return };
    match new {
        Piece::Array(items) => extend_array(rules, array, items),
        Piece::Text(text) if has_parts => extend_array(rules, array, &[text_part(text)]),
        _ => extend_array(rules, array, std::slice::from_ref(new)),
    }
}

fn text_part(text: &[u8]) -> Piece<'_> {
    let kind = Piece::Text(b"text".into());
    Piece::Object(vec![(b"type".into(), kind), (b"text".into(), Piece::Text(text.into()))])
}

/// Return the value that a piece adds to, where a member is an object in one chunk and something else in another;
/// `None` if there is nothing to add.
fn form<'v>(old: &'v mut Value, new: &Piece) -> Option<&'v mut Value> {
    let is_object = matches!(new, Piece::Object(_));
    if !matches!(old, Value::Forms(_)) {
        if matches!(old, Value::Object(_)) == is_object {
            return Some(old);
        }
        if gives_way(old, new) {
            return None;
        }
        let mut forms = Box::<[Value; 2]>::default();
        forms[usize::from(is_object)] = std::mem::take(old);
        *old = Value::Forms(forms);
    }
    match old {
        Value::Forms(forms) => Some(&mut forms[usize::from(!is_object)]),
        _ => None,
    }
}

/// Return whether one of two values has nothing to say, so that only the other one counts.
fn gives_way(old: &mut Value, new: &Piece) -> bool {
    if new.is_null() || new.is_vain() && !old.is_empty() {
        return true;
    }
    let is_vain = old.is_vain();
    if is_vain {
        *old = new.to_value();
    }
    is_vain
}

fn append(text: &mut Text, more: &[u8], accumulation: Accumulation) {
    if text.raw.is_empty() {
        text.raw.extend_from_slice(more);
    } else if !(more.is_empty() || accumulation == Accumulation::Name && text.raw == more) {
        text.raw.extend_from_slice(more);
        if text.growth == Growth::None {
            text.growth = if accumulation == Accumulation::Base64 { Growth::Base64 } else { Growth::Text };
        }
    }
}

fn extend_array(rules: &StreamRules, array: &mut Array, items: &[Piece]) {
    if !array.has_grown {
        array.has_grown = true;
        for place in 0..array.items.len() {
            note_place(array, place);
        }
        array.ending = match array.items.last() {
            Some(Value::Object(item)) => {
                let texts = item.iter().map(|(name, value)| (name, value.whole_text()));
                whole_texts(rules, texts, item.text_of(b"type").is_some())
            }
            _ => Vec::new(),
        };
    }
    let before = array.items.len();
    for (number, item) in items.iter().enumerate() {
        let place = match item {
            Piece::Object(members) => find_item(rules, array, members, before, number == 0),
            _ => None,
        };
        let place = match (place, item) {
            (Some(place), Piece::Object(members)) => {
                if let Value::Object(old) = &mut array.items[place] {
                    join(rules, old, members, true);
                }
                place
            }
            _ => {
                array.items.push(item.to_value());
                array.items.len() - 1
            }
        };
        note_place(array, place);
        if place == array.items.len() - 1 {
            array.ending = match item {
                Piece::Object(members) => {
                    let texts = members.iter().map(|(name, value)| (&**name, value.text()));
                    whole_texts(rules, texts, text_of(members, b"type").is_some())
                }
                _ => Vec::new(),
            };
        }
    }
}

/// Note where an item with an index is.
fn note_place(array: &mut Array, place: usize) {
    if let Value::Object(item) = &array.items[place]
        && let Some(index) = item.index()
    {
        for key in keys(index, item.text_of(b"id"), item.text_of(b"type")).into_iter().flatten() {
            array.places.insert(key, place);
        }
    }
}

/// Return the place of the item, of those before, that an item extends.
fn find_item(rules: &StreamRules, array: &Array, item: &Members, before: usize, is_first: bool) -> Option<usize> {
    let fits = |place: usize| matches!(&array.items[place], Value::Object(old) if fit(rules, old, item, true));
    if let Some(index) = index_of(item) {
        let keys = keys(index, text_of(item, b"id"), text_of(item, b"type"));
        let mut places = keys.iter().flatten().filter_map(|key| array.places.get(key).copied());
        return places.find(|&place| place < before && fits(place));
    }
    let last = before.checked_sub(1).filter(|_| is_first)?;
    let Value::Object(old) = &array.items[last] else { return None };
    // There may be as many as the piece before had members, so that they are looked up in an object.
    let repeats = || {
        let item = object(item);
        array.ending.iter().all(|(name, text)| item.text_of(name) == Some(text))
    };
    (continues(rules, old, item) && (array.ending.is_empty() || repeats())).then_some(last)
}

/// Return what an item is found by, the most exact first.
fn keys(index: i64, id: Option<&[u8]>, kind: Option<&[u8]>) -> [Option<ItemKey>; 3] {
    let key = |name, text: &[u8]| (index, name, text.into());
    [id.map(|id| key("id", id)), kind.map(|kind| key("type", kind)), Some(key("", b""))]
}

/// Return the texts of an item, but its type, that are never appended to and have no first value.
fn whole_texts<'n>(
    rules: &StreamRules,
    texts: impl Iterator<Item = (&'n [u8], Option<&'n [u8]>)>,
    is_typed: bool,
) -> Pairs {
    let texts = texts.filter_map(|(name, text)| Some((name, text?)));
    let is_whole = |name: &[u8]| name != b"type" && rule(rules, name, is_typed) == Accumulation::Latest;
    texts.filter(|(name, _)| is_whole(name)).map(|(name, text)| (name.into(), text.into())).collect()
}

/// Return whether a piece can be of an object: no text that is never appended to differs.
fn fit(rules: &StreamRules, old: &Object, new: &Members, is_item: bool) -> bool {
    let is_typed = is_item && text_of(new, b"type").is_some();
    new.iter().all(|(name, value)| match (old.get(name), value) {
        (Some(Value::Object(old)), Piece::Object(new)) => fit(rules, old, new, false),
        (Some(Value::Text(old)), Piece::Text(new)) => {
            let differs = old.growth != Growth::None || old.raw != **new;
            new.is_empty()
                || old.raw.is_empty()
                || !differs
                || !matches!(rule(rules, name, is_typed), Accumulation::First | Accumulation::Latest)
        }
        _ => true,
    })
}

/// Return whether two items without an index are pieces of one running text.
fn continues(rules: &StreamRules, old: &Object, new: &Members) -> bool {
    let kind = text_of(new, b"type");
    if kind.is_none() || old.text_of(b"type") != kind || old.index().is_some() {
        return false;
    }
    let mut runs = rules.running.iter().filter(|name| matches!(old.get(name), Some(Value::Text(_) | Value::Array(_))));
    let runs_on =
        |name: &[u8]| matches!(member(new, name), None | Some(Piece::Null | Piece::Text(_) | Piece::Array(_)));
    runs.clone().next().is_some()
        && runs.all(|name| runs_on(name))
        && new.iter().all(|(name, value)| match (value, old.get(name)) {
            (Piece::Number(number), Some(Value::Number(before))) => **before == **number,
            (Piece::Number(_), _) => false,
            _ => true,
        })
        && fit(rules, old, new, true)
}

/// Give a member its first value that is neither empty nor zero.
fn first(old: &mut Value, new: &Piece) {
    if old.is_vain() {
        latest(old, new);
    }
}

/// Give a member its latest value that is not empty, objects joined.
fn latest(old: &mut Value, new: &Piece) {
    if let (Value::Object(object), Piece::Object(members)) = (&mut *old, new) {
        let keeps = is_raised(object, members);
        for (name, value) in members {
            let slot = object.slot(name);
            if !keeps || slot.is_null() {
                latest(slot, value);
            }
        }
        return;
    }
    let Some(old) = form(old, new) else { return };
    if matches!(new, Piece::Object(_)) {
        return latest(old, new);
    }
    let is_raised = matches!((&*old, new), (Value::Bool(true), Piece::Bool(false)));
    if !(new.is_null() || new.is_empty() && !old.is_empty() || is_raised) {
        *old = new.to_value();
    }
}

/// Return whether an object has a true that a later one would make false.
fn is_raised(old: &Object, new: &Members) -> bool {
    let is_true = |name: &[u8]| matches!(old.get(name), Some(Value::Bool(true)));
    new.iter().any(|(name, value)| matches!(value, Piece::Bool(false)) && is_true(name))
}
