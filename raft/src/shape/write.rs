//! Writing today's structs as an older format had them, in bincode's bytes: the encoder of the
//! release before.

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::Shapes;

/// Why a value has no form in an older format.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// A variant came later.
    #[error("{0} came with a later format")]
    Newer(String),
    /// A mistake of ours: the lists and the structs do not fit.
    #[error("{0}")]
    Shape(String),
}

impl serde::ser::Error for WriteError {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        WriteError::Shape(text.to_string())
    }
}

type Result<T> = std::result::Result<T, WriteError>;

/// A value in an older format.
#[derive(Debug)]
pub(crate) struct Written {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Fields that the format does not have were left out.
    pub(crate) left_out: bool,
}

/// Writes a value as an older format had it; fields that came later are left out.
///
/// **Errors**: [`WriteError`].
pub(crate) fn write<T: Serialize>(value: &T, shapes: &'static Shapes) -> Result<Written> {
    let mut writer = Writer {
        written: Written {
            bytes: Vec::new(),
            left_out: false,
        },
        shapes,
    };
    value.serialize(&mut writer)?;
    Ok(writer.written)
}

struct Writer {
    written: Written,
    shapes: &'static Shapes,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        self.written.bytes.extend_from_slice(bytes);
    }

    fn unsigned(&mut self, number: u128) -> Result<()> {
        let bytes = number.to_le_bytes();
        let (tag, count) = match number {
            0..251 => (None, 1),
            251..=0xffff => (Some(251), 2),
            0x1_0000..=0xffff_ffff => (Some(252), 4),
            0x1_0000_0000..=0xffff_ffff_ffff_ffff => (Some(253), 8),
            0x1_0000_0000_0000_0000.. => (Some(254), 16),
        };
        self.written.bytes.extend(tag);
        self.put(&bytes[..count]);
        Ok(())
    }

    fn signed(&mut self, number: i64) -> Result<()> {
        let folded = (i128::from(number) << 1) ^ (i128::from(number) >> 127);
        self.unsigned(folded.unsigned_abs())
    }

    fn length(&mut self, length: Option<usize>) -> Result<()> {
        let length = length.ok_or_else(|| WriteError::custom("a sequence of unknown length"))?;
        self.unsigned(u128::try_from(length).expect("a length fits"))
    }

    /// Writes which variant it is, and returns the fields that it had, where it had names for them.
    fn variant(
        &mut self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<Option<&'static [&'static str]>> {
        let Some(known) = self.shapes.variants(name) else {
            self.unsigned(index.into())?;
            return Ok(None);
        };
        let place = known.iter().position(|one| one.name == variant);
        let place = place.ok_or_else(|| WriteError::Newer(format!("{name}::{variant}")))?;
        self.unsigned(u128::try_from(place).expect("a place fits"))?;
        Ok(Some(known[place].fields.as_slice()))
    }
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Named<'a>;
    type SerializeStructVariant = Named<'a>;

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.put(&[u8::from(value)]);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<()> {
        self.put(&[value]);
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<()> {
        self.put(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Result<()> {
        self.unsigned(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<()> {
        self.unsigned(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<()> {
        self.unsigned(value.into())
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        self.unsigned(value)
    }

    fn serialize_i16(self, value: i16) -> Result<()> {
        self.signed(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<()> {
        self.signed(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<()> {
        self.signed(value)
    }

    fn serialize_f32(self, _value: f32) -> Result<()> {
        Err(WriteError::custom("our records hold no fractions"))
    }

    fn serialize_f64(self, _value: f64) -> Result<()> {
        Err(WriteError::custom("our records hold no fractions"))
    }

    fn serialize_char(self, _value: char) -> Result<()> {
        Err(WriteError::custom("our records hold no single characters"))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        self.length(Some(value.len()))?;
        self.put(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<()> {
        self.put(&[0]);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        self.put(&[1]);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<()> {
        self.variant(name, index, variant).map(|_| ())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.variant(name, index, variant)?;
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Parts<'a>> {
        self.length(len)?;
        Ok(Parts(self))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Parts<'a>> {
        Ok(Parts(self))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Parts<'a>> {
        Ok(Parts(self))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Parts<'a>> {
        self.variant(name, index, variant)?;
        Ok(Parts(self))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Parts<'a>> {
        self.length(len)?;
        Ok(Parts(self))
    }

    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Named<'a>> {
        let left = self.shapes.fields(name);
        Ok(Named {
            writer: self,
            name,
            left,
        })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Named<'a>> {
        let left = self.variant(name, index, variant)?;
        Ok(Named {
            writer: self,
            name: variant,
            left,
        })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Things one after another, without names.
struct Parts<'a>(&'a mut Writer);

macro_rules! parts {
    ($($trait:ident $method:ident;)*) => {$(
        impl $trait for Parts<'_> {
            type Ok = ();
            type Error = WriteError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                value.serialize(&mut *self.0)
            }

            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        key.serialize(&mut *self.0)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.0)
    }

    fn end(self) -> Result<()> {
        Ok(())
    }
}

/// The fields of a struct, in the order that they had.
struct Named<'a> {
    writer: &'a mut Writer,
    name: &'static str,
    /// Those that are still to come; `None`: a type that the lists do not have.
    left: Option<&'static [&'static str]>,
}

impl Named<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        let Some(left) = self.left else {
            return value.serialize(&mut *self.writer);
        };
        match left.split_first() {
            Some((next, after)) if *next == key => {
                self.left = Some(after);
                value.serialize(&mut *self.writer)
            }
            Some(_) if left.contains(&key) => Err(WriteError::Shape(format!(
                "{}.{key} stands before a field that it stood behind",
                self.name
            ))),
            Some(_) | None => {
                self.writer.written.left_out = true;
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self.left {
            None | Some([]) => Ok(()),
            Some([first, ..]) => Err(WriteError::Shape(format!(
                "{}.{first} was taken away",
                self.name
            ))),
        }
    }
}

impl SerializeStruct for Named<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<()> {
        self.field(key, value)
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}

impl SerializeStructVariant for Named<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<()> {
        self.field(key, value)
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}
