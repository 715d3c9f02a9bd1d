//! Reading bincode's bytes (variable-length integers, little-endian) into today's structs, field by
//! field as an older format had them.
//!
//! **Source**: bincode 1.3, `spec.md`: a byte below 251 is itself; 251, 252, 253, 254 come before
//! 2, 4, 8 and 16 bytes; signed numbers zigzag; lengths and variants are unsigned numbers.

use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::{Shapes, Variant};

/// Why bytes are not what they should be, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ReadError(String);

impl serde::de::Error for ReadError {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        ReadError(text.to_string())
    }
}

type Result<T> = std::result::Result<T, ReadError>;

/// Reads a value of an older format; nothing may be left over.
///
/// **Errors**: in words.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    shapes: &'static Shapes,
) -> Result<T> {
    let mut reader = Reader {
        rest: bytes,
        shapes,
    };
    let value = T::deserialize(&mut reader)?;
    match reader.rest {
        [] => Ok(value),
        left => Err(ReadError(format!("{} bytes are left over", left.len()))),
    }
}

struct Reader<'de> {
    rest: &'de [u8],
    shapes: &'static Shapes,
}

impl<'de> Reader<'de> {
    fn take(&mut self, count: usize) -> Result<&'de [u8]> {
        let ends = || ReadError("it ends too early".to_owned());
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(ends)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|taken| taken[0])
    }

    /// A number of `count` bytes, little-endian.
    fn fixed(&mut self, count: usize) -> Result<u128> {
        let bytes = self.take(count)?.iter().rev();
        Ok(bytes.fold(0, |number, byte| (number << 8) | u128::from(*byte)))
    }

    fn unsigned(&mut self) -> Result<u128> {
        match self.byte()? {
            251 => self.fixed(2),
            252 => self.fixed(4),
            253 => self.fixed(8),
            254 => self.fixed(16),
            255 => Err(ReadError("a number of no length".to_owned())),
            small => Ok(small.into()),
        }
    }

    fn number<N: TryFrom<u128>>(&mut self) -> Result<N> {
        let number = self.unsigned()?;
        N::try_from(number).map_err(|_| ReadError(format!("{number} is too large a number")))
    }

    fn signed<N: TryFrom<i128>>(&mut self) -> Result<N> {
        let folded = self.unsigned()?;
        let half = i128::try_from(folded >> 1).expect("half of a number fits");
        let number = if folded & 1 == 0 { half } else { !half };
        N::try_from(number).map_err(|_| ReadError(format!("{number} is too large a number")))
    }

    fn text(&mut self) -> Result<&'de str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(ReadError::custom)
    }

    fn bytes(&mut self) -> Result<&'de [u8]> {
        let length = self.number()?;
        self.take(length)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $by:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.$visit(self.$by()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = ReadError;

    numbers! {
        deserialize_u8 visit_u8 byte;
        deserialize_u16 visit_u16 number;
        deserialize_u32 visit_u32 number;
        deserialize_u64 visit_u64 number;
        deserialize_u128 visit_u128 number;
        deserialize_i16 visit_i16 signed;
        deserialize_i32 visit_i32 signed;
        deserialize_i64 visit_i64 signed;
        deserialize_str visit_borrowed_str text;
        deserialize_string visit_borrowed_str text;
        deserialize_bytes visit_borrowed_bytes bytes;
        deserialize_byte_buf visit_borrowed_bytes bytes;
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_i8(i8::from_le_bytes([self.byte()?]))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            other => Err(ReadError(format!("{other} is neither true nor false"))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            other => Err(ReadError(format!(
                "{other} is neither something nor nothing"
            ))),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let left = self.number()?;
        visitor.visit_seq(Counted { reader: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(Counted {
            reader: self,
            left: len,
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let left = self.number()?;
        visitor.visit_map(Counted { reader: self, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.shapes.fields(name) {
            Some(left) => visitor.visit_map(Named { reader: self, left }),
            None => self.deserialize_tuple(fields.len(), visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let known = self.shapes.variants(name);
        visitor.visit_enum(Chosen {
            reader: self,
            name,
            known,
        })
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! { i128 f32 f64 char identifier ignored_any }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value> {
        let words = "a field was taken away, or is of a kind that our records do not have";
        Err(ReadError(words.to_owned()))
    }
}

/// So many things one after another.
struct Counted<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Counted<'_, 'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    /// No word of how many will come: a length that lies would have room made for as many, and even
    /// one that is bounded by the bytes that are left, for each of them as a whole struct.
    fn size_hint(&self) -> Option<usize> {
        None
    }
}

impl<'de> MapAccess<'de> for Counted<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        SeqAccess::size_hint(self)
    }
}

/// The fields of a struct, under the names that they had.
struct Named<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: &'static [&'static str],
}

impl<'de> MapAccess<'de> for Named<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((name, left)) = self.left.split_first() else {
            return Ok(None);
        };
        self.left = left;
        let name: StrDeserializer<'_, ReadError> = (*name).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(&mut *self.reader)
    }
}

/// A variant, under the name that its number had.
struct Chosen<'a, 'de> {
    reader: &'a mut Reader<'de>,
    name: &'static str,
    known: Option<&'static [Variant]>,
}

impl<'a, 'de> EnumAccess<'de> for Chosen<'a, 'de> {
    type Error = ReadError;
    type Variant = Content<'a, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'a, 'de>)> {
        let number: u32 = self.reader.number()?;
        let reader = self.reader;
        let Some(known) = self.known else {
            let number: U32Deserializer<ReadError> = number.into_deserializer();
            let content = Content {
                reader,
                fields: None,
            };
            return Ok((seed.deserialize(number)?, content));
        };
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let variant = known
            .get(place)
            .ok_or_else(|| ReadError(format!("{} has no variant {number}", self.name)))?;
        let name: StrDeserializer<'_, ReadError> = variant.name.into_deserializer();
        let fields = Some(variant.fields.as_slice());
        Ok((seed.deserialize(name)?, Content { reader, fields }))
    }
}

/// What a variant holds.
struct Content<'a, 'de> {
    reader: &'a mut Reader<'de>,
    fields: Option<&'static [&'static str]>,
}

impl<'de> VariantAccess<'de> for Content<'_, 'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.reader.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let reader = self.reader;
        match self.fields {
            Some(left) => visitor.visit_map(Named { reader, left }),
            None => reader.deserialize_tuple(fields.len(), visitor),
        }
    }
}
