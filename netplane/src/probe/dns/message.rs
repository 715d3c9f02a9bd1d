//! PURE. The little of DNS that a probe needs: one question out, its answers in.
//!
//! A message of anybody's making is read within bounds: names point backwards only and are at most
//! 255 bytes long, chains of aliases have an end, and what is cut off is malformed.
//!
//! **Source**: RFC 1035, 4.1; RFC 3596, 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::plan::DnsRecord;

/// Why a name server is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// There is no such name.
    #[error("no such name (NXDOMAIN)")]
    NoName,
    /// It could not find out.
    #[error("the name server failed (SERVFAIL)")]
    ServerFailed,
    /// It does not want to.
    #[error("the name server refuses (REFUSED)")]
    Refused,
    /// It says something else. **Source**: RFC 1035, 4.1.1, RCODE.
    #[error("the name server answers with code {0}")]
    Code(u8),
    /// The name is there, the record is not.
    #[error("the name has no {0} record")]
    NoRecord(DnsRecord),
    /// The expected value is not there.
    #[error("none of {count} {record} records is the expected one")]
    OtherValue {
        /// What was asked for.
        record: DnsRecord,
        /// How many there are.
        count: usize,
    },
    /// What came is no answer.
    #[error("the answer is not DNS")]
    Malformed,
    /// It is longer than any that is well-meant.
    #[error("the answer is longer than 16 KiB")]
    TooLong,
    /// What was asked for cannot be a name.
    #[error("the name to look up has an empty part, or one of more than 63 bytes")]
    NotAName,
}

/// A question, with the number that its answer must bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    id: u16,
    name: Name,
    record: DnsRecord,
}

/// What came in answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// To somebody else's question, or none at all.
    NotOurs,
    /// It did not fit into a datagram.
    Truncated,
    /// So many records, the expected one among them.
    Records(usize),
}

/// A name in lower case, as it stands in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name(Vec<u8>);

impl Name {
    fn parse(text: &str) -> Result<Name, DnsFailure> {
        let mut bytes = Vec::with_capacity(text.len() + 2);
        let text = text.strip_suffix('.').unwrap_or(text);
        // The root itself has no part.
        for part in text.split('.').filter(|_| !text.is_empty()) {
            let length = u8::try_from(part.len()).ok();
            let length = length.filter(|length| (1..=LABEL_BYTES_MAX).contains(length));
            bytes.push(length.ok_or(DnsFailure::NotAName)?);
            bytes.extend(part.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        bytes.push(0);
        let fits = bytes.len() <= NAME_BYTES_MAX;
        fits.then_some(Name(bytes)).ok_or(DnsFailure::NotAName)
    }
}

impl Question {
    /// **Errors**: `name` is none.
    pub(super) fn new(id: u16, name: &str, record: DnsRecord) -> Result<Question, DnsFailure> {
        let name = Name::parse(name)?;
        Ok(Question { id, name, record })
    }

    /// The message that asks it.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(HEAD_BYTES + self.name.0.len() + 4);
        for word in [self.id, RECURSION_DESIRED, 1, 0, 0, 0] {
            message.extend(word.to_be_bytes());
        }
        message.extend(&self.name.0);
        for word in [code_of(self.record), CLASS_IN] {
            message.extend(word.to_be_bytes());
        }
        message
    }

    /// What a message says to it; `value`, if there is one, must be among the answers.
    pub(super) fn read(&self, message: &[u8], value: Option<&str>) -> Result<Reply, DnsFailure> {
        let mut reader = Reader { message, at: 0 };
        let Some([id, flags, questions, answers, _, _]) = reader.words() else {
            return Ok(Reply::NotOurs);
        };
        // Who cannot read the question repeats none, and says so under its number.
        let code = flags.to_be_bytes()[1] & 0x0f;
        if id != self.id || flags & IS_ANSWER == 0 {
            return Ok(Reply::NotOurs);
        }
        if questions == 0 && code != 0 {
            return Err(failure(code));
        }
        if questions != 1 || !self.is_repeated(&mut reader) {
            return Ok(Reply::NotOurs);
        }
        if code != 0 {
            return Err(failure(code));
        }
        if flags & TRUNCATED != 0 {
            return Ok(Reply::Truncated);
        }
        let records: Option<Vec<Record>> = (0..answers).map(|_| reader.record()).collect();
        self.judge(&records.ok_or(DnsFailure::Malformed)?, message, value)
    }

    fn is_repeated(&self, reader: &mut Reader<'_>) -> bool {
        let name = reader.name();
        let words = reader.words();
        name.as_ref() == Some(&self.name) && words == Some([code_of(self.record), CLASS_IN])
    }

    fn judge(
        &self,
        records: &[Record],
        message: &[u8],
        value: Option<&str>,
    ) -> Result<Reply, DnsFailure> {
        let mut values = Vec::new();
        for record in records {
            if record.code == code_of(self.record) && self.leads_to(&record.owner, records, message)
            {
                let value = record.value(self.record, message);
                values.push(value.ok_or(DnsFailure::Malformed)?);
            }
        }
        let (record, count) = (self.record, values.len());
        if count == 0 {
            return Err(DnsFailure::NoRecord(record));
        }
        let is_wanted = |wanted: &str| values.iter().any(|value| value.is(wanted));
        match value.is_none_or(is_wanted) {
            true => Ok(Reply::Records(count)),
            false => Err(DnsFailure::OtherValue { record, count }),
        }
    }

    /// Whether the name that was asked for is `owner`, or an alias of it.
    fn leads_to(&self, owner: &Name, records: &[Record], message: &[u8]) -> bool {
        let mut name = self.name.clone();
        for _ in 0..ALIASES_MAX {
            if name == *owner {
                return true;
            }
            let alias =
                |record: &&Record| record.code == code_of(DnsRecord::Cname) && record.owner == name;
            let next = records.iter().find(alias);
            match next.and_then(|record| record.value(DnsRecord::Cname, message)) {
                Some(Value::Name(next)) => name = next,
                Some(Value::Address(_) | Value::Serial(_) | Value::Text(_)) | None => return false,
            }
        }
        false
    }
}

/// One record of an answer; its data stand in the message.
#[derive(Debug)]
struct Record {
    owner: Name,
    code: u16,
    from: usize,
    to: usize,
}

impl Record {
    /// What it says, read as this type.
    fn value(&self, as_type: DnsRecord, message: &[u8]) -> Option<Value> {
        // Names may point to what stands before, so that the reader begins at the message's start.
        let mut reader = Reader {
            message: message.get(..self.to)?,
            at: self.from,
        };
        let data = || message.get(self.from..self.to);
        Some(match as_type {
            DnsRecord::A => {
                let octets: [u8; 4] = data()?.try_into().ok()?;
                Value::Address(Ipv4Addr::from(octets).into())
            }
            DnsRecord::Aaaa => {
                let octets: [u8; 16] = data()?.try_into().ok()?;
                Value::Address(Ipv6Addr::from(octets).into())
            }
            DnsRecord::Cname | DnsRecord::Ns | DnsRecord::Ptr => Value::Name(reader.name()?),
            DnsRecord::Mx => {
                let [_preference] = reader.words()?;
                Value::Name(reader.name()?)
            }
            DnsRecord::Soa => {
                let (_primary, _mailbox) = (reader.name()?, reader.name()?);
                let [high, low] = reader.words()?;
                Value::Serial(u32::from(high) << 16 | u32::from(low))
            }
            DnsRecord::Txt => {
                let mut text = Vec::new();
                while let Some(length) = reader.byte() {
                    text.extend(reader.take(length.into())?);
                }
                Value::Text(text)
            }
        })
    }
}

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Address(IpAddr),
    Name(Name),
    Serial(u32),
    Text(Vec<u8>),
}

impl Value {
    fn is(&self, wanted: &str) -> bool {
        match self {
            Value::Address(address) => wanted.parse() == Ok(*address),
            Value::Name(name) => Name::parse(wanted).as_ref() == Ok(name),
            Value::Serial(serial) => wanted.parse() == Ok(*serial),
            Value::Text(text) => *text == wanted.as_bytes(),
        }
    }
}

/// Reads a message from its front.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.message.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn words<const N: usize>(&mut self) -> Option<[u16; N]> {
        let bytes = self.take(N * 2)?;
        let mut words = [0; N];
        for (word, pair) in words.iter_mut().zip(bytes.chunks_exact(2)) {
            *word = u16::from_be_bytes(pair.try_into().ok()?);
        }
        Some(words)
    }

    fn record(&mut self) -> Option<Record> {
        let owner = self.name()?;
        let [code, _class, _, _, length] = self.words()?;
        let from = self.at;
        self.take(length.into())?;
        Some(Record {
            owner,
            code,
            from,
            to: self.at,
        })
    }

    /// A name, its pointers followed; reading goes on after its first part.
    fn name(&mut self) -> Option<Name> {
        let mut bytes = Vec::new();
        // Each pointer leads before the place where the last one led, so that they come to an end.
        let mut before = self.at;
        let mut part = Reader {
            message: self.message,
            at: self.at,
        };
        let mut jumped = false;
        loop {
            let length = part.byte()?;
            match length >> 6 {
                0b00 if length == 0 => {
                    bytes.push(0);
                    if !jumped {
                        self.at = part.at;
                    }
                    return (bytes.len() <= NAME_BYTES_MAX).then_some(Name(bytes));
                }
                0b00 => {
                    bytes.push(length);
                    let label = part.take(length.into())?;
                    bytes.extend(label.iter().map(u8::to_ascii_lowercase));
                }
                0b11 => {
                    let to = usize::from(length & 0x3f) << 8 | usize::from(part.byte()?);
                    if !jumped {
                        self.at = part.at;
                        jumped = true;
                    }
                    if to >= before {
                        return None;
                    }
                    before = to;
                    part.at = to;
                }
                _ => return None,
            }
            if bytes.len() > NAME_BYTES_MAX {
                return None;
            }
        }
    }
}

fn failure(code: u8) -> DnsFailure {
    match code {
        2 => DnsFailure::ServerFailed,
        3 => DnsFailure::NoName,
        5 => DnsFailure::Refused,
        other => DnsFailure::Code(other),
    }
}

/// The number of a type. **Source**: RFC 1035, 3.2.2; RFC 3596, 2.1.
fn code_of(record: DnsRecord) -> u16 {
    match record {
        DnsRecord::A => 1,
        DnsRecord::Ns => 2,
        DnsRecord::Cname => 5,
        DnsRecord::Soa => 6,
        DnsRecord::Ptr => 12,
        DnsRecord::Mx => 15,
        DnsRecord::Txt => 16,
        DnsRecord::Aaaa => 28,
    }
}

/// **Source**: RFC 1035, 4.1.1.
const HEAD_BYTES: usize = 12;
const IS_ANSWER: u16 = 1 << 15;
const TRUNCATED: u16 = 1 << 9;

/// A resolver that is probed shall do its work; who only knows its own zones pays no heed.
const RECURSION_DESIRED: u16 = 1 << 8;

/// The Internet. **Source**: RFC 1035, 3.2.4.
const CLASS_IN: u16 = 1;

/// **Source**: RFC 1035, 2.3.4.
const LABEL_BYTES_MAX: u8 = 63;
const NAME_BYTES_MAX: usize = 255;

/// Aliases of aliases: resolvers give up at about as many.
const ALIASES_MAX: usize = 16;

#[cfg(test)]
mod tests;
