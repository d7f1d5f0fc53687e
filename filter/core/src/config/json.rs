//! Forms of JSON values that sections are made of, and of what must hold for each.
//!
//! A field is either [`Given`] or absent. `null` is refused wherever it stands: a section whose contents
//! got lost, say by a slip of indentation, must not count as left out.

use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde::Deserialize;

use super::error::ConfigError;

/// A field that may be absent, but not `null`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<T>(pub(super) Option<T>);

impl<T> Default for Given<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Self(Some(value)))
    }
}

/// A JSON object. Derived structs would take an array as well, its items in the order of their fields.
#[derive(Debug, Default)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    // A function for each section, or all of them become one: V8's compiler takes memory for its largest
    // function, and Envoy does not give it back.
    #[inline(never)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A JSON object whose keys are not known beforehand, each of them once. JSON leaves open what two entries of
/// one name mean, and of a map serde would take the last in silence.
#[derive(Debug)]
pub(super) struct Entries<T>(pub(super) BTreeMap<String, T>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            match entries.entry(key) {
                Entry::Vacant(place) => place.insert(value),
                Entry::Occupied(place) => {
                    return Err(A::Error::custom(format_args!("{:?} is listed already", place.key())));
                }
            };
        }
        Ok(Entries(entries))
    }
}

/// A whole number. Also written as a float without a fraction: Envoy keeps the numbers of a Struct as
/// doubles, and may write large ones with an exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number below 2^63")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Whole, E> {
        Ok(Whole(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Whole, E> {
        i64::try_from(value).map(Whole).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Whole, E> {
        // 2^63 is a float; every smaller whole one is an i64.
        if value.fract() != 0.0 || value.abs() >= 9_223_372_036_854_775_808.0 {
            return Err(E::invalid_value(Unexpected::Float(value), &self));
        }
        // From 2^53 on several whole numbers are one float.
        if value.abs() >= 9_007_199_254_740_992.0 {
            return Err(E::custom(format!(
                "{value} need not be the number that was written: from 2^53 on give the configuration as JSON text \
                 (StringValue), and the number without a point or an exponent"
            )));
        }
        Ok(Whole(value as i64))
    }
}

/// The number that is given, if it lies in the range; the default if none is.
pub(super) fn within<T>(path: &str, given: Given<Whole>, default: T, range: RangeInclusive<T>) -> Result<T, ConfigError>
where
    T: TryFrom<i64> + PartialOrd + fmt::Display,
{
    let Some(Whole(value)) = given.0 else {
        return Ok(default);
    };
    T::try_from(value)
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| ConfigError::at(path, format_args!("{value} is not in {}..={}", range.start(), range.end())))
}
