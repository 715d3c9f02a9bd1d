//! The shape of everything that is stored or sent, read from the source and compared with the list
//! of its format: a field that is added, taken away, moved or of another type fails here first.
//!
//! ```text
//!   raft/src, store/src ─syn─▶ list of structs and enums ═?═ raft/shapes/NEWEST.txt
//!                                                SHA-256 ═?═ of each list that was released
//! ```
//!
//! When it fails and the newest format was not released yet, the list follows the source:
//! `FARMUX_WRITE_SHAPES=1 cargo nextest run --release -p farmux-raft --test shapes`. When it was,
//! `codec::NEWEST` is raised by one first, and the list gets a new file beside the old one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use farmux_raft::codec::{NEWEST, OLDEST};
use quote::ToTokens;
use ring::digest::{SHA256, digest};
use syn::{Attribute, Fields, Item, ItemEnum, ItemStruct};

/// The lists that were released, with their SHA-256: what lies on disks has that shape for ever.
const RELEASED: &[(u16, &str)] = &[(1, FIRST)];

/// That of version 0.1.0.
const FIRST: &str = "00dbcbf0391e7961173e44e740ff1c6db2e6f1713d1a04da7c8de5cb1319fdd5";

#[test]
fn the_newest_list_is_the_source() {
    let path = list(NEWEST);
    let found = shapes();
    if std::env::var_os("FARMUX_WRITE_SHAPES").is_some() {
        std::fs::write(&path, &found).expect("the list can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (kept, found) = (lines(&kept), lines(&found));
    let first = kept
        .iter()
        .zip(&found)
        .position(|(kept, found)| kept != found);
    let at = first.unwrap_or(kept.len().min(found.len()));
    let around = |lines: &[String]| {
        let from = at.saturating_sub(3);
        lines
            .get(from..lines.len().min(at + 3))
            .unwrap_or_default()
            .join("\n")
    };
    assert!(
        kept == found,
        "a shape is not that of format {NEWEST} any more. Was it released? Then raise \
         codec::NEWEST, for older nodes and older disks would be read wrongly. If it was not: \
         FARMUX_WRITE_SHAPES=1 and run this test again. New fields need #[serde(default)], and \
         new variants stand at the end.\n--- {}:{}\n{}\n+++ source\n{}",
        path.display(),
        at + 1,
        around(&kept),
        around(&found),
    );
}

#[test]
fn what_was_released_is_never_edited() {
    let released: Vec<u16> = RELEASED.iter().map(|(format, _)| *format).collect();
    let older: Vec<u16> = (OLDEST..NEWEST).collect();
    assert_eq!(released, older, "every format but the newest was released");
    for (format, expected) in RELEASED {
        let bytes = std::fs::read(list(*format)).expect("the list is there");
        let hash: String = digest(&SHA256, &bytes)
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(&hash, expected, "shapes/{format}.txt was edited");
    }
}

fn list(format: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("shapes/{format}.txt"))
}

/// The list of all types that are serialized, by name.
fn shapes() -> String {
    let mut types = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in [root.join("src"), root.join("../store/src")] {
        walk(&folder, &mut |path| {
            let text = std::fs::read_to_string(path).expect("a source file");
            let file = syn::parse_file(&text).expect("it compiles");
            for item in &file.items {
                if let Some((name, lines)) = of_item(item) {
                    let before = types.insert(name.clone(), lines);
                    assert!(
                        before.is_none(),
                        "two types are called `{name}`: readers mix them up"
                    );
                }
            }
        });
    }
    types.into_values().collect()
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    let entries = std::fs::read_dir(folder).expect("a source folder");
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                walk(&path, visit);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path);
        }
    }
}

fn of_item(item: &Item) -> Option<(String, String)> {
    if let Item::Struct(item) = item {
        return is_serialized(&item.attrs).then(|| of_struct(item));
    }
    if let Item::Enum(item) = item {
        return is_serialized(&item.attrs).then(|| of_enum(item));
    }
    None
}

fn of_struct(item: &ItemStruct) -> (String, String) {
    let name = format!("struct {}", item.ident);
    let mut text = name.clone();
    container(&mut text, &item.attrs);
    fields(&mut text, " ", &item.fields);
    (name, text)
}

fn of_enum(item: &ItemEnum) -> (String, String) {
    let name = format!("enum {}", item.ident);
    let mut text = name.clone();
    container(&mut text, &item.attrs);
    text.push('\n');
    let kebab = serde_words(&item.attrs).contains("kebab-case");
    for variant in &item.variants {
        let name = variant.ident.to_string();
        let name = if kebab { kebab_case(&name) } else { name };
        // Writing to a string cannot fail.
        let _ = write!(text, " |{name}");
        fields(&mut text, "  ", &variant.fields);
    }
    (name, text)
}

/// Fields with names a line each; those without behind the name of what they are of.
fn fields(text: &mut String, indent: &str, fields: &Fields) {
    match fields {
        Fields::Named(named) => {
            text.push('\n');
            for field in &named.named {
                let words = serde_words(&field.attrs);
                if words.contains("skip") {
                    continue;
                }
                let name = field.ident.as_ref().expect("it has a name");
                let _ = writeln!(text, "{indent}.{name} {}", words_of(&field.ty));
            }
        }
        Fields::Unnamed(unnamed) => {
            let types: Vec<String> = unnamed.unnamed.iter().map(|f| words_of(&f.ty)).collect();
            let _ = writeln!(text, " ({})", types.join(", "));
        }
        Fields::Unit => text.push('\n'),
    }
}

/// What serde was told of the whole type.
fn container(text: &mut String, attributes: &[Attribute]) {
    let words = serde_words(attributes);
    if !words.is_empty() {
        let _ = write!(text, " [{words}]");
    }
}

fn is_serialized(attributes: &[Attribute]) -> bool {
    let derives = attributes
        .iter()
        .filter(|one| one.path().is_ident("derive"));
    let mut words = derives.map(|one| one.to_token_stream().to_string());
    words.any(|derived| derived.contains("Serialize"))
}

/// The words of `#[serde(…)]`; defaults change nothing of the shape.
fn serde_words(attributes: &[Attribute]) -> String {
    let ours = attributes.iter().filter(|one| one.path().is_ident("serde"));
    let words = ours.filter_map(|one| one.meta.require_list().ok());
    let words = words.map(|list| list.tokens.to_string());
    let words = words.filter(|words| !words.starts_with("default"));
    words.collect::<Vec<_>>().join(" ")
}

fn words_of(tokens: &impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    let tight = text
        .replace(" < ", "<")
        .replace(" > ", ">")
        .replace(" >", ">");
    tight.replace(" ,", ",").replace(" :: ", "::")
}

/// As serde's `rename_all = "kebab-case"` names a variant.
fn kebab_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
