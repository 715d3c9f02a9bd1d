//! Which program a tc filter runs, and what stands in its place, asked of the kernel: a filter has
//! no pin to be found by.
//!
//! One question, one answer, no privilege: the kernel answers before the call returns. An answer
//! that is no answer (no memory, no descriptor) is an error, never "there is none".
//!
//! **Source**: `rtnetlink(7)`; `linux/rtnetlink.h` (`struct tcmsg`), `linux/pkt_cls.h`.

use std::io;

use rtnetlink::packet_core::NlasIterator;
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Where a filter for all protocols is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The interface, by the kernel's number.
    pub(super) index: u32,
    /// The hook of its clsact qdisc: [`INGRESS`] or [`EGRESS`].
    pub(super) parent: u32,
    pub(super) priority: u16,
    pub(super) handle: u32,
}

/// The kernel's number of the program that the filter there runs; `None`: there is no such filter.
///
/// **Errors**: those of the system; nothing is known.
pub(super) fn program_at(place: Place) -> io::Result<Option<u32>> {
    let info = u32::from(place.priority) << 16 | u32::from(ALL_PROTOCOLS.to_be());
    let fields = [place.index, place.handle, place.parent, info];
    program_in(&ask(libc::RTM_GETTFILTER, fields)?)
}

/// Whether an interface has a qdisc where clsact belongs that is another one: that of `ingress`
/// takes filters for both ways and sends all of them what comes in.
///
/// **Errors**: those of the system; nothing is known.
pub(super) fn is_occupied(index: u32) -> io::Result<bool> {
    let answer = ask(libc::RTM_GETQDISC, [index, 0, CLSACT, 0])?;
    let kind = body(&answer, libc::RTM_NEWQDISC)?.and_then(|body| value(body, TCA_KIND));
    Ok(kind.is_some_and(|kind| kind != b"clsact\0"))
}

fn ask(kind: u16, fields: [u32; 4]) -> io::Result<Vec<u8>> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.set_non_blocking(true)?;
    socket.send_to(&question(kind, fields), &SocketAddr::new(0, 0), 0)?;
    let mut answer = Vec::with_capacity(ANSWER_BYTES_MAX);
    socket.recv_from(&mut answer, 0)?;
    Ok(answer)
}

/// PURE. A head alone; its fields are interface, handle, parent and info.
fn question(kind: u16, fields: [u32; 4]) -> Vec<u8> {
    let length = u32::try_from(HEAD_BYTES).expect("36");
    // Length, type, flags, then number and sender, which nobody needs; family and padding.
    let mut question = length.to_ne_bytes().to_vec();
    question.extend(kind.to_ne_bytes());
    question.extend(FLAGS.to_ne_bytes());
    question.extend([0; 12]);
    fields
        .into_iter()
        .for_each(|field| question.extend(field.to_ne_bytes()));
    question
}

/// PURE. The number of the program in an answer; `None` where that says that there is none.
///
/// **Errors**: what the answer says instead.
fn program_in(answer: &[u8]) -> io::Result<Option<u32>> {
    let id = body(answer, libc::RTM_NEWTFILTER)?
        .and_then(|body| value(body, TCA_OPTIONS))
        .and_then(|options| value(options, TCA_BPF_ID))
        .and_then(|id| id.try_into().ok());
    Ok(id.map(u32::from_ne_bytes))
}

/// PURE. What follows the head of an answer of that type; `None` where it says that there is
/// nothing like that.
///
/// **Errors**: what the answer says instead.
fn body(answer: &[u8], wanted: u16) -> io::Result<Option<&[u8]>> {
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok());
    match kind.map(u16::from_ne_bytes) {
        Some(kind) if kind == wanted => Ok(answer.get(HEAD_BYTES..)),
        Some(ERROR) => {
            let code = answer.get(16..20).and_then(|code| code.try_into().ok());
            let code = code.map_or(0, i32::from_ne_bytes).saturating_neg();
            match NOTHING_THERE.contains(&code) {
                true => Ok(None),
                false => Err(io::Error::from_raw_os_error(code)),
            }
        }
        Some(_) | None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// PURE. The value of the first attribute of a kind.
fn value(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    let mut all = NlasIterator::new(attributes).map_while(Result::ok);
    let found = all.find(|attribute| attribute.kind() == kind)?;
    let length = usize::from(found.length());
    found.into_inner().get(ATTRIBUTE_HEAD_BYTES..length)
}

/// `TC_H_CLSACT`, which is `TC_H_INGRESS` as well.
const CLSACT: u32 = 0xffff_fff1;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`.
pub(super) const INGRESS: u32 = 0xffff_fff2;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)`.
pub(super) const EGRESS: u32 = 0xffff_fff3;
/// `NLMSG_ERROR`; its code comes right after the head of 16 bytes.
const ERROR: u16 = 2;
/// How the kernel says that there is no such filter, no qdisc to have it, one that has none, or no
/// such interface.
const NOTHING_THERE: [i32; 4] = [libc::ENOENT, libc::EINVAL, libc::EOPNOTSUPP, libc::ENODEV];
/// 16 of `struct nlmsghdr` and 20 of `struct tcmsg`.
const HEAD_BYTES: usize = 36;
/// `NLM_F_REQUEST` and `NLM_F_ECHO`, without which older kernels answer about a qdisc to all
/// listeners but us.
const FLAGS: u16 = 0x9;
/// `ETH_P_ALL`, as programs are attached.
const ALL_PROTOCOLS: u16 = 3;
/// `struct nlattr`.
const ATTRIBUTE_HEAD_BYTES: usize = 4;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_ID: u16 = 11;
/// A filter of ours fills some 150 bytes of it; one of another kind may be cut off: it is not ours.
const ANSWER_BYTES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).expect("short");
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn a_question_is_one_head() {
        let info = 1 << 16 | u32::from(ALL_PROTOCOLS.to_be());
        let asked = question(libc::RTM_GETTFILTER, [7, 0xfa, EGRESS, info]);
        assert_eq!(asked.len(), HEAD_BYTES);
        assert_eq!(asked[..4], 36_u32.to_ne_bytes());
        assert_eq!(asked[4..8], [[46, 0], [9, 0]].concat());
        assert_eq!(asked[20..24], 7_u32.to_ne_bytes());
        assert_eq!(asked[24..28], 0xfa_u32.to_ne_bytes());
        assert_eq!(asked[32..34], 3_u16.to_be_bytes(), "as on the wire");
        assert_eq!(asked[34..36], 1_u16.to_ne_bytes());
    }

    #[test]
    fn only_a_filter_with_a_program_has_its_number() {
        let answer = |kind: u16, options: &[u8]| {
            let mut bytes = vec![0; HEAD_BYTES];
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            bytes.extend(attribute(1, b"bpf\0"));
            bytes.extend(attribute(TCA_OPTIONS, options));
            bytes
        };
        let name = attribute(7, b"fence_in\0");
        let ours = [&name[..], &attribute(TCA_BPF_ID, &77_u32.to_ne_bytes())].concat();
        let whole = answer(libc::RTM_NEWTFILTER, &ours);
        assert_eq!(program_in(&whole).ok(), Some(Some(77)));
        let nameless = answer(libc::RTM_NEWTFILTER, &name);
        assert_eq!(program_in(&nameless).ok(), Some(None));
        let body = body(&whole, libc::RTM_NEWTFILTER).ok().flatten();
        assert_eq!(value(body.expect("a body"), TCA_KIND), Some(&b"bpf\0"[..]));
        for cut in 0..whole.len() {
            assert_ne!(program_in(&whole[..cut]).ok(), Some(Some(77)), "{cut}");
        }
    }

    #[test]
    fn what_is_no_answer_does_not_say_that_there_is_none() {
        let error = |code: i32| {
            let mut bytes = vec![0; HEAD_BYTES];
            bytes[4..6].copy_from_slice(&ERROR.to_ne_bytes());
            bytes[16..20].copy_from_slice(&(-code).to_ne_bytes());
            program_in(&bytes).map_err(|error| error.raw_os_error())
        };
        for code in NOTHING_THERE {
            assert_eq!(error(code), Ok(None), "{code}");
        }
        for code in [libc::ENOMEM, libc::ENOBUFS, libc::EPERM, libc::EBUSY, 0] {
            assert_eq!(error(code), Err(Some(code)));
        }
        assert!(program_in(&[]).is_err(), "silence");
        assert!(program_in(&[0; HEAD_BYTES]).is_err(), "something else");
    }
}
