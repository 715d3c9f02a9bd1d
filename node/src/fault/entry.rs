//! What an entry of the catalogue consists of, and the macro that makes codes of entries; the
//! entries themselves are in `catalogue`.

use super::Exit;

/// What the catalogue knows of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The number behind `FMX-`.
    pub number: u16,
    /// What happened, in one line.
    pub title: &'static str,
    /// What it means and what usually causes it.
    pub text: &'static str,
    /// What mends it, where the case itself does not say better.
    pub mend: &'static str,
    /// What the command line exits with.
    pub exit: Exit,
    /// What the admin API answers.
    pub status: u16,
}

/// Makes `Code` of a list of entries.
macro_rules! catalogue {
    ($($name:ident = $number:literal, $exit:ident, $status:literal,
        $title:literal, $text:literal, $mend:literal;)*) => {
        /// A kind of fault, with a number for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// What the catalogue knows of it.
            pub fn entry(self) -> Entry {
                match self {
                    $(Code::$name => Entry {
                        number: $number,
                        title: $title,
                        text: $text,
                        mend: $mend,
                        exit: Exit::$exit,
                        status: $status,
                    },)*
                }
            }
        }
    };
}

pub(super) use catalogue;
