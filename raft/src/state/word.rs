//! Words: choices that an operator writes as one word, each with its word in one place.

/// A choice among a few words; files, exports, diffs and answers all say it alike.
pub trait Word: Copy + PartialEq + 'static {
    /// Every choice with its word, the default first.
    const WORDS: &'static [(&'static str, Self)];

    /// The word of this choice.
    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, choice)| *choice == self);
        found.expect("every choice has a word").0
    }
}

/// Gives an enum without contents its words, the default first, and `Display` by them.
macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $crate::state::Word for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$variant)),+];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self {
                    $($name::$variant => $word),+
                })
            }
        }
    };
}

pub(super) use words;
